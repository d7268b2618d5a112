package main

import (
	"strings"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
)

// unsynchronized ends a session with a client that does not wait for replies.
const unsynchronized = "554 5.5.0 Error: SMTP protocol synchronization"

// sentBeforeGreeting reports whether a client talks before it was greeted.
func (s *session) sentBeforeGreeting() bool {
	if s.fd < 0 || s.passed {
		return false
	}
	var b [1]byte
	n, _, err := unix.Recvfrom(s.fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err == nil && n > 0
}

// isEarly reports whether the client did not wait where it must. Before the
// greeting it may have begun to talk in this moment, such as during a sleep.
func (s *session) isEarly() bool {
	if !s.early && !s.alone && s.where == "CONNECT" && s.sentBeforeGreeting() {
		s.noteEarly(s.peekEarly())
	}
	return s.early
}

// peekEarly is what the client has sent too early, as far as it is here.
func (s *session) peekEarly() string {
	b, _ := s.s.Peek(1)
	if len(b) > 0 {
		b = s.s.Unread()
	}
	return string(b)
}

// noteEarly logs the first time that a client did not wait.
func (s *session) noteEarly(text string) {
	if s.early {
		return
	}
	s.early = true
	text = withoutSecrets(text)
	if len(text) > 100 {
		text = text[:100]
	}
	msg.Info("improper command pipelining after %s from %s: %s", s.where, s.nameAddr(), escape(text))
}

// checkEarly ends the session of a client that sends more after a command
// whose reply it must await, or that pipelines without ESMTP. Source: RFC
// 2920, section 3.1.
func (s *session) checkEarly(c *command) bool {
	if s.alone || s.s.Buffered() == 0 || s.protocol == "ESMTP" && !c.last {
		return false
	}
	s.noteEarly(string(s.s.Unread()))
	if !conf.ForbidUnauthPipelining {
		return false
	}
	s.history.trouble("protocol")
	s.counts.count(c.order, false)
	s.say(unsynchronized)
	s.hangup = true
	return true
}

// escape shows line ends in log lines.
func escape(s string) string {
	return strings.NewReplacer("\r", `\r`, "\n", `\n`, "\t", `\t`, `\`, `\\`).Replace(s)
}
