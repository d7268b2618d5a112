package main

import (
	"strconv"
	"strings"

	"postrider/lib/mail/dsn"
	"postrider/lib/mail/record"
)

// A recipient is what RCPT says.
type recipient struct {
	address   string   // internal form
	command   string   // the whole line, for a content filter
	arguments []string // address and parameters, for mail filters
	notify    dsn.Notify
	original  string // ORCPT: "rfc822;joe@example.com", decoded
}

func (s *session) rcptCommand(args string) reply {
	m := s.mail
	switch {
	case m == nil:
		return refuse("protocol", "503 5.5.1 Error: need MAIL command")
	case m.bdat != nil, s.skipping:
		return refuse("protocol", "503 5.5.1 Error: RCPT after BDAT")
	}
	if r := s.limitRecipients(); r.bad {
		return r
	}
	request, valid := parseRequest(args, "TO:")
	if !valid {
		return refuse("protocol", "501 5.5.4 Syntax: RCPT TO:<address>")
	}
	to := recipient{command: "RCPT " + args}
	if s.filters != nil {
		to.arguments = append([]string{request.path}, request.params...)
	}
	to.address, valid = pathRule{strict: conf.StrictEnvelopes, dash: conf.AllowMinUser, utf8: m.utf8}.parsePath(request.path)
	if !s.charactersAllowed(request.path, nil) {
		return refuse("protocol", undeclared)
	}
	if !valid {
		s.illegal("RCPT", request.path)
		return refuse("protocol", "501 5.1.3 Bad recipient address syntax")
	}
	for _, p := range request.params {
		if r := s.rcptParameter(&to, p); r.bad {
			return r
		}
	}
	if m.recipients >= conf.RecipientLimit {
		return s.tooManyRecipients()
	}
	return s.addRecipient(to)
}

// tooManyRecipients refuses a recipient. A client that does not stop is in
// error; the first ones are not, it could not know.
func (s *session) tooManyRecipients() reply {
	m := s.mail
	if m.overshoot++; m.overshoot <= conf.RecipientOvershootLimit {
		return ok("452 4.5.3 Error: too many recipients")
	}
	return refuse("policy", "452 4.5.3 Error: too many recipients")
}

// addRecipient decides about a recipient and takes it.
func (s *session) addRecipient(to recipient) reply {
	m := s.mail
	if !s.alone {
		m.recipient = &to.address
		refusal := s.checker.CheckRecipient(s.facts())
		if refusal != nil {
			s.rejectedRcpt(&to, refusal.Reply)
			m.recipient = nil
			return refused(refusal)
		}
		if r, refused := s.rcptMilters(&to); refused {
			m.recipient = nil
			return r
		}
	}
	m.recipient = nil
	if r := s.open(); r.bad {
		return r
	}
	if f, ok := m.queue.(*filter); ok {
		if err := f.recipient(to.command); err != nil {
			return s.filterRefused(f, err)
		}
	}
	if m.recipients == 0 {
		m.first = to.address
	}
	m.recipients++
	if to.notify != 0 {
		m.envelope = record.Append(m.envelope, record.Attribute, "notify_flags="+strconv.Itoa(int(to.notify)))
	}
	if to.original != "" {
		m.envelope = record.Append(m.envelope, record.Attribute, "dsn_orig_rcpt="+to.original)
	}
	m.envelope = record.Append(m.envelope, record.Recipient, to.address)
	return ok("250 2.1.5 Ok")
}

// rcptParameter understands one parameter of RCPT. Source: RFC 3461, sections
// 4.1 and 4.2.
func (s *session) rcptParameter(to *recipient, p string) reply {
	keyword, value, _ := splitParam(p)
	switch keyword {
	case "NOTIFY":
		if s.mask&maskDSN != 0 {
			return refuse("protocol", "501 5.7.1 DSN support is disabled")
		}
		notify, valid := dsn.ParseNotify(value)
		if !valid || to.notify != 0 {
			return refuse("protocol", "501 5.5.4 Error: Bad NOTIFY parameter syntax")
		}
		to.notify = notify
		return ok("")
	case "ORCPT":
		if s.mask&maskDSN != 0 {
			return refuse("protocol", "501 5.7.1 DSN support is disabled")
		}
		original, valid := decodeOriginal(value)
		if !valid || to.original != "" {
			return refuse("protocol", "501 5.5.4 Error: Bad ORCPT parameter syntax")
		}
		to.original = original
		return ok("")
	}
	return refuse("protocol", "555 5.5.4 Unsupported option: "+p)
}

// decodeOriginal reads "type;address", where the address is xtext.
func decodeOriginal(value string) (string, bool) {
	kind, encoded, found := strings.Cut(value, ";")
	if !found || kind == "" {
		return "", false
	}
	addr, valid := decodeXtext(encoded)
	if !valid || !printable(addr) || !printable(kind) {
		return "", false
	}
	return kind + ";" + addr, true
}

// logRecipient is the recipient that a log line names: the one in question, or
// the only one.
func (s *session) logRecipient() *string {
	switch {
	case s.mail == nil:
		return s.asked
	case s.mail.recipient != nil:
		return s.mail.recipient
	case s.mail.recipients == 1:
		return &s.mail.first
	}
	return nil
}
