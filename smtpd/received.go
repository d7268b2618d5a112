package main

import (
	"fmt"
	"os"
	"strconv"
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
	if s.sasl.User != "" && s.sasl.Method != "XCLIENT" {
		name += "A"
	}
	return name
}

// comment makes text fit for a comment in a header.
func comment(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c == 0x7f || c == '(' || c == ')' || c == '\\' {
			b[i] = '?'
		}
	}
	return string(b)
}

// dateHeader is the form of RFC 5322 with the name of the zone; the day is
// padded with a blank.
func dateHeader(t time.Time) string {
	zone, _ := t.Zone()
	return t.Format("Mon, _2 Jan 2006 15:04:05 -0700") + " (" + zone + ")"
}
