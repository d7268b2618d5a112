package main

import (
	"fmt"
	"strconv"
	"strings"

	"postrider/lib/base/msg"
)

// bdatCommand takes a chunk of a message. Its data follow whatever the reply
// will be. Source: RFC 3030.
func (s *session) bdatCommand(args string) reply {
	if s.mask&maskChunking != 0 || s.alone {
		return reply{text: "521 5.5.1 Error: command not implemented", bad: true, trouble: "protocol", hangup: true}
	}
	size, last, valid := parseBdat(args)
	if !valid {
		s.warnBdat("malformed BDAT command syntax from %s: %.100s", s.nameAddr(), strings.TrimSpace("BDAT "+args))
		return reply{text: "521 5.5.4 Syntax: BDAT count [LAST]", bad: true, trouble: "protocol", hangup: true}
	}
	early, refusing := s.bdatRefusal(size, last)
	if err := s.readChunk(size, refusing); err != nil {
		received := s.soFar()
		s.abort()
		return s.broken(err, received)
	}
	if refusing {
		s.skipping = !last
		return early
	}
	if last {
		c := s.mail.bdat
		c.end()
		return s.finishMessage(c, fmt.Sprintf("%d bytes ", c.bytes))
	}
	return ok(fmt.Sprintf("250 2.0.0 Ok: %d bytes", size))
}

// bdatRefusal is the reply to a chunk that is thrown away.
func (s *session) bdatRefusal(size int64, last bool) (r reply, refusing bool) {
	m := s.mail
	switch {
	case s.skipping:
		return refuse("protocol", fmt.Sprintf("551 5.0.0 Discarded %d bytes after earlier error", size)), true
	case m == nil:
		return refuse("protocol", "503 5.5.1 Error: need RCPT command"), true
	case m.recipients == 0:
		return refuse("protocol", "554 5.5.1 Error: no valid recipients"), true
	case size == 0 && !last:
		s.warnBdat("null BDAT request from %s", s.nameAddr())
		s.abort()
		return refuse("protocol", "551 5.7.1 Null BDAT request"), true
	case conf.MessageSizeLimit > 0 && size > conf.MessageSizeLimit-s.soFar():
		s.warnBdat("BDAT request from %s exceeds message size limit", s.nameAddr())
		s.abort()
		return refuse("policy", "552 5.3.4 Chunk exceeds message size limit"), true
	case m.bdat == nil:
		if refusal := s.checker.CheckData(s.facts()); refusal != nil {
			return refused(refusal), true
		}
		if r, refused := s.dataMilters(); refused {
			return r, true
		}
		if f, filtering := m.queue.(*filter); filtering {
			if err := f.data(); err != nil {
				return s.filterRefused(f, err), true
			}
		}
		if m.bdat, r = s.beginContent(); r.bad {
			return r, true
		}
	}
	return r, false
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
	if s.mail == nil || s.mail.bdat == nil {
		return 0
	}
	return s.mail.bdat.bytes
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
