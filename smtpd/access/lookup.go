package access

import (
	"errors"
	"net/netip"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/mail/address"
	"postrider/lib/net/dns"
)

// tableChecks are the check_…_access restrictions; the argument is a table.
var tableChecks map[string]func(w *walk, spec string) answer

func init() {
	tableChecks = map[string]func(w *walk, spec string) answer{
		"check_client_access":                  checkClientAccess,
		"check_reverse_client_hostname_access": checkReverseAccess,
		"check_ccert_access":                   checkCcertAccess,
		"check_sasl_access":                    checkSASLAccess,
		"check_helo_access":                    checkHeloAccess,
		"check_sender_access":                  checkSenderAccess,
		"check_recipient_access":               checkRecipientAccess,
		"check_etrn_access":                    checkETRNAccess,
	}
	for word, t := range serverTypes {
		tableChecks["check_client_"+word+"_access"] = func(w *walk, spec string) answer {
			return w.servers(spec, w.Client.Name, t, w.Client.NameAddr(), classClient)
		}
		tableChecks["check_reverse_client_hostname_"+word+"_access"] = func(w *walk, spec string) answer {
			return w.servers(spec, w.Client.Reverse, t, w.Client.Reverse, classReverse)
		}
		tableChecks["check_helo_"+word+"_access"] = func(w *walk, spec string) answer {
			return w.servers(spec, w.Helo, t, w.Helo, classHelo)
		}
		tableChecks["check_sender_"+word+"_access"] = func(w *walk, spec string) answer {
			return w.addressServers(spec, w.Sender, t, classSender)
		}
		tableChecks["check_recipient_"+word+"_access"] = func(w *walk, spec string) answer {
			return w.addressServers(spec, w.Recipient, t, classRecipient)
		}
	}
}

var serverTypes = map[string]dns.Type{"a": dns.TypeA, "mx": dns.TypeMX, "ns": dns.TypeNS}

// isTable reports whether a word of a list names a table.
func isTable(word string) bool { return strings.Contains(word, ":") && !strings.HasPrefix(word, "{") }

func (c *Checker) openTable(spec string) error {
	if c.tables[spec] != nil {
		return nil
	}
	t, err := table.OpenLater(spec, table.FoldKey|table.FoldPattern)
	if err == nil {
		c.tables[spec] = t
	}
	return err
}

// A query is one table and what is looked up in it, for whom.
type query struct {
	*walk
	spec        string
	name, class string
}

func (w *walk) ask(spec, name, class string) query { return query{w, spec, name, class} }

// key looks for one key. A part of a name or address is not offered to tables
// with patterns.
func (q query) key(key string, part bool) (got answer, found bool) {
	t := q.tables[q.spec]
	if t == nil {
		return q.failed(), true
	}
	if key == "" || part && table.IsPattern(t) {
		return dunno, false
	}
	value, found, err := t.Lookup(key)
	if err != nil {
		var known *table.Error
		if errors.As(err, &known) {
			msg.Debug("%v", err)
		}
		msg.Warn("%s lookup error for %q", q.spec, key)
		return q.failed(), true
	}
	if !found {
		return dunno, false
	}
	return q.act(key, value), true
}

func (q query) failed() answer {
	return q.reject(Data, 451, "4.3.5", "<%s>: %s rejected: Server configuration error", q.name, q.class)
}

// domain looks for a name and its parents.
func (q query) domain(name string) (answer, bool) {
	key, part := strings.TrimSuffix(name, "."), false
	if key == "" {
		return dunno, false
	}
	parents := q.svc.Parents.Include("smtpd_access_maps")
	for {
		if got, found := q.key(key, part); found {
			return got, true
		}
		if strings.HasPrefix(key, "[") {
			return dunno, false
		}
		i := strings.IndexByte(key[1:], '.')
		if i < 0 {
			return dunno, false
		}
		key, part = key[1+i:], true
		if parents {
			key = key[1:]
		}
		if key == "" || key == "." {
			return dunno, false
		}
	}
}

// address looks for an IP address and the networks made of its first parts.
func (q query) address(addr string) (answer, bool) {
	delimiter := byte('.')
	if strings.Contains(addr, ":") {
		delimiter = ':'
	}
	for part := false; ; part = true {
		if got, found := q.key(addr, part); found {
			return got, true
		}
		i := strings.LastIndexByte(addr, delimiter)
		if i < 0 {
			return dunno, false
		}
		addr = strings.TrimRight(addr[:i], ":")
	}
}

// mail looks for a mail address: whole, without extension, its domain and
// parents, and user@.
func (q query) mail(mail string) (answer, bool) {
	local, domain, hasDomain := split(mail)
	bare, _, extended := address.SplitExtension(local, q.svc.Address.RecipientDelimiter)
	for _, user := range variants(local, bare, extended) {
		full := user
		if hasDomain {
			full += "@" + domain
		}
		for _, key := range forms(full) {
			if got, found := q.key(key, user != local || key != forms(full)[0]); found {
				return got, true
			}
		}
	}
	if hasDomain {
		if got, found := q.partDomain(domain); found {
			return got, true
		}
	}
	for _, user := range variants(local, bare, extended) {
		if got, found := q.key(strings.TrimSuffix(address.Quote(user+"@x"), "x"), true); found {
			return got, true
		}
	}
	return dunno, false
}

// partDomain is domain for a name that is itself only a part.
func (q query) partDomain(domain string) (answer, bool) {
	if table.IsPattern(q.tables[q.spec]) {
		return dunno, false
	}
	return q.domain(domain)
}

func variants(local, bare string, extended bool) []string {
	if extended {
		return []string{local, bare}
	}
	return []string{local}
}

// forms are the quoted form of an address, and the plain one when different.
func forms(internal string) []string {
	if external := address.Quote(internal); external != internal {
		return []string{external, internal}
	}
	return []string{internal}
}

func checkClientAccess(w *walk, spec string) answer {
	q := w.ask(spec, w.Client.NameAddr(), classClient)
	if got, found := q.domain(w.Client.Name); found {
		return got
	}
	got, _ := q.address(w.Client.Address)
	return got
}

func checkReverseAccess(w *walk, spec string) answer {
	got, _ := w.ask(spec, w.Client.Reverse, classReverse).domain(w.Client.Reverse)
	return got
}

func checkSASLAccess(w *walk, spec string) answer {
	if w.withoutLogins("check_sasl_access") || w.SASL.User == "" {
		return dunno
	}
	got, _ := w.ask(spec, w.SASL.User, classLogin).key(w.SASL.User, false)
	return got
}

func checkHeloAccess(w *walk, spec string) answer {
	if w.Helo == "" {
		return dunno
	}
	got, _ := w.ask(spec, w.Helo, classHelo).domain(w.Helo)
	return got
}

func checkSenderAccess(w *walk, spec string) answer {
	if w.Sender == nil {
		return dunno
	}
	q := w.ask(spec, *w.Sender, classSender)
	if *w.Sender == "" {
		got, _ := q.key(w.conf.NullAccessKey, false)
		return got
	}
	got, _ := q.mail(*w.Sender)
	return got
}

func checkRecipientAccess(w *walk, spec string) answer {
	if w.Recipient == nil || *w.Recipient == "" {
		return dunno
	}
	got, _ := w.ask(spec, *w.Recipient, classRecipient).mail(*w.Recipient)
	return got
}

func checkETRNAccess(w *walk, spec string) answer {
	if w.ETRN == nil {
		return dunno
	}
	got, _ := w.ask(spec, *w.ETRN, classETRN).domain(*w.ETRN)
	return got
}

func (w *walk) addressServers(spec string, mail *string, t dns.Type, class string) answer {
	if mail == nil {
		return dunno
	}
	_, domain, ok := split(*mail)
	if !ok {
		return dunno
	}
	return w.servers(spec, domain, t, *mail, class)
}

// servers looks for the servers of a domain, by name and by address: the mail
// exchangers, the name servers, or the host itself.
func (w *walk) servers(spec, domain string, t dns.Type, name, class string) answer {
	if domain == "" || domain == Unknown {
		return dunno
	}
	q := w.ask(spec, name, class)
	if strings.HasPrefix(domain, "[") {
		literal := strings.TrimSuffix(strings.TrimPrefix(domain, "["), "]")
		if a, err := netip.ParseAddr(strings.TrimPrefix(strings.ToLower(literal), "ipv6:")); err == nil && t != dns.TypeNS {
			got, _ := q.address(a.String())
			return got
		}
		return dunno
	}
	hosts, ok := w.serverNames(ascii(strings.TrimSuffix(domain, ".")), t, name, class)
	if !ok {
		return dunno
	}
	for _, host := range hosts {
		if got, found := q.server(host, t, domain); found {
			return got
		}
	}
	return dunno
}

// server looks for one server, by name unless it is the domain itself.
func (q query) server(host string, t dns.Type, domain string) (answer, bool) {
	if t != dns.TypeA {
		if got, found := q.domain(host); found {
			return got, true
		}
	}
	addrs, err := q.svc.Names.Native(host, dns.Any)
	if err != nil {
		msg.Warn("Unable to look up %s host %s for %s %s: %v", t, host, q.class, q.name, err)
		return dunno, false
	}
	for _, a := range addrs {
		if got, found := q.address(a.String()); found {
			return got, true
		}
	}
	return dunno, false
}

// serverNames lists the servers of a domain. Without a mail exchanger it is
// the domain; name servers are those of the closest parent that has some.
func (w *walk) serverNames(domain string, t dns.Type, name, class string) ([]string, bool) {
	if t == dns.TypeA {
		return []string{domain}, true
	}
	for zone := domain; ; {
		answer, err := w.svc.Names.Lookup(zone, t)
		switch kind := dns.KindOf(err); {
		case kind == 0:
			var hosts []string
			for _, r := range answer.Records {
				hosts = append(hosts, r.Host)
			}
			return hosts, true
		case kind == dns.NotFound && t == dns.TypeMX:
			return []string{domain}, true
		case kind == dns.NotFound && strings.Contains(zone, "."):
			_, zone, _ = strings.Cut(zone, ".")
		case kind == dns.NullMX:
			return nil, false
		default:
			msg.Warn("Unable to look up %s host for %s: %s", t, name, short(err))
			return nil, false
		}
	}
}

// short is the end of the text of an error of the DNS, without the question.
func short(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		return text[i+2:]
	}
	return text
}
