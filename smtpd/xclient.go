package main

import (
	"net/netip"
	"strconv"
	"strings"

	"postrider/lib/mail/domains"
	"postrider/lib/net/dns"
	"postrider/smtpd/access"
)

// Values that say that a proxy does not know.
const (
	unavailable = "[UNAVAILABLE]"
	tempUnavail = "[TEMPUNAVAIL]"
)

func (s *session) mayXclient() bool {
	return !s.alone && s.inList(s.xclientHosts, "smtpd_authorized_xclient_hosts")
}

func (s *session) mayXforward() bool {
	return s.forwards
}

// An attribute is NAME=value of XCLIENT or XFORWARD.
type attribute struct {
	name, value string
	known       bool // the value is not [UNAVAILABLE] or [TEMPUNAVAIL]
	temporary   bool // it is [TEMPUNAVAIL]
}

// attributes reads the arguments of XCLIENT and XFORWARD.
func attributes(args, command string) ([]attribute, reply) {
	words := strings.Fields(args)
	if len(words) == 0 {
		return nil, refuse("protocol", "501 5.5.4 Syntax: "+command+" attribute=value...")
	}
	var list []attribute
	for _, word := range words {
		name, raw, found := strings.Cut(word, "=")
		if !found || raw == "" || len(raw) > 255 {
			return nil, refuse("protocol", "501 5.5.4 Error: attribute=value expected")
		}
		value, valid := decodeXtext(raw)
		if !valid {
			return nil, refuse("protocol", "501 5.5.4 Bad attribute value syntax: "+raw)
		}
		if !printable(value) {
			value = strings.Map(func(r rune) rune {
				if r < ' ' || r == 0x7f || r == 0xfffd {
					return '?'
				}
				return r
			}, value)
		}
		a := attribute{name: strings.ToUpper(name), value: value, known: true}
		a.temporary = strings.EqualFold(value, tempUnavail)
		a.known = !a.temporary && !strings.EqualFold(value, unavailable)
		list = append(list, a)
	}
	return list, ok("")
}

// xclientCommand lets a proxy tell who its client is. Everything that was said
// so far is forgotten.
func (s *session) xclientCommand(args string) reply {
	switch {
	case s.mail != nil:
		return refuse("protocol", "503 5.5.1 Error: MAIL transaction in progress")
	case args == "":
		return refuse("protocol", "501 5.5.4 Syntax: XCLIENT attribute=value...")
	case !s.mayXclient():
		return refuse("policy", "550 5.7.0 Error: insufficient authorization")
	}
	list, r := attributes(args, "XCLIENT")
	if r.bad {
		return r
	}
	helo, protocol := "", "SMTP"
	s.sasl.Method, s.sasl.User = "", "" // another client
	for _, a := range list {
		switch a.name {
		case "HELO":
			if a.known {
				if helo = helloName(a.value); len(helo) > 255 {
					return refuse("protocol", "501 5.5.4 Bad HELO syntax: "+a.value)
				}
			}
		case "PROTO":
			if protocol = strings.ToUpper(a.value); protocol != "SMTP" && protocol != "ESMTP" {
				return refuse("protocol", "501 5.5.4 Bad PROTO syntax: "+a.value)
			}
		default:
			if r := s.xclientAttribute(a); r.bad {
				return r
			}
		}
	}
	return s.restart(helo, protocol)
}

// xclientAttribute changes one thing that is known about the client.
func (s *session) xclientAttribute(a attribute) reply {
	bad := refuse("protocol", "501 5.5.4 Bad "+a.name+" syntax: "+a.value)
	switch a.name {
	case "NAME":
		if a.known && !dns.ValidHostname(a.value) {
			return bad
		}
		s.client.Name, s.client.NameStatus = named(a)
		s.client.Reverse, s.client.ReverseStatus = named(a)
	case "REVERSE_NAME":
		if a.known && !dns.ValidHostname(a.value) {
			return bad
		}
		s.client.Reverse, s.client.ReverseStatus = named(a)
	case "ADDR":
		if !a.known {
			s.client.Addr, s.client.Address, s.family = netip.Addr{}, access.Unknown, 0
			break
		}
		addr, valid := parseAddress(a.value)
		if !valid {
			return bad
		}
		s.setAddress(addr)
	case "PORT", "DESTPORT":
		if a.known && !validPort(a.value) {
			return bad
		}
		s.setPort(a)
	case "DESTADDR":
		addr, valid := parseAddress(a.value)
		if a.known && !valid {
			return bad
		}
		s.server.Address = access.Unknown
		if a.known {
			s.server.Address = addr.String()
		}
	case "LOGIN":
		s.sasl.Method, s.sasl.User = "", ""
		if a.known {
			s.sasl.Method, s.sasl.User = "XCLIENT", a.value
		}
	default:
		return refuse("protocol", "501 5.5.4 Bad XCLIENT attribute name: "+a.name)
	}
	return ok("")
}

func (s *session) setPort(a attribute) {
	value := access.Unknown
	if a.known {
		value = a.value
	}
	if a.name == "PORT" {
		s.client.Port = value
	} else {
		s.server.Port = value
	}
}

// named is the name in an attribute and how far it can be trusted.
func named(a attribute) (string, access.Status) {
	switch {
	case a.known:
		return a.value, access.NameOK
	case a.temporary:
		return access.Unknown, access.NameTempfail
	}
	return access.Unknown, access.NamePermanent
}

// parseAddress reads an address; IPv6 ones have a prefix.
func parseAddress(value string) (netip.Addr, bool) {
	const prefix = "IPV6:"
	if len(value) > len(prefix) && strings.EqualFold(value[:len(prefix)], prefix) {
		value = value[len(prefix):]
	}
	return domains.Literal("[" + value + "]")
}

func validPort(value string) bool {
	n, err := strconv.Atoi(value)
	return err == nil && allDigits(value) && n >= 0 && n <= 65535
}

// restart begins the session anew, as another client.
func (s *session) restart(helo, protocol string) reply {
	s.leave()
	s.counted = false
	s.closeMilters()
	s.helo, s.protocol, s.mask = helo, protocol, 0
	s.earlier = access.Earlier{}
	s.denied = nil
	s.forward = nil
	s.checker.Begin()
	if refusal := s.checker.CheckConnect(s.facts()); refusal != nil {
		s.denied = refusal
		return refused(refusal)
	}
	s.openMilters()
	if text := s.connectMilters(); text != "" {
		return reply{text: text, uncounted: true}
	}
	return reply{text: "220 " + conf.Banner, uncounted: true} // log readers know it like this
}

// A forwarded is where a message came from, as a content filter tells. Empty
// fields are not known.
type forwarded struct {
	name, address, port string
	helo, protocol      string
	ident, source       string
}

func (f forwarded) nameAddr() string {
	return or(f.name, access.Unknown) + "[" + strings.TrimPrefix(or(f.address, access.Unknown), "IPv6:") + "]"
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// xforwardCommand lets a content filter tell where a message came from.
func (s *session) xforwardCommand(args string) reply {
	switch {
	case s.mail != nil:
		return refuse("protocol", "503 5.5.1 Error: MAIL transaction in progress")
	case args == "":
		return refuse("protocol", "501 5.5.4 Syntax: XFORWARD attribute=value...")
	case !s.mayXforward():
		return refuse("policy", "550 5.7.0 Error: insufficient authorization")
	}
	list, r := attributes(args, "XFORWARD")
	if r.bad {
		return r
	}
	if s.forward == nil {
		s.forward = &forwarded{}
	}
	for _, a := range list {
		if r := s.forward.set(a); r.bad {
			return r
		}
	}
	return ok("250 2.0.0 Ok")
}

func (f *forwarded) set(a attribute) reply {
	bad := refuse("protocol", "501 5.5.4 Bad "+a.name+" syntax: "+a.value)
	value := a.value
	if !a.known {
		value = ""
	}
	switch a.name {
	case "NAME":
		if value != "" && !dns.ValidHostname(value) {
			return bad
		}
		f.name = value
	case "ADDR":
		if value != "" {
			addr, valid := parseAddress(value)
			if !valid {
				return bad
			}
			value = literalAddress(addr.String())
		}
		f.address = value
	case "PORT":
		if value != "" && !validPort(value) {
			return bad
		}
		f.port = value
	case "HELO":
		f.helo = helloName(value)
	case "PROTO":
		f.protocol = helloName(value)
	case "IDENT":
		f.ident = helloName(value)
	case "SOURCE":
		switch strings.ToUpper(value) {
		case "LOCAL":
			f.source = "local"
		case "REMOTE":
			f.source = "remote"
		default:
			return bad
		}
	default:
		return refuse("protocol", "501 5.5.4 Bad XFORWARD attribute name: "+a.name)
	}
	return ok("")
}

// origin is where the message comes from for the log: what XFORWARD said, or
// the client.
func (s *session) origin() forwarded {
	if f := s.forward; f != nil {
		o := *f
		o.name, o.address, o.port = or(f.name, access.Unknown), or(f.address, access.Unknown), or(f.port, access.Unknown)
		return o
	}
	return forwarded{name: s.client.Name, address: literalAddress(s.client.Address), port: s.client.Port, helo: s.helo,
		protocol: s.protocol, ident: s.mail.id}
}
