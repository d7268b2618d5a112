// Smtp delivers mail to other hosts, with SMTP or LMTP.
//
// # SYNOPSIS
//
//	smtp [generic Postfix daemon options] [flags=DORX]
//	lmtp [generic Postfix daemon options] [flags=DORX]
//
// # DESCRIPTION
//
// The queue manager names a message, its sender, its recipients and a next hop.
// Smtp looks for the servers that take mail for the next hop, connects to one
// after the other in their order of preference until one of them has taken the
// message, and tells for each recipient what became of it. Recipients that were
// delivered or returned are marked in the queue file; the others will be tried
// again.
//
// A server that cannot be reached, breaks off, or answers that there is trouble
// which may pass, leaves its recipients to the next server. What the last
// server says is the answer.
//
// The program speaks LMTP when it is called lmtp. It then reads parameters under
// lmtp_* names instead of smtp_*.
//
// # SMTP DESTINATIONS
//
// A next hop is one or more of these, separated by comma or blank; each is tried
// in turn.
//
//	domain
//	domain:port
//
// The mail exchangers of the domain or, when it has none, the host of this name.
//
//	[host]
//	[host]:port
//	[address]
//	[address]:port
//
// The host, or the address, itself. An IPv6 address is written [ipv6:address].
// Without a port, $smtp_tcp_port is used.
//
// # LMTP DESTINATIONS
//
//	unix:pathname
//
// The server that listens at a UNIX-domain socket. The name is relative to the
// queue directory.
//
//	inet:host
//	inet:host:port
//	inet:[address]
//	inet:[address]:port
//
// A server on the network. Without a port, $lmtp_tcp_port is used. "inet:" may
// be left out.
//
// # FLAGS
//
// An argument flags= in master.cf asks for header lines in front of the message,
// and more:
//
//   - D: Delivered-To: with the recipient. A message that has this line already
//     is returned: it runs in a circle.
//   - O: X-Original-To: with the recipient as it came to this system.
//   - R: Return-Path: with the sender.
//   - X: this delivery is the final one; notices of success say "delivered"
//     instead of "relayed".
//
// D and O need a <transport>_destination_recipient_limit of 1.
//
// # AUTHENTICATION
//
// With $smtp_sasl_auth_enable, smtp(8) logs in at servers that offer it and for which
// $smtp_sasl_password_maps has a user and a password. The tables are asked for the
// sender, when $smtp_sender_dependent_authentication says so, for the name of the
// server, and for the next hop as it was written: "[mail.example.com]:587". Without
// an entry, mail is sent without a login.
//
// The mechanisms, the best one first: SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1,
// DIGEST-MD5, CRAM-MD5, PLAIN, LOGIN; then EXTERNAL, OAUTHBEARER, XOAUTH2 and
// ANONYMOUS, which are used when $smtp_sasl_mechanism_filter or the server leave
// nothing else. $smtp_sasl_security_options and its two variants for TLS say what a
// mechanism must withstand. By default passwords are never sent as they are.
//
// A server that refuses the password keeps the mail in the queue.
//
// # TLS
//
// $smtp_tls_security_level says how much TLS is wanted, and $smtp_tls_policy_maps
// says it for single destinations. When the level asks for more than a server has,
// the next server is tried; when there is none, the mail waits in the queue, with
// the reason in the log. It is never sent in the clear instead.
//
// At the level "may" a handshake that fails does not keep the mail back for long: a
// message that was put off before, and is older than $minimal_backoff_time, is
// sent to the same server in the clear.
//
// DANE needs name servers that validate answers, and $smtp_dns_support_level =
// dnssec. The resolver's configuration must trust these name servers: they are on
// this machine, or resolv.conf(5) has "options trust-ad".
//
// # TLS POLICY TABLE
//
// Tables of $smtp_tls_policy_maps are asked for the next hop, as it was written:
// "[mx.example.com]:587". For a domain alone they are also asked for its parents,
// with a dot in front: ".example.com", then ".com". The result is a level and
// attributes, separated by comma or blank:
//
//	example.com    secure match=mx.example.com:.example.net ciphers=high
//	[10.1.2.3]     fingerprint match=AA:BB:...
//
// The attributes are:
//
//   - ciphers=: the grade, "high" or "medium".
//   - exclude=: ciphers, separated by colons, instead of those that main.cf excludes.
//   - protocols=: versions, separated by colons.
//   - match=: at "verify" and "secure" names, separated by colons; at
//     "fingerprint" fingerprints, separated by "|". It may be given several times.
//   - tafile=: a trust anchor file, at "verify" and "secure". It may be given several
//     times, and is read when it is first needed, in the chroot jail if there is one.
//   - servername=: the server name to ask for, as in $smtp_tls_servername.
//   - connection_reuse=: yes or no, instead of $smtp_tls_connection_reuse.
//   - enable_rpk=: yes or no. There is no such thing here; "yes"
//     is logged and ignored.
//   - policy_type=sts, mx_host_pattern=, policy_failure=, policy_domain=,
//     policy_ttl=, policy_string=: the MTA-STS policy, from a plug-in that looks
//     for such policies. Servers must match a pattern, unless
//     $smtp_tls_enforce_sts_mx_patterns says otherwise; a failure defers mail. The
//     other attributes are for the reports of $smtp_tlsrpt_enable. Values with blanks
//     stand in braces: { policy_string = version: STSv1 }.
//
// A result that cannot be understood is logged, and the mail waits.
//
// # TLS AND THE SENDER
//
// A message that came with REQUIRETLS goes only to servers that prove who they are
// and announce REQUIRETLS, unless $smtp_requiretls_policy says otherwise for them. When
// there is none it goes back, without its body. A message with the header
// "TLS-Required: no" goes to any server, whatever the policy for it is. RFC 8689.
//
// # SECURITY
//
// Smtp talks to SMTP, LMTP and DNS servers that others run, and believes nothing
// that they say beyond what happens to the mail that they get. It needs no
// privileges and may run in a chroot jail.
//
// # STANDARDS
//
// RFC 5321 (SMTP), RFC 1870 (SIZE), RFC 2033 (LMTP), RFC 2034 (enhanced status
// codes), RFC 2920 (PIPELINING), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 3461 (DSN), RFC 6152
// (8BITMIME), RFC 6531 (SMTPUTF8), RFC 7435 (opportunistic security), RFC 7505
// (null MX), RFC 7672 (DANE), RFC 8461 (MTA-STS; the part after the lookup).
//
// # DIAGNOSTICS
//
// What becomes of each recipient is in the mail log, and in the notices that
// bounce(8) sends. A queue file that cannot be read is set aside.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	_ "postrider/lib/base/table/all"
	"postrider/lib/base/text"
	"postrider/lib/daemon/agent"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/addrmap"
	"postrider/lib/mail/domains"
	"postrider/lib/mail/param"
	"postrider/lib/service/deliver"
)

var (
	lmtp          bool // called by this name
	flags         string
	finalDelivery bool // flag X

	propagateGeneric bool // the extension of an address is kept
	minimalBackoff   time.Duration

	routes *router
	tables lookupTables
)

// lookupTables are opened before the root directory changes.
type lookupTables struct {
	generic  *addrmap.Maps
	keywords *table.List
	pix      *table.List
	replies  *table.List
	checks   checks
}

func main() {
	lmtp = filepath.Base(os.Args[0]) == "lmtp"
	agent.Main(agent.Agent{
		Name:         "smtp",
		Params:       &conf,
		LoadParams:   load,
		PreJail:      prepareProcess,
		Deliver:      serve,
		StatusFilter: &conf.StatusFilter,
		Idle:         idle,
	})
}

// load reads smtp_* parameters or, for lmtp, the same ones as lmtp_*.
func load(s *param.Settings) error {
	propagateGeneric = slices.Contains(text.Split(s.Value("propagate_unmatched_extensions")), "generic")
	var err error
	if minimalBackoff, err = param.ParseTime(s.Value("minimal_backoff_time"), "300s"); err != nil {
		return fmt.Errorf("minimal_backoff_time: %w", err)
	}
	if lmtp {
		return s.LoadPrefixed(&conf, "smtp_", "lmtp_")
	}
	return s.Load(&conf)
}

func prepareProcess(p *server.Process) {
	readArguments(p.Args)
	var err error
	if routes, err = newRouter(); err != nil {
		msg.Fatal("%v", err)
	}
	if err = openTables(); err != nil {
		msg.Fatal("%v", err)
	}
	if err = openCached(p.Service); err != nil {
		msg.Fatal("%v", err)
	}
	if tlsEngine, err = newEngine(); err != nil {
		msg.Fatal("%v", err)
	}
	if logins, err = openLogins(); err != nil {
		msg.Fatal("%v", err)
	}
}

func openTables() (err error) {
	for _, t := range []struct {
		list **table.List
		name string
		maps string
	}{
		{&tables.keywords, "smtp_discard_ehlo_keyword_address_maps", conf.DiscardEhloKeywordAddressMaps},
		{&tables.pix, "smtp_pix_workaround_maps", conf.PixWorkaroundMaps},
		{&tables.replies, "smtp_reply_filter", conf.ReplyFilter},
	} {
		if *t.list, err = table.OpenList(t.maps, table.FoldKey); err != nil {
			return fmt.Errorf("parameter %s: %w", paramName(t.name), err)
		}
	}
	conf.IDNA.Use()
	if err = conf.Debug.Open(conf.Domains.Parents); err != nil {
		return err
	}
	if err = openNeeds(); err != nil {
		return err
	}
	if conf.Report.Enable && conf.Report.SocketName == "" {
		return fmt.Errorf("parameter %s is empty: \"%s = yes\" needs the name of the collector's socket", paramName("smtp_tlsrpt_socket_name"), paramName("smtp_tlsrpt_enable"))
	}
	if err = tables.checks.open(); err != nil {
		return err
	}
	return openGeneric()
}

// openGeneric opens the tables of addresses. What is local is only looked at when
// there are such tables, since it needs tables itself.
func openGeneric() error {
	tables.generic = nil
	if conf.GenericMaps == "" {
		return nil
	}
	local, err := domains.New(&conf.Domains)
	if err == nil {
		tables.generic, err = addrmap.Open(paramName("smtp_generic_maps"), conf.GenericMaps,
			addrmap.Options{Params: &conf.Address, Domains: local})
	}
	return err
}

// readArguments reads what stands behind the options in master.cf.
func readArguments(args []string) {
	for _, arg := range args {
		value, ok := strings.CutPrefix(arg, "flags=")
		if !ok || strings.Trim(value, "DORX") != "" {
			msg.Fatal("unknown attribute: %q; want flags= with letters of DORX", arg)
		}
		flags += value
	}
	finalDelivery = flagged('X')
}

func flagged(letter byte) bool { return strings.IndexByte(flags, letter) >= 0 }

// serve does one request.
func serve(req *agent.Request) deliver.Report {
	d := newDelivery(req)
	for _, letter := range "DO" {
		if flagged(byte(letter)) && len(d.rcpts) > 1 {
			msg.Warn("flag `%c' requires %s_destination_recipient_limit = 1", letter, req.Service)
			d.failAll(nil, failure("4.3.5", "mail system configuration error"), false)
			return d.result()
		}
	}
	if flagged('D') && d.cameBack() {
		d.failAll(nil, failure("5.4.6", "mail forwarding loop for %s", d.rcpts[0].Address), false)
		return d.result()
	}
	d.run(routes)
	return d.result()
}
