package main

import (
	"bytes"
	"fmt"
	"time"

	"postrider/lib/mail/address"
	"postrider/lib/mail/date"
	"postrider/lib/mail/record"
)

// send gives the message to cleanup(8).
func (s *session) send(m letter, arrived time.Time) {
	q := s.queue
	q.Time(arrived)
	if conf.Intake.ContentFilter != "" {
		q.Record(record.Filter, conf.Intake.ContentFilter)
	}
	q.Record(record.From, m.sender)
	if m.verp != "" {
		q.Record(record.Verp, m.verp)
	}
	q.Attribute("log_client_name", s.peer.name)
	q.Attribute("log_client_address", s.peer.address)
	q.Attribute("log_client_port", s.peer.port)
	q.Attribute("log_message_origin", s.peer.name+"["+s.peer.address+"]")
	q.Attribute("log_protocol_name", "QMQP")
	q.Attribute("client_name", s.peer.name)
	q.Attribute("client_address", s.peer.address)
	q.Attribute("client_port", s.peer.port)
	q.Attribute("client_address_type", map[bool]string{false: "2", true: "10"}[s.peer.six])
	q.Attribute("protocol_name", "QMQP")
	for _, recipient := range m.recipients {
		q.Record(record.Recipient, recipient)
	}
	q.Record(record.Message, "")
	s.received(m, arrived)
	s.content(m)
	q.Record(record.Extracted, "")
	q.Record(record.End, "")
}

// received writes the Received: header. A single recipient is named.
func (s *session) received(m letter, arrived time.Time) {
	q, host := s.queue, s.peer.address
	if s.peer.six {
		host = "IPv6:" + host
	}
	at := date.Header(arrived)
	q.Record(record.Text, fmt.Sprintf("Received: from %s (%s [%s])", s.peer.name, s.peer.name, host))
	if len(m.recipients) == 1 {
		q.Record(record.Text, fmt.Sprintf("\tby %s (%s) with QMQP id %s", conf.MyHostname, conf.MailName, s.id))
		q.Record(record.Text, fmt.Sprintf("\tfor <%s>; %s", address.Quote(m.recipients[0]), at))
		return
	}
	q.Record(record.Text, fmt.Sprintf("\tby %s (%s) with QMQP", conf.MyHostname, conf.MailName))
	q.Record(record.Text, fmt.Sprintf("\tid %s; %s", s.id, at))
}

// content writes the text. Lines in front of the header that separate messages in
// mailboxes are kept as headers.
func (s *session) content(m letter) {
	begun := false
	m.lines(func(line []byte) {
		if !begun && bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From ")) {
			s.line(append([]byte("X-Mailbox-Line: "), line...))
			return
		}
		if !begun && len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			s.line(nil) // no header to continue: this is the body
		}
		begun = true
		s.line(line)
	})
}

// line writes a line in pieces that a record may have.
func (s *session) line(line []byte) {
	for limit := conf.LineLengthLimit; limit > 0 && len(line) > limit; line = line[limit:] {
		s.queue.RecordBytes(record.Continued, line[:limit])
	}
	s.queue.RecordBytes(record.Text, line)
}
