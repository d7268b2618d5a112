package main

import (
	"fmt"
	"strconv"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/service/cleanup"
)

// bdatCommand takes a chunk of a message. Its data follow whatever the reply
// will be. Source: RFC 3030.
func (s *session) bdatCommand(args string) reply {
	if s.mask&maskChunking != 0 || s.alone {
		return reply{text: "521 5.5.1 Error: command not implemented", bad: true, trouble: "protocol", hangup: true}
	}
	size, last, valid := parseBdat(args)
	if !valid {
		s.warnBdat("malformed BDAT command syntax from %s: BDAT %.100s", s.nameAddr(), args)
		return reply{text: "521 5.5.4 Syntax: BDAT count [LAST]", bad: true, trouble: "protocol", hangup: true}
	}
	m := s.mail
	var early *reply
	switch {
	case m == nil:
		early = &reply{text: "503 5.5.1 Error: need RCPT command", bad: true, trouble: "protocol"}
	case m.recipients == 0:
		early = &reply{text: "554 5.5.1 Error: no valid recipients", bad: true, trouble: "protocol"}
	case m.bdat != nil && m.bdat.status != 0:
		early = &reply{text: fmt.Sprintf("551 5.0.0 Discarded %d bytes after earlier error", size), bad: true, trouble: "protocol"}
	case conf.MessageSizeLimit > 0 && size > conf.MessageSizeLimit-s.soFar():
		s.warnBdat("BDAT request from %s exceeds message size limit", s.nameAddr())
		s.failBdat()
		early = &reply{text: "552 5.3.4 Chunk exceeds message size limit", bad: true, trouble: "policy"}
	case m.bdat == nil:
		if refusal := s.checker.CheckData(s.facts()); refusal != nil {
			s.failBdat()
			r := refused(refusal)
			early = &r
			break
		}
		m.bdat = s.beginContent()
	}
	if err := s.readChunk(size, early != nil); err != nil {
		received := int64(0)
		if m != nil && m.bdat != nil {
			received = m.bdat.received
		}
		s.abort()
		return s.broken(err, received)
	}
	if early != nil {
		if last && m != nil && m.bdat != nil {
			s.abort()
		}
		return *early
	}
	if last {
		c := m.bdat
		return s.finishMessage(c, fmt.Sprintf("%d bytes ", c.bytes))
	}
	return ok(fmt.Sprintf("250 2.0.0 Ok: %d bytes", size))
}

// parseBdat reads "1000" or "1000 LAST".
func parseBdat(args string) (size int64, last, valid bool) {
	fields := strings.Fields(args)
	if len(fields) == 0 || len(fields) > 2 || !allDigits(fields[0]) {
		return 0, false, false
	}
	size, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || size > 1<<53 {
		return 0, false, false
	}
	if len(fields) == 2 && !strings.EqualFold(fields[1], "LAST") {
		return 0, false, false
	}
	return size, len(fields) == 2, true
}

func (s *session) warnBdat(format string, args ...any) {
	msg.Warn(s.queueID()+": "+format, args...)
}

// soFar is how much of the message came in chunks before.
func (s *session) soFar() int64 {
	if s.mail.bdat == nil {
		return 0
	}
	return s.mail.bdat.bytes
}

// failBdat remembers that the message is lost: its other chunks are read and
// thrown away.
func (s *session) failBdat() {
	m := s.mail
	if m.bdat == nil {
		m.bdat = &content{queue: m.queue, line: conf.LineLengthLimit}
	}
	m.bdat.status |= cleanup.StatusSize
}

// readChunk reads exactly size bytes.
func (s *session) readChunk(size int64, discard bool) error {
	bare := s.bareNewline()
	limit := newDeadline(s.s)
	for size > 0 {
		b, err := s.s.Peek(1)
		if err != nil {
			return err
		}
		b = s.s.Unread()
		if int64(len(b)) > size {
			b = b[:size]
		}
		if !discard {
			s.mail.bdat.bytes += int64(len(b))
			s.mail.bdat.chunk(b, bare)
		}
		limit.extend(len(b))
		size -= int64(len(b))
		s.s.Discard(len(b))
	}
	limit.end()
	return nil
}
