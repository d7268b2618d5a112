package main

import (
	"fmt"
	"strings"
)

// A command is an SMTP command and what it may do to the session.
type command struct {
	name    string
	run     func(s *session, args string) reply
	limited bool // has no effect on mail: too many of it are errors
	last    bool // nothing may be sent ahead of its reply (RFC 2920, section 3.1)
	plain   bool // possible before TLS where TLS is a must
	order   int
}

// commands stand in the order of the statistics at the end of a session.
var commands []*command

func init() {
	commands = []*command{
		{name: "HELO", run: (*session).heloCommand, limited: true, last: true, plain: true},
		{name: "EHLO", run: (*session).ehloCommand, limited: true, last: true, plain: true},
		{name: "XCLIENT", run: (*session).xclientCommand, plain: true},
		{name: "XFORWARD", run: (*session).xforwardCommand},
		{name: "STARTTLS", run: (*session).starttlsCommand, plain: true},
		{name: "AUTH", run: (*session).authCommand},
		{name: "MAIL", run: (*session).mailCommand},
		{name: "RCPT", run: (*session).rcptCommand},
		{name: "DATA", run: (*session).dataCommand, last: true},
		{name: "BDAT", run: (*session).bdatCommand},
		{name: "RSET", run: (*session).rsetCommand, limited: true},
		{name: "NOOP", run: (*session).noopCommand, limited: true, last: true, plain: true},
		{name: "VRFY", run: (*session).vrfyCommand, limited: true, last: true},
		{name: "ETRN", run: (*session).etrnCommand, limited: true},
		{name: "QUIT", run: (*session).quitCommand, plain: true},
		{name: "HELP", run: (*session).helpCommand, limited: true, last: true, plain: true},
	}
	for i, c := range commands {
		c.order = i
	}
	unknownCommand = len(commands)
}

// unknownCommand is where the statistics count what is no command.
var unknownCommand int

func find(word string) *command {
	for _, c := range commands {
		if strings.EqualFold(c.name, word) {
			return c
		}
	}
	return nil
}

// statistics count the commands of a session, good ones and all.
type statistics struct {
	good, total [20]int
}

func (st *statistics) count(order int, good bool) {
	st.total[order]++
	if good {
		st.good[order]++
	}
}

// String is the end of the log line for the end of a session; its form is
// fixed.
func (st *statistics) String() string {
	var b strings.Builder
	good, total := 0, 0
	for i := 0; i <= unknownCommand; i++ {
		name := "unknown"
		if i < unknownCommand {
			name = strings.ToLower(commands[i].name)
		}
		if st.total[i] > 0 {
			b.WriteString(" " + name + "=" + ratio(st.good[i], st.total[i]))
		}
		good += st.good[i]
		total += st.total[i]
	}
	sum := ratio(good, total)
	if total == 0 {
		sum = "0/0"
	}
	return b.String() + " commands=" + sum
}

func ratio(good, total int) string {
	if good == total {
		return fmt.Sprint(good)
	}
	return fmt.Sprintf("%d/%d", good, total)
}

func (s *session) rsetCommand(args string) reply {
	if args != "" {
		return refuse("protocol", "501 5.5.4 Syntax: RSET")
	}
	s.abort()
	s.forward = nil
	return ok("250 2.0.0 Ok")
}

func (s *session) noopCommand(string) reply { return ok("250 2.0.0 Ok") }

func (s *session) quitCommand(string) reply {
	return reply{text: "221 2.0.0 Bye", hangup: true}
}

// helpCommand lists the commands, for the person who types them.
func (s *session) helpCommand(string) reply {
	return ok("214-2.0.0 Commands: HELO EHLO MAIL RCPT DATA RSET NOOP VRFY ETRN QUIT\n214 2.0.0 See RFC 5321")
}
