package main

import (
	"strconv"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/mail/address"
)

// A command is one that the engine knows.
type command struct {
	run   func(c *client, args string)
	plain bool // possible before TLS where TLS is a must
}

var commands map[string]*command

func init() {
	commands = map[string]*command{
		"HELO":     {(*client).helo, true},
		"EHLO":     {(*client).ehlo, true},
		"STARTTLS": {(*client).startTLS, true},
		"MAIL":     {(*client).mail, false},
		"RCPT":     {(*client).rcpt, false},
		"DATA":     {(*client).data, false},
		"BDAT":     {(*client).bdat, false},
		"RSET":     {(*client).rset, false},
		"NOOP":     {(*client).noop, true},
		"VRFY":     {(*client).vrfy, false},
		"ETRN":     {(*client).etrn, false},
		"QUIT":     {(*client).quit, true},
	}
}

func (c *client) helo(args string) {
	if c.hello(args, "501 Syntax: HELO hostname") {
		c.reply("250 " + conf.MyHostname)
	}
}

// hello takes the name of the client. That ends a transaction.
func (c *client) hello(args, syntax string) bool {
	name := firstWord(args)
	if name == "" {
		c.reply(syntax)
		return false
	}
	c.engine.helo, c.engine.sender = first(name, maxName), nil
	return true
}

// maxName is how much of a name or address is kept.
const maxName = 255

func firstWord(args string) string {
	if words := strings.Fields(args); len(words) > 0 {
		return words[0]
	}
	return ""
}

func (c *client) ehlo(args string) {
	if !c.hello(args, "501 Syntax: EHLO hostname") {
		return
	}
	c.engine.protocol = "ESMTP"
	lines := append([]string{conf.MyHostname}, c.keywords()...)
	for i := range lines {
		lines[i] = "250-" + lines[i]
	}
	last := len(lines) - 1
	lines[last] = "250 " + lines[last][4:]
	c.reply(strings.Join(lines, "\n"))
}

// keywords are the extensions that are announced, in the order of stock. None of
// them is PIPELINING, so that to do so is a breach.
func (c *client) keywords() (list []string) {
	size := "SIZE"
	if conf.MessageSizeLimit > 0 {
		size += " " + strconv.FormatInt(conf.MessageSizeLimit, 10)
	}
	hidden := c.engineRules.discarded(c.peer.Addr().String())
	for _, k := range []struct {
		word, text string
		when       bool
	}{
		{"size", size, true},
		{"vrfy", "VRFY", !conf.DisableVRFY},
		{"etrn", "ETRN", true},
		{"starttls", "STARTTLS", c.engineRules.tls && !c.engine.secret},
		{"enhancedstatuscodes", "ENHANCEDSTATUSCODES", true},
		{"8bitmime", "8BITMIME", true},
		{"dsn", "DSN", true},
		{"smtputf8", "SMTPUTF8", conf.Address.SMTPUTF8Enable},
		{"chunking", "CHUNKING", true},
	} {
		if k.when && !hidden[k.word] {
			list = append(list, k.text)
		}
	}
	return list
}

func (c *client) mail(args string) {
	e := c.engine
	if conf.HeloRequired && e.helo == "" {
		c.reply("503 5.5.1 Error: send HELO/EHLO first")
		return
	}
	if e.sender != nil {
		c.reply("503 5.5.1 Error: nested MAIL command")
		return
	}
	path, ok := parsePath(args)
	if !ok {
		c.reply("501 5.5.4 Syntax: MAIL FROM:<address>")
		return
	}
	e.sender = &path
	c.reply("250 2.1.0 Ok")
}

// rcpt refuses the recipient, and logs who wanted to send what to whom. A client
// that comes so far without a breach has passed the tests.
func (c *client) rcpt(args string) {
	for t, lasts := range map[test]time.Duration{pipelining: conf.PipeliningTTL, nonSMTP: conf.NonSMTPCommandTTL, bareNewline: conf.BareNewlineTTL} {
		if c.todo.has(t) {
			c.pass(t, lasts)
		}
	}
	e := c.engine
	if e.sender == nil {
		c.reply("503 5.5.1 Error: need MAIL command")
		return
	}
	path, ok := parsePath(args)
	if !ok {
		c.reply("501 5.5.4 Syntax: RCPT TO:<address>")
		return
	}
	answer := soften(c.verdict())
	msg.Info("NOQUEUE: reject: RCPT from %s: %s; from=<%s>, to=<%s>, proto=%s, helo=<%s>", c, answer,
		address.Quote(*e.sender), address.Quote(path), e.protocol, e.helo)
	c.reply(answer)
}

// verdict is what a client hears instead of that its mail is welcome.
func (c *client) verdict() string {
	if c.word != "" {
		return c.word
	}
	return later
}

// parsePath reads the address of "FROM:<address> parameters". It is not checked
// much: it is for the log.
func parsePath(args string) (path string, ok bool) {
	_, rest, ok := strings.Cut(args, ":")
	if !ok {
		return "", false
	}
	rest = strings.TrimLeft(rest, " ")
	if inner, found := strings.CutPrefix(rest, "<"); found {
		rest = inner[:pathLength(inner)]
	} else {
		rest = firstWord(rest)
	}
	if route, after, found := strings.Cut(rest, ":"); found && strings.HasPrefix(route, "@") && !strings.Contains(route, "[") {
		rest = after
	}
	return first(address.Unquote(rest), maxName), true
}

// pathLength finds the bracket that ends a path, or the end of the line.
func pathLength(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '>' && !quoted:
			return i
		}
	}
	return len(s)
}

func (c *client) data(args string) {
	msg.Info("DATA without valid RCPT from %s", c)
	switch {
	case args != "":
		c.drop("501 5.5.4 Syntax: DATA")
	case c.engine.sender == nil:
		c.drop("503 5.5.1 Error: need RCPT command")
	default:
		c.drop("554 5.5.1 Error: no valid recipients")
	}
}

func (c *client) bdat(args string) {
	msg.Info("BDAT without valid RCPT from %s", c)
	switch {
	case args == "":
		c.drop("501 5.5.4 Syntax: BDAT count [LAST]")
	case c.engine.sender == nil:
		c.drop("554 5.5.1 Error: need MAIL command")
	default:
		c.drop("554 5.5.1 Error: no valid recipients")
	}
}

func (c *client) rset(string) {
	c.engine.sender = nil
	c.reply("250 2.0.0 Ok")
}

func (c *client) noop(string) { c.reply("250 2.0.0 Ok") }

func (c *client) vrfy(args string) {
	switch {
	case conf.DisableVRFY:
		c.reply("502 5.5.1 VRFY command is disabled")
	case args == "":
		c.reply("501 5.5.4 Syntax: VRFY address")
	default:
		c.reply(c.verdict())
	}
}

func (c *client) etrn(args string) {
	if args == "" {
		c.reply("500 Syntax: ETRN domain")
		return
	}
	c.reply("458 Unable to queue messages")
}

func (c *client) quit(string) { c.drop("221 2.0.0 Bye") }
