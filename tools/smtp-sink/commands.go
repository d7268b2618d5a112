package main

import (
	"net/netip"
	"strings"
	"time"

	"postrider/lib/base/msg"
)

// command does one command.
func (s *sink) command(c *client, line string) {
	if s.verbose {
		msg.Info("<<< %s", line)
	}
	verb, args, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	s.note(verb, args)
	switch verb {
	case "HELO":
		if s.lmtp {
			s.say(c, "500 5.5.1 Error: unknown command\r\n")
			return
		}
		s.answer(c, verb, "250 "+s.name+"\r\n", func() { c.helo = args })
	case "EHLO", "LHLO":
		if s.hidden["ESMTP"] || (verb == "LHLO") != s.lmtp {
			s.say(c, "500 5.5.1 Error: unknown command\r\n")
			return
		}
		s.answer(c, verb, s.ehlo, func() { c.helo, c.esmtp = args, true })
	case "MAIL":
		s.mailCommand(c, args)
	case "RCPT":
		s.rcptCommand(c, args)
	case "DATA":
		s.dataCommand(c)
	case "RSET":
		s.answer(c, verb, "250 2.1.0 Ok\r\n", func() { c.reset() })
	case "NOOP", "VRFY", "XCLIENT", "XFORWARD", "AUTH":
		s.answer(c, verb, "250 2.0.0 Ok\r\n", nil)
	case "QUIT":
		s.answer(c, verb, "221 Bye\r\n", func() {
			c.ending = true
			s.quits++
			s.show()
		})
	case ".":
		s.answer(c, verb, "250 2.0.0 Ok\r\n", nil)
	case "":
		s.say(c, "500 5.5.2 Error: unknown command\r\n")
	default:
		s.say(c, "500 5.5.1 Error: unknown command\r\n")
	}
}

// note logs a command of option -s, with syslogd only.
func (s *sink) note(verb, args string) {
	if s.logged[verb] && s.syslog != nil {
		s.syslog.Info(msg.Printable(verb + " " + args))
	}
}

func (c *client) reset() { c.inMail, c.mail, c.rcpts, c.count = false, "", nil, 0 }

// withoutWord is the text behind FROM: or TO:.
func withoutWord(args, word string) string {
	if len(args) >= len(word) && strings.EqualFold(args[:len(word)], word) {
		return strings.TrimLeft(args[len(word):], " ")
	}
	return args
}

func (s *sink) mailCommand(c *client, args string) {
	if c.inMail && s.actions["MAIL"] == usual {
		s.say(c, "503 5.5.1 Error: nested MAIL command\r\n")
		return
	}
	s.answer(c, "MAIL", "250 2.1.0 Ok\r\n", func() {
		c.reset()
		c.inMail, c.mail = true, withoutWord(args, "FROM:")
	})
}

func (s *sink) rcptCommand(c *client, args string) {
	if !c.inMail && s.actions["RCPT"] == usual {
		s.say(c, "503 5.5.1 Error: need MAIL command\r\n")
		return
	}
	s.answer(c, "RCPT", "250 2.1.5 Ok\r\n", func() {
		c.count++
		if s.dump != "" {
			c.rcpts = append(c.rcpts, withoutWord(args, "TO:"))
		}
	})
}

func (s *sink) dataCommand(c *client) {
	switch {
	case c.count == 0 && s.actions["DATA"] == usual:
		s.say(c, "503 5.5.1 Error: need RCPT command\r\n")
	case s.abort >= 0:
		s.refuseContent(c)
	default:
		s.answer(c, "DATA", "354 End data with <CR><LF>.<CR><LF>\r\n", func() { s.beginData(c) })
	}
}

func (s *sink) beginData(c *client) {
	c.inData, c.tail = true, []byte("\r\n")
	if s.dump != "" {
		c.dump = s.newDump(c)
	}
	if s.holdData > 0 {
		s.flush(c)
		c.until = time.Now().Add(s.holdData)
		c.next = func() { s.resume(c) }
	}
}

// refuseContent asks for the content, and then does not take it (-A).
func (s *sink) refuseContent(c *client) {
	s.say(c, "354 End data with <CR><LF>.<CR><LF>\r\n")
	s.flush(c)
	c.until = time.Now().Add(s.abort)
	c.next = func() {
		s.say(c, "550 This violates SMTP\r\n")
		c.ending = true
		s.flush(c)
	}
}

// endOfData answers once or, with LMTP, for each recipient.
func (s *sink) endOfData(c *client) {
	s.note(".", "")
	reply := "250 2.0.0 Ok\r\n"
	if s.lmtp {
		reply = strings.Repeat("250 2.2.0 Ok\r\n", c.count)
	}
	s.answer(c, ".", reply, func() {
		s.messages++
		s.show()
		if c.dump != nil {
			c.dump.finish()
			c.dump = nil
		}
	})
	if c.dump != nil && c.next == nil {
		c.dump.abandon()
		c.dump = nil
	}
	c.reset()
}

func ipv6(a [16]byte) string { return netip.AddrFrom16(a).String() }
