package main

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/mail/record"
	"postrider/lib/mail/requiretls"
	"postrider/lib/service/cleanup"
)

// endOfMessage is the stage of a session after its message was received.
const endOfMessage = "END-OF-MESSAGE"

func (s *session) dataCommand(args string) reply {
	m := s.mail
	switch {
	case s.skipping, m != nil && m.bdat != nil:
		return refuse("protocol", "503 5.5.1 Error: DATA after BDAT")
	case m == nil:
		return refuse("protocol", "503 5.5.1 Error: need RCPT command")
	case m.recipients == 0:
		return refuse("protocol", "554 5.5.1 Error: no valid recipients")
	case args != "":
		return refuse("protocol", "501 5.5.4 Syntax: DATA")
	}
	if !s.alone {
		if refusal := s.checker.CheckData(s.facts()); refusal != nil {
			return refused(refusal)
		}
		if r, refused := s.dataMilters(); refused {
			return r
		}
	}
	if f, filtering := m.queue.(*filter); filtering {
		if err := f.data(); err != nil {
			return s.filterRefused(f, err)
		}
	}
	c, r := s.beginContent()
	if r.bad {
		return r
	}
	s.say("354 End data with <CR><LF>.<CR><LF>")
	if err := s.receive(c); err != nil {
		s.abort()
		return s.broken(err, c.received)
	}
	return s.finishMessage(c, "")
}

// beginContent sends what comes before the text of the client.
func (s *session) beginContent() (*content, reply) {
	s.envelope()
	if err := s.handMilters(); err != nil {
		msg.Warn("%s: %v", s.mail.id, err)
		s.abort()
		return nil, refuse("resource", "451 4.3.0 Error: queue file write error")
	}
	s.actionFlags()
	s.mail.queue.Record(record.Message, "")
	c := &content{queue: s.mail.queue, limit: conf.MessageSizeLimit, line: conf.LineLengthLimit}
	for _, header := range s.mail.actions.Prepend {
		c.header(header)
	}
	_, filtering := s.mail.queue.(*filter)
	if filtering && s.mail.requireTLS && conf.TLSHeader.ESMTPHeader {
		c.header(requiretls.HeaderLine)
	}
	if !filtering || s.forward == nil {
		for _, header := range s.received() {
			c.header(header)
		}
	}
	return c, reply{}
}

// bareNewline is how lines without CR are treated for this client.
type bareNewline int

const (
	bareAllow     bareNewline = iota // a line like any other
	bareNormalize                    // a line, but never the end of the message
	bareReject
)

func (s *session) bareNewline() bareNewline {
	if s.alone || s.bare == bareAllow {
		return bareAllow
	}
	if s.inList(s.bareExclusions, "smtpd_forbid_bare_newline_exclusions") {
		return bareAllow
	}
	return s.bare
}

// receive reads the text of a message up to the line with the single dot. A
// dot counts as the end only between two proper line ends, so that no other
// system can see another message in this one.
func (s *session) receive(c *content) error {
	bare := s.bareNewline()
	proper := true // the line before ended in CR LF
	whole := true  // the next bytes begin a line
	deadline := newDeadline(s.s)
	for {
		raw, err := s.s.ReadSlice('\n', c.line+2)
		if err != nil && !errors.Is(err, stream.ErrTooLong) {
			return err
		}
		deadline.extend(len(raw))
		line, hasLF := bytes.CutSuffix(raw, []byte{'\n'})
		hasCRLF := hasLF && len(line) > 0 && line[len(line)-1] == '\r'
		if hasLF {
			line = bytes.TrimRight(line, "\r")
		}
		if whole && hasLF && len(line) == 1 && line[0] == '.' && (bare == bareAllow || proper && hasCRLF && len(raw) == 3) {
			deadline.end()
			return nil
		}
		if hasLF && !hasCRLF && bare == bareReject {
			c.status |= cleanup.StatusBareLF
		}
		if whole && len(line) > 0 && line[0] == '.' {
			line = line[1:]
		}
		c.piece(line, hasLF)
		whole = hasLF
		if hasLF {
			proper = hasCRLF
		}
	}
}

// broken ends a session in the middle of a message.
func (s *session) broken(err error, size int64) reply {
	s.where = fmt.Sprintf("%s (%d bytes)", s.where, size)
	r := reply{bad: true, hangup: true}
	if errors.Is(err, stream.ErrTimeout) {
		r.text = "421 4.4.2 " + conf.MyHostname + " Error: timeout exceeded"
	}
	s.failure = s.lostData(err)
	return r
}

func (s *session) lostData(err error) error {
	if errors.Is(err, stream.ErrTimeout) {
		return stream.ErrTimeout
	}
	return err
}

// finishMessage ends the records of a message and tells the client what became
// of it. Detail stands before "queued as".
func (s *session) finishMessage(c *content, detail string) reply {
	m := s.mail
	m.size = c.received
	s.where = endOfMessage
	c.end()
	if c.status == 0 && !s.alone {
		if refusal := s.checker.CheckEndOfData(s.facts()); refusal != nil {
			s.abort()
			return refused(refusal)
		}
	}
	status, reason := c.status, ""
	if status == 0 {
		s.extracted()
		status, reason = s.collect()
	} else {
		m.queue.Abort()
	}
	if _, filtering := m.queue.(*filter); filtering && reason != "" {
		return s.filtered(status, reason)
	}
	r := verdict(status, reason, m.id)
	switch {
	case status&cleanup.StatusBareLF != 0:
		r = s.refuseBareNewline()
	case status&cleanup.StatusSize != 0:
		msg.Warn("%s: queue file size limit exceeded", m.id)
	case status&cleanup.StatusWrite != 0:
		msg.Warn("%s: queue file write error", m.id)
	case status == 0:
		s.errors, s.junk, s.history.wanted = 0, 0, false
		r.text = "250 2.0.0 Ok: " + detail + "queued as " + m.id
	}
	s.endMail()
	return r
}

// filtered passes on what the content filter says of the message.
func (s *session) filtered(status cleanup.Status, reason string) reply {
	if status != 0 {
		s.logFilter("proxy-reject", reason)
		s.endMail()
		return refuse("policy", reason)
	}
	s.logFilter("proxy-accept", reason)
	s.errors, s.junk, s.history.wanted = 0, 0, false
	s.endMail()
	return ok(reason)
}

// collect asks what became of the message.
func (s *session) collect() (cleanup.Status, string) {
	status, reason, err := s.mail.queue.Finish()
	if err != nil {
		msg.Warn("%s: %v", s.mail.id, err)
		return cleanup.StatusWrite, ""
	}
	return status, reason
}

// extracted sends the records after the content: what access tables want to
// be done with the message.
func (s *session) extracted() {
	m, q := s.mail, s.mail.queue
	a := &m.actions
	q.Record(record.Extracted, "")
	if a.Filter != "" {
		q.Record(record.Filter, a.Filter)
	}
	if a.Redirect != "" {
		q.Record(record.Redirect, a.Redirect)
	}
	for _, bcc := range a.Bcc {
		q.Record(record.Attribute, "notify_flags=1")
		q.Record(record.Recipient, bcc)
	}
	s.actionFlags()
	q.Record(record.End, "")
}

// actionFlags tells cleanup(8) to hold the message, or to throw it away.
func (s *session) actionFlags() {
	if flags := s.mail.actions.Flags(); flags != 0 {
		s.mail.queue.Record(record.CleanupFlags, fmt.Sprint(flags))
	}
}

// A deadline limits the time for a whole message by its length.
type deadline struct {
	s     *stream.Stream
	until time.Time
	step  int
}

func newDeadline(s *stream.Stream) *deadline {
	d := &deadline{s: s}
	if conf.PerRequestDeadline {
		d.until = time.Now().Add(conf.Timeout)
		s.SetDeadline(d.until)
	}
	return d
}

// extend gives time for what came at the least speed that is allowed.
func (d *deadline) extend(n int) {
	if d.until.IsZero() {
		return
	}
	if d.step += n; d.step < 4096 {
		return
	}
	d.until = d.until.Add(time.Duration(d.step) * time.Second / time.Duration(conf.MinDataRate))
	if most := time.Now().Add(conf.Timeout); d.until.After(most) {
		d.until = most
	}
	d.step = 0
	d.s.SetDeadline(d.until)
}

func (d *deadline) end() {
	if !d.until.IsZero() {
		d.s.SetDeadline(time.Time{})
	}
}
