package access

import (
	"net/netip"
	"slices"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/mail/domains"
	"postrider/lib/net/dns"
)

func permitMynetworks(w *walk, _ string) answer {
	ok, err := w.networks.MatchClient(w.Client.Name, w.Client.Address)
	switch {
	case err != nil:
		msg.Warn("mynetworks: %v", err)
		return w.reject(Data, 451, "4.3.0", "<%s>: Temporary lookup failure", w.Client.NameAddr())
	case ok:
		return w.permitted("permit_mynetworks", classClient, w.Client.NameAddr())
	}
	return dunno
}

func permitInetInterfaces(w *walk, _ string) answer {
	if w.Client.Addr.IsValid() && w.svc.Domains.Own(w.Client.Addr) {
		return w.permitted("permit_inet_interfaces", classClient, w.Client.NameAddr())
	}
	return dunno
}

func permitSASLAuthenticated(w *walk, _ string) answer {
	if !w.SASL.Active || w.SASL.User == "" || strings.EqualFold(w.SASL.Method, "ANONYMOUS") {
		return dunno
	}
	return w.permitted("permit_sasl_authenticated", classClient, w.Client.NameAddr())
}

// rejectUnknownClientHostname refuses clients without a name, and those whose
// name has other addresses.
func rejectUnknownClientHostname(w *walk, _ string) answer {
	if w.Client.NameStatus == NameOK {
		return dunno
	}
	code := w.codes.UnknownClient
	if w.Client.NameStatus == NameTempfail {
		code = 450
	}
	return w.reject(Policy, code, "4.7.25", "Client host rejected: cannot find your hostname, [%s]", w.Client.Address)
}

// rejectUnknownReverseClientHostname refuses clients whose address has no
// name at all.
func rejectUnknownReverseClientHostname(w *walk, _ string) answer {
	if w.Client.ReverseStatus == NameOK {
		return dunno
	}
	code := w.codes.UnknownClient
	if w.Client.ReverseStatus == NameTempfail {
		code = 450
	}
	return w.reject(Policy, code, "4.7.1", "Client host rejected: cannot find your reverse hostname, [%s]", w.Client.Address)
}

// rejectUnknownForwardClientHostname refuses clients whose name has no address
// or other addresses.
func rejectUnknownForwardClientHostname(w *walk, _ string) answer {
	if w.Client.ReverseStatus != NameOK || w.Client.NameStatus == NameOK {
		return dunno
	}
	return rejectUnknownClientHostname(w, "")
}

// rejectInvalidHeloHostname refuses names that cannot be names or addresses.
func rejectInvalidHeloHostname(w *walk, _ string) answer {
	name := w.Helo
	if name == "" {
		return dunno
	}
	if strings.HasPrefix(name, "[") {
		if _, ok := domains.Literal(name); !ok {
			return w.reject(Policy, w.codes.InvalidHostname, "5.5.2", "<%s>: %s rejected: invalid ip address", name, classHelo)
		}
		return dunno
	}
	trimmed := strings.TrimSuffix(name, ".")
	if dns.ValidHostname(ascii(trimmed)) || bareAddress(trimmed) {
		return dunno
	}
	return w.reject(Policy, w.codes.InvalidHostname, "5.5.2", "<%s>: %s rejected: Invalid name", name, classHelo)
}

func rejectNonFQDNHeloHostname(w *walk, _ string) answer {
	if w.Helo == "" {
		return dunno
	}
	if _, ok := domains.Literal(w.Helo); ok || strings.HasPrefix(w.Helo, "[") || qualified(w.Helo) {
		return dunno
	}
	return w.reject(Policy, w.codes.NonFQDN, "5.5.2", "<%s>: %s rejected: need fully-qualified hostname", w.Helo, classHelo)
}

// rejectUnknownHeloHostname refuses names without address or mail exchanger.
func rejectUnknownHeloHostname(w *walk, _ string) answer {
	name := w.Helo
	if name == "" || strings.HasPrefix(name, "[") {
		return dunno
	}
	err := w.svc.Names.Exists(ascii(name), dns.TypeA, dns.TypeAAAA, dns.TypeMX)
	switch dns.KindOf(err) {
	case 0, dns.NullMX:
		return dunno
	case dns.NotFound:
		return w.reject(Policy, w.codes.UnknownHostname, "4.7.1", "<%s>: %s rejected: Host not found", name, classHelo)
	}
	return w.tempfail(w.codes.UnknownHeloTempfail, Policy, 450, "4.7.1", "<%s>: %s rejected: Host not found", name, classHelo)
}

func permitNakedIPAddress(w *walk, _ string) answer {
	if bareAddress(w.Helo) {
		return w.permitted("permit_naked_ip_address", classHelo, w.Helo)
	}
	return dunno
}

func bareAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

// qualified reports whether name is a host name with a dot in it.
func qualified(name string) bool {
	name = ascii(strings.TrimSuffix(name, "."))
	return strings.Contains(name, ".") && dns.ValidHostname(name)
}

// withoutLogins says that a restriction means nothing in a service that has no
// logins.
func (w *walk) withoutLogins(name string) bool {
	if !w.SASL.Active {
		msg.Warn("restriction `%s' ignored: no SASL support", name)
	}
	return !w.SASL.Active
}

func rejectSenderLoginMismatch(w *walk, _ string) answer {
	if got := rejectAuthenticatedSenderLoginMismatch(w, ""); got != dunno {
		return got
	}
	return rejectUnauthenticatedSenderLoginMismatch(w, "")
}

// owners returns the login names that a sender address belongs to.
func (w *walk) owners() (names []string, listed bool, got answer) {
	maps := w.maps["smtpd_sender_login_maps"]
	if w.Sender == nil || *w.Sender == "" || maps.Empty() {
		return nil, false, dunno
	}
	value, found, err := maps.Lookup(*w.Sender)
	if err != nil {
		return nil, false, w.lookupFailed(*w.Sender)
	}
	return text.Split(value), found, dunno
}

// isOneOf reports whether the client's login is in a list.
func (w *walk) isOneOf(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, w.SASL.User) })
}

func rejectAuthenticatedSenderLoginMismatch(w *walk, _ string) answer {
	if w.withoutLogins("reject_authenticated_sender_login_mismatch") || w.SASL.User == "" {
		return dunno
	}
	names, _, got := w.owners()
	if got != dunno || w.Sender == nil || *w.Sender == "" || w.isOneOf(names) {
		return got
	}
	return w.reject(Policy, 553, "5.7.1", "<%s>: Sender address rejected: not owned by user %s", *w.Sender, w.SASL.User)
}

func rejectUnauthenticatedSenderLoginMismatch(w *walk, _ string) answer {
	if w.withoutLogins("reject_unauthenticated_sender_login_mismatch") || w.SASL.User != "" {
		return dunno
	}
	_, listed, got := w.owners()
	if got != dunno || !listed {
		return got
	}
	return w.reject(Policy, 553, "5.7.1", "<%s>: Sender address rejected: not logged in", *w.Sender)
}

func rejectKnownSenderLoginMismatch(w *walk, _ string) answer {
	if w.withoutLogins("reject_known_sender_login_mismatch") {
		return dunno
	}
	names, listed, got := w.owners()
	switch {
	case got != dunno || !listed:
		return got
	case w.SASL.User == "":
		return w.reject(Policy, 553, "5.7.1", "<%s>: Sender address rejected: not logged in", *w.Sender)
	case w.isOneOf(names):
		return dunno
	}
	return w.reject(Policy, 553, "5.7.1", "<%s>: Sender address rejected: not owned by user %s", *w.Sender, w.SASL.User)
}
