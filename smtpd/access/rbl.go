package access

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"postrider/lib/base/macro"
	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/mail/dsn"
	"postrider/lib/net/dns"
)

// An rblAnswer is what a list of the DNS says about a name.
type rblAnswer struct {
	addrs []netip.Addr
	text  string
}

// blocked looks for a name in a list: "example.com" or, when only some answers
// count, "example.com=127.0.0.2" or "example.com=127.0.[0..4].[1;3;7]".
func (w *walk) blocked(name, list string) (rblAnswer, string, bool) {
	domain, filter, filtered := strings.Cut(list, "=")
	if name == "" {
		return rblAnswer{}, domain, false
	}
	key := name + "." + domain
	found, known := w.rbl[key]
	if !known {
		found = w.askRBL(key)
		w.rbl[key] = found
	}
	if len(found.addrs) == 0 {
		return found, domain, false
	}
	if !filtered {
		return found, domain, true
	}
	for _, a := range found.addrs {
		if MatchReply(filter, a) {
			return found, domain, true
		}
	}
	return found, domain, false
}

func (w *walk) askRBL(key string) rblAnswer {
	answer, err := w.svc.Names.Lookup(key, dns.TypeA)
	if err != nil {
		if dns.KindOf(err) != dns.NotFound {
			msg.Warn("%s: RBL lookup error: %v", key, err)
		}
		return rblAnswer{}
	}
	var found rblAnswer
	for _, r := range answer.Records {
		if r.Type == dns.TypeA {
			found.addrs = append(found.addrs, r.Addr)
		}
	}
	if texts, err := w.svc.Names.Lookup(key, dns.TypeTXT); err == nil {
		found.text = msg.Printable(texts.Records[0].Text)
	}
	return found
}

// MatchReply reports whether an IPv4 address matches a pattern with four
// parts, each a number or a set such as [1..5;7].
func MatchReply(pattern string, addr netip.Addr) bool {
	if !addr.Is4() {
		return false
	}
	parts := splitParts(pattern)
	if len(parts) != 4 {
		return false
	}
	bytes := addr.As4()
	for i, part := range parts {
		if !matchPart(part, int(bytes[i])) {
			return false
		}
	}
	return true
}

// splitParts divides a pattern at the dots outside of brackets.
func splitParts(pattern string) []string {
	var parts []string
	start, inside := 0, false
	for i := range len(pattern) {
		switch pattern[i] {
		case '[':
			inside = true
		case ']':
			inside = false
		case '.':
			if !inside {
				parts = append(parts, pattern[start:i])
				start = i + 1
			}
		}
	}
	return append(parts, pattern[start:])
}

func matchPart(part string, value int) bool {
	if !strings.HasPrefix(part, "[") || !strings.HasSuffix(part, "]") {
		n, err := strconv.Atoi(part)
		return err == nil && n == value
	}
	for item := range strings.SplitSeq(part[1:len(part)-1], ";") {
		low, high, isRange := strings.Cut(item, "..")
		from, err := strconv.Atoi(low)
		to := from
		if isRange && err == nil {
			to, err = strconv.Atoi(high)
		}
		if err == nil && from <= value && value <= to {
			return true
		}
	}
	return false
}

// refuseListed replies what the administrator wrote for the list.
func (w *walk) refuseListed(list string, found rblAnswer, domain, what, class string) answer {
	template := string(w.conf.DefaultReply)
	if value, ok, err := w.replies.Lookup(list); err != nil {
		return w.lookupFailed(what)
	} else if ok {
		template = value
	}
	words, err := w.expandReply(template, found, domain, what, class)
	code, rest, ok := replyParts(words)
	if err != nil || !ok {
		msg.Warn("%s: bad reply template for %s: %q %v", class, list, template, err)
		return w.misconfigured()
	}
	status, rest := dsn.Split(rest, dsn.Status(string('0'+byte(code/100))+".7.1"))
	return w.reject(Policy, code, status, "%s", rest)
}

func replyParts(words string) (code int, rest string, ok bool) {
	if len(words) < 4 || !text.Digits(words[:3]) || words[3] != ' ' {
		return 0, "", false
	}
	code, _ = strconv.Atoi(words[:3])
	return code, words[4:], code >= 400 && code <= 599
}

func (w *walk) expandReply(template string, found rblAnswer, domain, what, class string) (string, error) {
	own := map[string]string{
		"rbl_code": strconv.Itoa(w.codes.RBL), "rbl_domain": domain, "rbl_reason": found.text, "rbl_txt": found.text,
		"rbl_what": what, "rbl_class": class,
	}
	e := macro.Expander{Filter: w.filter, Unknown: func(name string) {
		msg.Warn("unknown macro name %q in expansion request", name)
	}, Lookup: func(name string) (string, bool) {
		if value, ok := own[name]; ok {
			return value, true
		}
		return w.Macro(name)
	}}
	return e.Expand(template)
}

// Macro gives the value of a $name that replies may hold: what is known about
// the session.
func (f *Facts) Macro(name string) (string, bool) {
	value := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	switch name {
	case "client":
		return f.Client.NameAddr(), true
	case "client_address":
		return f.Client.Address, true
	case "client_name":
		return f.Client.Name, true
	case "client_port":
		return f.Client.Port, true
	case "reverse_client_name":
		return f.Client.Reverse, true
	case "helo_name":
		return f.Helo, true
	case "sender":
		if f.Sender != nil && *f.Sender == "" {
			return "<>", true
		}
		return value(f.Sender), true
	case "recipient":
		return value(f.Recipient), true
	case "sender_name", "recipient_name", "sender_domain", "recipient_domain":
		who := f.Sender
		if strings.HasPrefix(name, "recipient") {
			who = f.Recipient
		}
		local, domain, _ := split(value(who))
		if strings.HasSuffix(name, "_name") {
			return local, true
		}
		return domain, true
	}
	return "", false
}

// reversed is the name of the client's address in a list.
func (w *walk) reversed() string {
	if !w.Client.Addr.IsValid() {
		return ""
	}
	return strings.TrimSuffix(dns.ReverseName(w.Client.Addr, "x"), ".x")
}

func rejectRBLClient(w *walk, list string) answer {
	found, domain, bad := w.blocked(w.reversed(), list)
	if !bad {
		return dunno
	}
	return w.refuseListed(list, found, domain, w.Client.Address, classClient)
}

// rejectMapsRBL asks all lists of maps_rbl_domains.
func rejectMapsRBL(w *walk, _ string) answer {
	for _, list := range text.Split(w.conf.MapsDomains) {
		if got := rejectRBLClient(w, list); got != dunno {
			return got
		}
	}
	return dunno
}

// rhsbl asks a list of domains.
func (w *walk) rhsbl(list, domain, what, class string) answer {
	domain = ascii(strings.TrimSuffix(domain, "."))
	if !dns.ValidHostname(domain) {
		return dunno
	}
	found, zone, bad := w.blocked(domain, list)
	if !bad {
		return dunno
	}
	return w.refuseListed(list, found, zone, what, class)
}

func rejectRHSBLClient(w *walk, list string) answer {
	if w.Client.Name == Unknown {
		return dunno
	}
	return w.rhsbl(list, w.Client.Name, w.Client.Name, classClient)
}

func rejectRHSBLReverseClient(w *walk, list string) answer {
	if w.Client.Reverse == Unknown {
		return dunno
	}
	return w.rhsbl(list, w.Client.Reverse, w.Client.Reverse, classReverse)
}

func rejectRHSBLHelo(w *walk, list string) answer { return w.rhsbl(list, w.Helo, w.Helo, classHelo) }

func rejectRHSBLSender(w *walk, list string) answer {
	return w.rhsblAddress(list, w.Sender, classSender)
}

func rejectRHSBLRecipient(w *walk, list string) answer {
	return w.rhsblAddress(list, w.Recipient, classRecipient)
}

func (w *walk) rhsblAddress(list string, address *string, class string) answer {
	if address == nil {
		return dunno
	}
	_, domain, ok := split(*address)
	if !ok {
		return dunno
	}
	return w.rhsbl(list, domain, *address, class)
}

func permitDNSWLClient(w *walk, list string) answer {
	if _, _, listed := w.blocked(w.reversed(), list); listed {
		return w.permitted(fmt.Sprintf("permit_dnswl_client %s", list), classClient, w.Client.NameAddr())
	}
	return dunno
}

func permitRHSWLClient(w *walk, list string) answer {
	if w.Client.Name == Unknown || w.Client.NameStatus != NameOK {
		return dunno
	}
	if _, _, listed := w.blocked(ascii(w.Client.Name), list); listed {
		return w.permitted(fmt.Sprintf("permit_rhswl_client %s", list), classClient, w.Client.NameAddr())
	}
	return dunno
}
