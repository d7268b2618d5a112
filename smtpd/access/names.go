package access

import (
	"postrider/lib/base/msg"
)

// A restriction is what a name in a list does.
type restriction struct {
	run    func(w *walk, arg string) answer
	arg    bool   // the next word belongs to it
	table  bool   // that word is a table
	notice string // the name to use instead

	deprecated bool // but not about to go away
}

func (r restriction) valid() bool { return r.run != nil }

// restrictions are all names that lists may hold, today's and those of the
// past. Source: postconf(5).
var restrictions map[string]restriction

func init() {
	restrictions = map[string]restriction{
		"permit":          {run: func(w *walk, _ string) answer { return w.named("permit") }},
		"reject":          {run: rejectAlways},
		"defer":           {run: deferAlways},
		"defer_if_permit": {run: deferIfPermit},
		"defer_if_reject": {run: deferIfReject},
		"sleep":           {run: sleep, arg: true},

		"permit_inet_interfaces":                       {run: permitInetInterfaces},
		"permit_mynetworks":                            {run: permitMynetworks},
		"permit_sasl_authenticated":                    {run: permitSASLAuthenticated},
		"permit_tls_all_clientcerts":                   {run: permitTLSAllClientcerts},
		"permit_tls_clientcerts":                       {run: permitTLSClientcerts},
		"reject_plaintext_session":                     {run: rejectPlaintextSession},
		"reject_unauth_pipelining":                     {run: rejectUnauthPipelining},
		"reject_multi_recipient_bounce":                {run: rejectMultiRecipientBounce},
		"reject_unknown_client_hostname":               {run: rejectUnknownClientHostname},
		"reject_unknown_client":                        {run: rejectUnknownClientHostname},
		"reject_unknown_reverse_client_hostname":       {run: rejectUnknownReverseClientHostname},
		"reject_unknown_forward_client_hostname":       {run: rejectUnknownForwardClientHostname},
		"reject_invalid_helo_hostname":                 {run: rejectInvalidHeloHostname},
		"reject_invalid_hostname":                      {run: rejectInvalidHeloHostname},
		"reject_non_fqdn_helo_hostname":                {run: rejectNonFQDNHeloHostname},
		"reject_non_fqdn_hostname":                     {run: rejectNonFQDNHeloHostname},
		"reject_unknown_helo_hostname":                 {run: rejectUnknownHeloHostname},
		"reject_unknown_hostname":                      {run: rejectUnknownHeloHostname},
		"permit_naked_ip_address":                      {run: permitNakedIPAddress, notice: "permit_mynetworks or permit_sasl_authenticated", deprecated: true},
		"reject_non_fqdn_sender":                       {run: rejectNonFQDNSender},
		"reject_unknown_sender_domain":                 {run: rejectUnknownSenderDomain},
		"reject_unknown_address":                       {run: rejectUnknownSenderDomain, notice: "reject_unknown_sender_domain"},
		"reject_unlisted_sender":                       {run: rejectUnlistedSender},
		"reject_unverified_sender":                     {run: rejectUnverifiedSender},
		"reject_sender_login_mismatch":                 {run: rejectSenderLoginMismatch},
		"reject_authenticated_sender_login_mismatch":   {run: rejectAuthenticatedSenderLoginMismatch},
		"reject_unauthenticated_sender_login_mismatch": {run: rejectUnauthenticatedSenderLoginMismatch},
		"reject_known_sender_login_mismatch":           {run: rejectKnownSenderLoginMismatch},
		"permit_auth_destination":                      {run: permitAuthDestination},
		"permit_mx_backup":                             {run: permitMXBackup, notice: "relay_domains"},
		"reject_unauth_destination":                    {run: rejectUnauthDestination},
		"defer_unauth_destination":                     {run: deferUnauthDestination},
		"check_relay_domains":                          {run: checkRelayDomains, notice: "reject_unauth_destination"},
		"reject_non_fqdn_recipient":                    {run: rejectNonFQDNRecipient},
		"reject_unknown_recipient_domain":              {run: rejectUnknownRecipientDomain},
		"reject_unlisted_recipient":                    {run: rejectUnlistedRecipient},
		"check_recipient_maps":                         {run: rejectUnlistedRecipient, notice: "reject_unlisted_recipient"},
		"check_sender_maps":                            {run: rejectUnlistedSender, notice: "reject_unlisted_sender"},
		"reject_unverified_recipient":                  {run: rejectUnverifiedRecipient},

		"reject_maps_rbl":             {run: rejectMapsRBL, notice: "reject_rbl_client domain-name"},
		"reject_rbl":                  {run: rejectRBLClient, arg: true, notice: "reject_rbl_client"},
		"reject_rbl_client":           {run: rejectRBLClient, arg: true},
		"reject_rhsbl_client":         {run: rejectRHSBLClient, arg: true},
		"reject_rhsbl_reverse_client": {run: rejectRHSBLReverseClient, arg: true},
		"reject_rhsbl_helo":           {run: rejectRHSBLHelo, arg: true},
		"reject_rhsbl_sender":         {run: rejectRHSBLSender, arg: true},
		"reject_rhsbl_recipient":      {run: rejectRHSBLRecipient, arg: true},
		"permit_dnswl_client":         {run: permitDNSWLClient, arg: true},
		"permit_rhswl_client":         {run: permitRHSWLClient, arg: true},

		"check_policy_service": {run: checkPolicyService, arg: true},
	}
	for name, run := range tableChecks {
		restrictions[name] = restriction{run: run, arg: true, table: true}
	}
}

// prepare opens at start what a restriction with an argument needs, and says
// at use what is wrong with the argument.
func (c *Checker) prepare(name, arg string, r restriction) func(*walk, string) answer {
	switch {
	case r.table && !isTable(arg):
		return func(w *walk, arg string) answer {
			msg.Warn("restriction %s: bad argument %q: need maptype:mapname", name, arg)
			return w.misconfigured()
		}
	case r.table:
		if err := c.openTable(arg); err != nil {
			msg.Warn("restriction %s: %v", name, err)
		}
	case name == "check_policy_service":
		c.openPolicy(arg)
	case r.notice != "":
		return c.oldName(name, r)
	}
	return r.run
}

func rejectAlways(w *walk, _ string) answer {
	return w.reject(Policy, w.codes.Reject, "5.7.1", "<%s>: %s rejected: Access denied", w.name, w.class)
}

func deferAlways(w *walk, _ string) answer {
	return w.reject(Policy, w.codes.Defer, "4.3.2", "<%s>: %s rejected: Try again later", w.name, w.class)
}

func deferIfPermit(w *walk, _ string) answer {
	return w.deferIfPermit(Policy, 450, "4.7.0", "<%s>: %s rejected: defer_if_permit requested", w.name, w.class)
}

func deferIfReject(w *walk, _ string) answer {
	return w.deferIfReject(Policy, 450, "4.7.0", "<%s>: %s rejected: defer_if_reject requested", w.name, w.class)
}

func rejectPlaintextSession(w *walk, _ string) answer {
	if w.TLS.Protocol != "" {
		return dunno
	}
	return w.reject(Policy, w.codes.Plaintext, "4.7.1", "Session encryption is required")
}

// rejectUnauthPipelining refuses clients that send commands ahead where the
// protocol does not allow it.
func rejectUnauthPipelining(w *walk, _ string) answer {
	if w.EarlyInput == nil || !w.EarlyInput() {
		return dunno
	}
	return w.reject(Policy, 503, "5.5.0", "<%s>: %s rejected: Improper use of SMTP command pipelining", w.name, w.class)
}

// rejectMultiRecipientBounce refuses a bounce for more than one recipient: a
// message has only one sender to return to.
func rejectMultiRecipientBounce(w *walk, _ string) answer {
	count := w.Recipients
	if w.Stage == "RCPT" {
		count++
	}
	if w.Sender == nil || *w.Sender != "" || count < 2 {
		return dunno
	}
	return w.reject(Policy, w.codes.MultiRecipientBounce, "5.5.3", "<%s>: %s rejected: Multi-recipient bounce", w.name, w.class)
}
