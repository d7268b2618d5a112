package main

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"postrider/lib/base/match"
	"postrider/lib/base/msg"
	"postrider/lib/base/poll"
	"postrider/lib/base/text"
)

// An engine is a conversation with a client that is tested after the greeting, or
// that has failed a test before it. It looks like SMTP, and takes no mail.
type engine struct {
	active tests  // a breach of these is noticed
	in     []byte // what has come of a line, and what came behind it
	lines  int    // so far
	where  string // the last command, for the log

	protocol string
	helo     string
	sender   *string // of a transaction
	secret   bool    // TLS
	last     string  // the reply to any command; then the connection ends
}

const (
	later     = "450 4.3.2 Service currently unavailable"
	tryAgain  = "Service unavailable - try again later"
	protError = "5.5.1 Protocol error"
)

// talk greets the client and waits for commands. Last is the reply to the first one,
// when the connection ends with it.
func (c *client) talk(last string) {
	c.began, c.stage, c.stays = time.Now(), talking, true
	c.engine = &engine{active: c.todo &^ early, where: "CONNECT", protocol: "SMTP", last: last}
	if c.failed != 0 || c.refused {
		c.engine.active = allTests &^ early
	}
	if !c.greeted {
		c.send("220 " + c.engineRules.banner + "\r\n")
	}
	c.await()
	c.readCommands()
}

// await gives the client time for a command.
func (c *client) await() { c.after(&c.timer, c.limit[c.pressure()], c.slow) }

func (c *client) slow() {
	msg.Info("COMMAND TIME LIMIT from %s after %s", c, c.engine.where)
	c.drop("421 4.4.2 " + conf.MyHostname + " Error: timeout exceeded")
}

// readCommands reads what has come, and obeys each line.
func (c *client) readCommands() {
	e := c.engine
	for c.stage == talking {
		n, err := poll.Read(c.fd, c.buffer)
		if errors.Is(err, poll.ErrAgain) {
			return
		}
		if err != nil {
			c.hangUp()
			return
		}
		e.in = append(e.in, c.buffer[:n]...)
		for c.stage == talking {
			end := bytes.IndexByte(e.in, '\n')
			if end < 0 && len(e.in) <= conf.LineLengthLimit {
				break
			}
			if end < 0 || end > conf.LineLengthLimit {
				c.tooLong()
				return
			}
			line := string(e.in[:end])
			e.in = e.in[end+1:]
			c.line(line)
			if len(e.in) == 0 {
				e.in = nil // most clients wait: they need no buffer
			}
		}
	}
}

func (c *client) tooLong() {
	e := c.engine
	if word, _, known := c.split(string(e.in)); known != nil {
		e.where = word
	}
	msg.Info("COMMAND LENGTH LIMIT from %s after %s", c, e.where)
	c.drop("421 " + conf.MyHostname + " " + tryAgain)
}

// split takes the first word from a line.
func (c *client) split(line string) (word, args string, known *command) {
	word, args, _ = strings.Cut(strings.TrimLeft(line, " "), " ")
	return word, args, commands[strings.ToUpper(word)]
}

// line does the tests of one line, and then what it says.
func (c *client) line(line string) {
	e := c.engine
	plain, proper := strings.CutSuffix(line, "\r")
	if !proper && !c.breach(bareNewline, protError, func() {
		msg.Info("BARE NEWLINE from %s after %s", c, text.Escape([]byte(plain)))
	}) {
		return
	}
	plain = c.filter(plain)
	plain, _, _ = strings.Cut(plain, "\x00")
	word, args, known := c.split(plain)
	if known == nil && e.active.has(nonSMTP) && c.engineRules.alien(word, plain) && !c.breach(nonSMTP, "5.7.0 Error: I can break rules, too. Goodbye.", func() {
		msg.Info("NON-SMTP COMMAND from %s after %s: %s %s", c, e.where, first(word, 100), args)
	}) {
		return
	}
	e.where = "UNIMPLEMENTED"
	if known != nil {
		e.where = strings.ToUpper(word)
	}
	if len(e.in) > 0 && !c.breach(pipelining, protError, func() {
		msg.Info("COMMAND PIPELINING from %s after %s: %s", c, first(e.where, 100), text.Escape(e.in))
	}) {
		return
	}
	if e.lines++; e.lines > conf.CommandCountLimit {
		msg.Info("COMMAND COUNT LIMIT from %s after %s", c, e.where)
		c.drop("421 " + conf.MyHostname + " " + tryAgain)
		return
	}
	c.obey(known, args)
}

// breach notices that a client fails one of the tests after the greeting, once.
// False: the connection has ended.
func (c *client) breach(t test, dropped string, log func()) bool {
	if !c.engine.active.has(t) {
		return true
	}
	c.engine.active.remove(t.set())
	log()
	a := c.deep[t]
	if a == ignore {
		if c.inUse.has(t) && !c.failed.has(t) {
			c.pass(t, c.shortest)
		}
		return true
	}
	text := protError
	if a == drop {
		text = dropped
	}
	return c.failTest(t, a, text)
}

// obey does what a command says, and replies.
func (c *client) obey(cmd *command, args string) {
	e := c.engine
	switch {
	case e.last != "":
		c.drop(e.last)
		return
	case cmd == nil:
		c.reply("502 5.5.2 Error: command not recognized")
	case c.engineRules.mustTLS && !e.secret && !cmd.plain:
		c.reply("530 5.7.0 Must issue a STARTTLS command first")
	default:
		cmd.run(c, args)
	}
	if c.stage == talking {
		c.await()
	}
}

// filter replaces a line as postscreen_command_filter says.
func (c *client) filter(line string) string {
	filters := c.engineRules.filters
	if filters.Empty() {
		return line
	}
	value, found, err := filters.Lookup(line)
	if err != nil {
		msg.Warn("postscreen_command_filter: lookup error for %.100q", line)
		return line
	}
	if !found {
		return line
	}
	msg.Info("%s: replacing command \"%s\" with \"%s\"", c, first(line, 100), first(value, 100))
	return value
}

// alien reports whether a line is no SMTP: a forbidden word, or the header of a
// message.
func (r *engineRules) alien(word, line string) bool {
	return isIn(r.forbidden, word) || isHeader(line)
}

func isIn(list *match.List, word string) bool {
	found, err := list.Match(word)
	if err != nil {
		msg.Warn("%v", err)
	}
	return found
}

// isHeader recognizes "Name: value".
func isHeader(line string) bool {
	name, _, ok := strings.Cut(line, ":")
	name = strings.TrimRight(name, " \t")
	for i := range len(name) {
		if name[i] <= ' ' || name[i] >= 0x7f {
			return false
		}
	}
	return ok && name != ""
}
