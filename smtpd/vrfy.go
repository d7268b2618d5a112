package main

import (
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/service/flush"
	"postrider/smtpd/access"
)

func (s *session) vrfyCommand(args string) reply {
	switch {
	case conf.DisableVRFY:
		return refuse("policy", "502 5.5.1 VRFY command is disabled")
	case args == "":
		return refuse("protocol", "501 5.5.4 Syntax: VRFY address"+s.vrfyOption())
	}
	path, utf8 := args, false
	if i := strings.LastIndexAny(args, " \t"); i >= 0 && strings.EqualFold(args[i+1:], "SMTPUTF8") && s.vrfyOption() != "" {
		path, utf8 = strings.TrimRight(args[:i], " \t"), true
	}
	addr, valid := pathRule{dash: conf.AllowMinUser, utf8: utf8}.parsePath(withoutName(path))
	if !utf8 && !s.charactersAllowed(path, nil) {
		return refuse("protocol", undeclared)
	}
	if !valid {
		s.illegal("VRFY", path)
		return refuse("protocol", "501 5.1.3 Bad recipient address syntax")
	}
	if !s.alone {
		if refusal := s.checkVrfy(addr); refusal != nil {
			return refused(refusal)
		}
	}
	return ok("252 2.0.0 " + path)
}

// withoutName drops a name in front of an address in brackets.
func withoutName(path string) string {
	if i := strings.LastIndexByte(path, '<'); i > 0 && strings.HasSuffix(path, ">") {
		return path[i:]
	}
	return path
}

// vrfyOption is part of the syntax when UTF-8 is supported.
func (s *session) vrfyOption() string {
	if conf.Address.SMTPUTF8Enable && s.mask&maskSMTPUTF8 == 0 {
		return " [SMTPUTF8]"
	}
	return ""
}

// checkVrfy decides about an address as if mail came for it, without a trace in
// a message that may be under way.
func (s *session) checkVrfy(addr string) *access.Refusal {
	s.asked = &addr
	defer func() { s.asked = nil }()
	facts := s.facts()
	facts.Recipient, facts.Transaction = &addr, &access.Transaction{}
	m := s.mail
	s.mail = nil // the log does not name its sender
	defer func() { s.mail = m }()
	return s.checker.CheckRecipient(facts)
}

// etrnCommand has the mail for a domain sent now. Source: RFC 1985.
func (s *session) etrnCommand(args string) reply {
	switch {
	case s.helo == "" && conf.HeloRequired:
		return refuse("policy", "503 Error: send HELO/EHLO first")
	case s.mail != nil:
		return refuse("protocol", "503 Error: MAIL transaction in progress")
	case args == "" || strings.ContainsAny(args, " \t"):
		return refuse("protocol", "500 Syntax: ETRN domain")
	}
	domain := strings.TrimLeft(args[:1], "@#") + args[1:]
	if !validDomain(domain) {
		return refuse("protocol", "501 Error: invalid parameter syntax")
	}
	if !s.alone {
		facts := s.facts()
		facts.ETRN = &domain
		if refusal := s.checker.CheckETRN(facts); refusal != nil {
			return refused(refusal)
		}
	}
	return s.flushSite(domain)
}

func (s *session) flushSite(domain string) reply {
	status, err := s.flush(domain)
	switch {
	case err == nil && status == flush.OK:
		return ok("250 Queuing started")
	case err == nil && status == flush.Deny:
		msg.Warn("reject: ETRN %.100s... from %s", domain, s.nameAddr())
		return refuse("policy", "459 <"+domain+">: service unavailable")
	case err == nil && status == flush.Bad:
		msg.Warn("bad ETRN %.100s... from %s", domain, s.nameAddr())
	case err != nil:
		msg.Warn("%v", err)
	}
	return refuse("software", "458 Unable to queue messages")
}
