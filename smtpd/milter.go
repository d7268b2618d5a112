package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/base/table"
	"postrider/lib/mail/record"
	"postrider/lib/net/dns"
	"postrider/lib/net/milter"
	"postrider/lib/service/cleanup"
	"postrider/lib/service/rewrite"
	"postrider/smtpd/access"
)

// A milterService is what sessions share to talk with mail filters.
type milterService struct {
	set    *milter.Set // nil: none
	maps   *table.List
	routes *rewrite.Client
}

// openMilters reads smtpd_milters.
func (sv *service) openMilters() (err error) {
	if conf.Intake.Overridden("no_milters") {
		return nil
	}
	if sv.milter.set, err = sv.milterSet(conf.Milters); err != nil {
		return fmt.Errorf("parameter smtpd_milters: %w", err)
	}
	if sv.milter.maps, err = table.OpenList(conf.MilterMaps, 0); err != nil {
		return fmt.Errorf("parameter smtpd_milter_maps: %w", err)
	}
	return nil
}

func (sv *service) milterSet(list string) (*milter.Set, error) {
	return milter.New(&conf.Milter, list, func(host string) ([]netip.Addr, error) {
		return sv.names.Native(host, dns.Any)
	})
}

// openMilters finds the mail filters for this client.
func (s *session) openMilters() {
	set := s.milter.set
	if s.alone {
		return
	}
	if !s.milter.maps.Empty() {
		value, found, err := s.milter.maps.Lookup(s.client.Address)
		switch {
		case err != nil:
			msg.Warn("smtpd_milter_maps: %v", err)
			value, found = "", false
		case found && strings.EqualFold(strings.TrimSpace(value), "DISABLE"):
			set, found = nil, false
		}
		if found {
			var err error
			if set, err = s.milterSet(value); err != nil {
				msg.Warn("smtpd_milter_maps: %s: %v", s.client.Address, err)
				set = s.milter.set
			}
		}
	}
	if set != nil {
		s.filters = set.Open(s.macro)
	}
}

// closeMilters ends the conversations with filters.
func (s *session) closeMilters() {
	if s.filters != nil {
		if s.helo != "" {
			s.filters.Abort()
		}
		s.filters.Quit()
		s.filters = nil
	}
}

// connectMilters asks the filters about a new client. It returns the text of the
// greeting, or "" for the usual one.
func (s *session) connectMilters() string {
	if s.filters == nil {
		return ""
	}
	p := milter.Peer{Name: s.client.Name, Address: s.client.Address, Port: s.client.Port, Family: s.family}
	if p.Name == access.Unknown && s.client.Addr.IsValid() {
		p.Name = "[" + p.Address + "]"
	}
	r, refused := s.milterRefuses(s.filters.Connect(p))
	switch {
	case !refused:
		return ""
	case strings.HasPrefix(r.text, "421"):
		return "421 " + conf.MyHostname + " Service unavailable - try again later"
	case r.text[0] == '5':
		return "554 " + conf.MyHostname + " ESMTP not accepting connections"
	}
	return ""
}

// milterRefuses obeys what filters have decided. False: go on.
func (s *session) milterRefuses(v milter.Verdict) (r reply, refused bool) {
	if m := s.mail; v.Action != milter.Continue && m != nil && m.recipient == nil && m.recipients > 0 {
		m.recipient = &m.first // for the log
		defer func() { m.recipient = nil }()
	}
	switch v.Action {
	case milter.Continue:
		return reply{}, false
	case milter.Hold, milter.Discard:
		action, word := "milter-hold", "HOLD"
		if v.Action == milter.Discard {
			action, word = "milter-discard", "DISCARD"
		}
		s.log(action, "milter triggers "+word+" action")
		if s.mail != nil {
			s.mail.actions.Hold = s.mail.actions.Hold || v.Action == milter.Hold
			s.mail.actions.Discard = s.mail.actions.Discard || v.Action == milter.Discard
		}
		return reply{}, false
	}
	s.log("milter-reject", v.Reply)
	r = refuse("policy", strings.ReplaceAll(v.Reply, "\r\n", "\n"))
	r.hangup = strings.HasPrefix(v.Reply, "421")
	return r, true
}

// heloMilters tells filters a new name of the client. What they refuse is refused
// at MAIL; an EHLO client is not told of extensions then.
func (s *session) heloMilters(before string) (r reply, refused bool) {
	if s.filters == nil {
		return reply{}, false
	}
	r, refused = s.milterRefuses(s.filters.Helo(s.helo))
	if before != "" {
		s.filters.Abort()
	}
	return r, refused
}

// otherMilters refuses commands that filters are not told of, when one of them
// refuses the client.
func (s *session) otherMilters(c *command) (r reply, refused bool) {
	if s.filters == nil || c.name != "VRFY" && c.name != "ETRN" && c.name != "AUTH" {
		return reply{}, false
	}
	v := s.filters.Other()
	if v.Action == milter.Continue {
		return reply{}, false
	}
	r = refuse("policy", strings.ReplaceAll(v.Reply, "\r\n", "\n"))
	r.hangup = strings.HasPrefix(v.Reply, "421")
	return r, true
}

// mailMilters asks filters about a sender.
func (s *session) mailMilters() (reply, bool) {
	if s.filters == nil {
		return reply{}, false
	}
	return s.milterRefuses(s.filters.Mail(s.mail.arguments...))
}

// rcptMilters asks filters about a recipient.
func (s *session) rcptMilters(to *recipient) (reply, bool) {
	if s.filters == nil {
		return reply{}, false
	}
	return s.milterRefuses(s.filters.Rcpt(to.arguments...))
}

// rejectedRcpt tells filters that want it of a recipient that is refused.
func (s *session) rejectedRcpt(to *recipient, reply string) {
	if s.filters.WantRejected() {
		s.rejection = reply
		s.filters.RejectedRcpt(to.arguments...)
		s.rejection = ""
	}
}

// dataMilters asks filters about the begin of a message.
func (s *session) dataMilters() (reply, bool) {
	if s.filters == nil {
		return reply{}, false
	}
	return s.milterRefuses(s.filters.Data())
}

// announceMilters tells cleanup(8) that filters have their say before it.
func (s *session) announceMilters() {
	if _, ok := s.mail.queue.(*cleanup.Writer); ok && s.filters != nil {
		s.mail.queue.Record(record.Milters, "0")
	}
}

// handMilters hands the connections to filters over to cleanup(8), which shows
// them the message.
func (s *session) handMilters() error {
	w, ok := s.mail.queue.(*cleanup.Writer)
	if !ok || s.filters == nil || s.mail.actions.Discard {
		return nil
	}
	n := s.filters.Active()
	w.Record(record.Milters, strconv.Itoa(n))
	if n == 0 {
		return nil
	}
	over := w.Stream()
	local, ok := over.Conn().(stream.Local)
	if !ok {
		return fmt.Errorf("hand mail filters over: not a local socket")
	}
	return s.filters.HandOver(over, int(local.FD))
}

// macro is the value of a macro for filters. Those about logins and TLS are only
// there when there is one.
func (s *session) macro(name string) (string, bool) {
	if value, ok, known := s.messageMacro(name); known {
		return value, ok
	}
	e := &s.encryption
	switch name {
	case "j":
		return conf.MyHostname, true
	case "v":
		return conf.Milter.MacroV, true
	case "_":
		return milter.NameAddr(s.client.Name, s.client.Reverse, s.client.Address), true
	case "{daemon_name}":
		return conf.Milter.MacroDaemonName, true
	case "{daemon_addr}":
		return s.server.Address, s.server.Address != ""
	case "{daemon_port}":
		return s.server.Port, s.server.Port != ""
	case "{client_addr}":
		return s.client.Address, true
	case "{client_connections}":
		return strconv.Itoa(s.connections), true
	case "{client_name}":
		return s.client.Name, true
	case "{client_port}":
		return s.client.Port, s.client.Port != access.Unknown
	case "{client_ptr}":
		return s.client.Reverse, true
	case "{client_resolve}":
		return resolved(s.client.NameStatus), true
	case "{auth_type}":
		return s.sasl.Method, s.sasl.Method != ""
	case "{auth_authen}":
		return s.sasl.User, s.sasl.User != ""
	case "{auth_author}":
		return s.sasl.Sender, s.sasl.Sender != ""
	case "{tls_version}":
		return e.Protocol, e.Protocol != ""
	case "{cipher}":
		return e.Cipher, e.Cipher != ""
	case "{cipher_bits}":
		return strconv.Itoa(e.KeySize), e.Protocol != ""
	case "{cert_subject}":
		return e.Subject, e.Trusted
	case "{cert_issuer}":
		return e.Issuer, e.Trusted
	}
	return "", false
}

// messageMacro is macro for those about the message. Known: the name is one of
// them.
func (s *session) messageMacro(name string) (value string, ok, known bool) {
	m := s.mail
	switch name {
	case "i":
		if m == nil || m.queue == nil {
			return "", false, true
		}
		id := s.queueID()
		return id, id != noQueue, true
	case "{mail_addr}", "{mail_host}", "{mail_mailer}":
		if m == nil {
			return "", false, true
		}
		value, ok = s.routeMacro(name[6:], m.sender)
		return value, ok, true
	case "{rcpt_addr}", "{rcpt_host}", "{rcpt_mailer}":
		switch {
		case s.rejection != "":
			return s.rejectionMacro(name), true, true
		case m == nil || m.recipient == nil:
			return "", false, true
		}
		value, ok = s.routeMacro(name[6:], *m.recipient)
		return value, ok, true
	}
	return "", false, false
}

// routeMacro says where mail to an address goes.
func (s *session) routeMacro(what, internal string) (string, bool) {
	if what == "addr}" {
		return external(internal), true
	}
	if s.milter.routes == nil {
		return "", false
	}
	route := s.milter.routes.Resolve("", external(internal))
	if what == "host}" {
		return route.NextHop, true
	}
	return route.Transport, true
}

// rejectionMacro says why a recipient is refused: status code and text.
func (s *session) rejectionMacro(name string) string {
	text := s.rejection[min(4, len(s.rejection)):]
	status, rest, _ := strings.Cut(text, " ")
	switch name {
	case "{rcpt_mailer}":
		return "error"
	case "{rcpt_host}":
		return status
	}
	if strings.HasPrefix(rest, "<") {
		if i := strings.Index(rest, ">: "); i >= 0 {
			rest = rest[i+3:]
		}
	}
	return rest
}

// resolved is what is known of a client's name, in one word.
func resolved(status access.Status) string {
	switch status {
	case access.NameOK:
		return "OK"
	case access.NameForged:
		return "FORGED"
	case access.NameTempfail:
		if conf.PeernameLookup {
			return "TEMP"
		}
	}
	return "FAIL"
}
