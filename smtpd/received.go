package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// received makes the Received: header, as RFC 5321, section 4.4 wants it: who
// the client says it is, who it is, and when it came. The recipient is named
// only when there is just one: the others' names are nobody's business.
func (s *session) received() []string {
	m := s.mail
	date := dateHeader(m.arrived)
	if s.alone {
		return []string{"Received: by " + conf.MyHostname + " (" + conf.MailName + ", from userid " + strconv.Itoa(os.Getuid()) + ")",
			"\tid " + m.id + "; " + date}
	}
	lines := []string{fmt.Sprintf("Received: from %s (%s [%s])", s.helloOr(), s.client.Name, literalAddress(s.client.Address))}
	if conf.HideClientSession && s.sasl.User != "" {
		lines[0] = "Received: from [127.0.0.1] (localhost [127.0.0.1])"
	}
	lines = append(lines, s.receivedTLS()...)
	if conf.SASLHeader && s.sasl.User != "" {
		lines = append(lines, "\t(Authenticated sender: "+comment(s.sasl.User)+")")
	}
	by := "\tby " + conf.MyHostname + " (" + conf.MailName + ") with " + s.protocolName()
	if m.id != noQueue {
		by += " id " + m.id
	}
	if m.recipients == 1 {
		return append(lines, by, "\tfor <"+external(m.first)+">; "+date)
	}
	return append(lines, by+";", "\t"+date)
}

func (s *session) helloOr() string {
	if s.helo == "" {
		return s.client.Name
	}
	return s.helo
}

// protocolName is how the message came: RFC 3848 and RFC 6531, section 4.3.
func (s *session) protocolName() string {
	name := s.protocol
	if s.mail.utf8 {
		name = "UTF8SMTP"
	}
	if s.secret != nil && name != "SMTP" {
		name += "S"
	}
	if s.sasl.User != "" && s.sasl.Active {
		name += "A"
	}
	return name
}

// comment makes text fit for a comment in a header, with as many closing parentheses
// as opening ones.
func comment(s string) string {
	b := []byte(s)
	open := 0
	for i, c := range b {
		switch {
		case c == '(':
			open++
		case c == ')' && open > 0:
			open--
		case c < ' ' || c >= 0x7f || c == ')' || c == '\\':
			b[i] = '?'
		}
	}
	return string(b) + strings.Repeat(")", open)
}

// dateHeader is the form of RFC 5322 with the name of the zone; the day is
// padded with a blank.
func dateHeader(t time.Time) string {
	zone, _ := t.Zone()
	return t.Format("Mon, _2 Jan 2006 15:04:05 -0700") + " (" + zone + ")"
}

// receivedTLS says how the session was protected, and who the client is by its
// certificate: smtpd_tls_received_header.
func (s *session) receivedTLS() []string {
	if s.secret == nil || !conf.TLS.ReceivedHeader {
		return nil
	}
	sum := s.secret.Summary()
	lines := []string{fmt.Sprintf("\t(using %s with cipher %s (%d/%d bits)", sum.Protocol, sum.Cipher, sum.Used, sum.All)}
	for _, part := range splitExchange(sum.Exchange) {
		lines = append(lines, "\t "+part)
	}
	lines[len(lines)-1] += ")"
	switch {
	case s.encryption.Certificate:
		words := "not verified"
		if s.encryption.Trusted {
			words = "verified OK"
		}
		lines = append(lines, fmt.Sprintf("\t(Client CN %q, Issuer %q (%s))", comment(s.encryption.Subject), comment(s.encryption.Issuer), words))
	case conf.TLS.AskCcert || conf.TLS.ReqCcert && s.tls.enforced:
		lines = append(lines, "\t(Client did not present a certificate)")
	default:
		lines = append(lines, "\t(No client certificate requested)")
	}
	return lines
}

// splitExchange puts each side's signature on a line of its own.
func splitExchange(text string) []string {
	if text == "" {
		return nil
	}
	var lines []string
	if first, rest, ok := strings.Cut(text, " client-signature "); ok {
		lines, text = []string{"client-signature " + rest}, first
	}
	return append([]string{text}, lines...)
}
