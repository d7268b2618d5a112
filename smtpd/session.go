package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/net/haproxy"
	"postrider/lib/net/milter"
	"postrider/lib/net/starttls"
	"postrider/smtpd/access"
)

// A session is one client, from its connection to its end.
type session struct {
	*service
	s            *stream.Stream
	alone        bool            // the client is a person or program on this machine (-S)
	passed       bool            // postscreen(8) has greeted the client
	proxied      *haproxy.Header // what a proxy has said about the client
	refusesProxy bool            // a proxy should have said it, and has not
	fd           int

	client access.Client // as XCLIENT may have changed it
	server access.Endpoint
	family int // address family number of the client
	ident  string

	helo       string
	protocol   string // SMTP until the first EHLO
	sasl       access.SASL
	mechanisms []string                // to log in with; none: the client cannot
	afterAuth  bool                    // what is no command may be a password
	secret     *starttls.ServerSession // nil before TLS
	encryption access.TLS
	mask       ehloMask // keywords that this client does not get
	mail       *transaction
	filters    *milter.Session // nil: none
	rejection  string          // why a recipient is refused, while filters are told
	forwards   bool            // the client may use XFORWARD, whoever it becomes
	forward    *forwarded      // by XFORWARD
	earlier    access.Earlier
	denied     *access.Refusal // the client was refused at its connection

	started     time.Time
	count       int    // of transactions
	where       string // the last command, for the log
	errors      int    // since the last message
	junk        int
	early       bool // the client has sent ahead of a reply it must await
	hangup      bool
	skipping    bool    // chunks after a refused one are thrown away
	failure     error   // the end of the session in the middle of a message
	asked       *string // the address of VRFY
	counted     bool    // anvil knows of the connection
	connections int     // of the client, when anvil knows
	counts      statistics
	history     history
	known       access.Facts // of the last decision
}

// errTooMany ends a session of a client that makes only errors.
var errTooMany = errors.New("too many errors")

// errBareNewline ends a session under smtpd_forbid_bare_newline = reject.
var errBareNewline = errors.New("bare newline")

// errHandshake ends a session when there is no TLS after all.
var errHandshake = errors.New("no TLS")

// serve talks with one client.
func (s *session) serve() {
	s.protocol, s.where, s.started = "SMTP", "CONNECT", time.Now()
	s.s.SetTimeout(conf.Timeout)
	if !s.alone {
		defer conf.Debug.Begin(s.client.Name, s.client.Address)()
		msg.Info("connect from %s", s.nameAddr())
	}
	if !s.alone {
		s.forwards = s.inList(s.xforwardHosts, "smtpd_authorized_xforward_hosts")
		s.checker.Begin()
	}
	err := s.conversation()
	s.abort()
	s.closeMilters()
	s.report(err)
	s.leave()
	if !s.alone {
		msg.Info("disconnect from %s%s", s.nameAddr(), s.counts.String())
	}
	s.history.send(s, err)
}

// conversation greets the client and obeys its commands.
func (s *session) conversation() error {
	if s.refusesProxy {
		s.say("421 4.3.0 " + conf.MyHostname + " Server local error")
		return s.s.Flush()
	}
	if s.tls.wrapped && !s.alone && !s.wrap() {
		s.s.Flush()
		return s.failure
	}
	if s.secret == nil {
		s.startSASL()
	}
	if text := s.tooBusy(); text != "" {
		s.say(text)
		return s.s.Flush()
	}
	if !s.greet() {
		return s.s.Flush()
	}
	for !s.hangup {
		if s.errors >= conf.HardErrorLimit && !s.alone {
			s.history.trouble("protocol")
			s.say("421 4.7.0 " + conf.MyHostname + " Error: too many errors")
			s.s.Flush()
			return errTooMany
		}
		s.service.pat()
		line, err := s.readCommand()
		if err != nil {
			return s.lost(err)
		}
		s.obey(line)
		if s.failure != nil {
			s.s.Flush()
			return s.failure
		}
	}
	return s.s.Flush()
}

// greet sends the greeting, or refuses the client.
func (s *session) greet() bool {
	if !s.alone && s.sentBeforeGreeting() {
		s.noteEarly(s.peekEarly())
		if conf.ForbidUnauthPipelining {
			s.say(unsynchronized)
			return false
		}
	}
	if !s.alone {
		s.denied = s.checker.CheckConnect(s.facts())
	}
	if s.denied != nil {
		s.history.trouble(string(s.denied.Trouble))
		s.say(s.denied.Reply)
		return !s.hangup
	}
	s.openMilters()
	if text := s.connectMilters(); text != "" {
		s.say(text)
		return !s.hangup
	}
	s.say("220 " + conf.Banner)
	return true
}

// lost finds out how reading ended. A client that is slow hears about it.
func (s *session) lost(err error) error {
	if errors.Is(err, stream.ErrTimeout) {
		s.say("421 4.4.2 " + conf.MyHostname + " Error: timeout exceeded")
		s.s.Flush()
		return stream.ErrTimeout
	}
	return err
}

// report logs an end that is not a good one.
func (s *session) report(err error) {
	if err == nil || s.alone {
		return
	}
	reason := "lost connection"
	switch {
	case errors.Is(err, stream.ErrTimeout), errors.Is(err, os.ErrDeadlineExceeded):
		reason = "timeout"
	case errors.Is(err, errTooMany):
		reason = "too many errors"
	case errors.Is(err, errBareNewline):
		return // that was logged
	case s.where == endOfMessage:
		return // the client has got what it wanted
	}
	msg.Info("%s after %s from %s", reason, s.where, s.nameAddr())
}

// readCommand reads one line without its end. What goes beyond the limit is
// dropped.
func (s *session) readCommand() (string, error) {
	if conf.PerRequestDeadline {
		s.s.SetDeadline(time.Now().Add(conf.Timeout))
	}
	raw, err := s.s.ReadSlice('\n', conf.LineLengthLimit)
	line, long := string(raw), false
	if errors.Is(err, stream.ErrTooLong) && s.mayBeLong(line) {
		raw, err = s.s.ReadSlice('\n', conf.SASL.ResponseLimit-conf.LineLengthLimit)
		line += string(raw)
	}
	if errors.Is(err, stream.ErrTooLong) {
		long = true
		msg.Warn("%s: request longer than %d: %.30s...", s.nameAddr(), conf.LineLengthLimit, s.shown(line))
	}
	for errors.Is(err, stream.ErrTooLong) {
		_, err = s.s.ReadSlice('\n', conf.LineLengthLimit)
	}
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\n")
	if proper := strings.HasSuffix(line, "\r") || long; !proper && s.bareNewline() == bareReject {
		s.say(s.refuseBareNewline().text)
		return "", errBareNewline
	}
	line = strings.TrimRight(line, "\r")
	return s.filterCommand(line), nil
}

// obey does what one line says, and replies.
func (s *session) obey(line string) {
	msg.Debug("< %s: %s", s.nameAddr(), s.shown(line))
	s.history.add("In:  ", s.shown(line))
	s.queueID() // by now it is here; its log line stands before all others
	if conf.Address.SMTPUTF8Enable && !utf8.ValidString(line) {
		s.nonsense("500 5.5.2 Error: bad UTF-8 syntax")
		return
	}
	line, _, _ = strings.Cut(line, "\x00")
	word, args, _ := strings.Cut(strings.TrimLeft(line, " \t"), " ")
	if i := strings.IndexByte(word, '\t'); i >= 0 {
		args = strings.TrimPrefix(line[strings.Index(line, word)+i:], "\t")
		word = word[:i]
	}
	if word == "" {
		s.nonsense("500 5.5.2 Error: bad syntax")
		return
	}
	if s.isNoop(word) {
		s.say("250 2.0.0 Ok")
		return
	}
	c := find(word)
	if c == nil {
		s.stranger(word, line)
		return
	}
	s.where = c.name
	s.afterAuth = s.afterAuth && c.name == "AUTH"
	if s.checkEarly(c) {
		return
	}
	s.run(c, strings.Trim(args, " \t"))
}

// nonsense replies to a line that the statistics do not count.
func (s *session) nonsense(text string) {
	s.errors++
	s.history.trouble("protocol")
	s.say(text)
}

// run obeys a known command.
func (s *session) run(c *command, args string) {
	if c.limited && !s.alone {
		if s.junk++; s.junk > conf.JunkCommandLimit+1 {
			s.errors++
		}
	}
	r := s.accessDenied()
	switch {
	case s.tlsMissing(c):
		r = refuse("protocol", "530 5.7.0 Must issue a STARTTLS command first")
	case s.denied == nil || c.name == "QUIT":
		if other, refused := s.otherMilters(c); refused {
			r = other
			break
		}
		r = c.run(s, args)
	}
	s.counts.count(c.order, !r.bad && !r.uncounted)
	if r.bad {
		s.errors++
		s.history.trouble(r.trouble)
	}
	if r.text != "" {
		s.say(r.text)
	}
	s.hangup = s.hangup || r.hangup
}

// accessDenied is the reply to a client that was refused at its connection.
func (s *session) accessDenied() reply {
	return refuse("policy", "503 5.7.0 Error: access denied for "+s.nameAddr())
}

// unknown replies to what is no command.
func (s *session) unknown(text string) {
	s.where = "UNKNOWN"
	s.counts.count(unknownCommand, false)
	s.errors++
	s.history.trouble("protocol")
	s.say(text)
}

// stranger replies to a word that is no SMTP command. Some words show that the
// other end is not a mail client at all.
func (s *session) stranger(word, line string) {
	if s.isForbidden(word) || looksLikeHeader(line) {
		msg.Warn("non-SMTP command from %s: %.100s", s.nameAddr(), s.shown(line))
		s.unknown("221 2.7.0 Error: I can break rules, too. Goodbye.")
		s.hangup = true
		return
	}
	if s.checkEarly(&command{name: "UNKNOWN", last: true}) {
		return
	}
	if s.denied != nil {
		s.unknown(s.accessDenied().text)
		return
	}
	s.where = "UNKNOWN"
	if s.filters != nil {
		if r, refused := s.milterRefuses(s.filters.Unknown(word)); refused {
			s.unknown(r.text)
			return
		}
	}
	s.unknown("500 5.5.2 Error: command not recognized")
}

// looksLikeHeader recognizes the header of a message, sent by a client that
// does not look at replies.
func looksLikeHeader(line string) bool {
	name, _, ok := strings.Cut(line, ":")
	if !ok || name == "" {
		return false
	}
	name = strings.TrimRight(name, " \t")
	for i := range len(name) {
		if name[i] <= ' ' || name[i] >= 0x7f {
			return false
		}
	}
	return name != ""
}

// nameAddr names the client in replies and log lines.
func (s *session) nameAddr() string {
	if conf.ClientPortLogging {
		return s.client.NameAddr() + ":" + s.client.Port
	}
	return s.client.NameAddr()
}

// facts are what is known when a decision is due.
func (s *session) facts() *access.Facts {
	f := &s.known
	*f = access.Facts{Stage: s.where, Protocol: s.protocol, Client: &s.client, Server: s.server, Helo: s.helo,
		EarlyInput: s.isEarly, TLS: s.encryption, SASL: s.sasl, Earlier: &s.earlier, Log: s.log}
	if m := s.mail; m != nil {
		f.Sender, f.Recipients, f.Size, f.QueueID = &m.sender, m.recipients, m.size, m.id
		f.Instance, f.Transaction = m.instance, &m.actions
		f.Recipient = m.recipient
	}
	return f
}

// log writes a line about a decision; its form is fixed.
func (s *session) log(action, text string) {
	id := s.queueID()
	msg.Info("%s", fmt.Sprintf("%s: %s: %s from %s: %s;", id, action, s.where, s.nameAddr(), text)+s.about())
}

// about names the message and the client at the end of a log line.
func (s *session) about() string {
	line := ""
	if s.mail != nil {
		line += " from=<" + external(s.mail.sender) + ">"
	}
	if r := s.logRecipient(); r != nil {
		line += " to=<" + external(*r) + ">"
	}
	line += " proto=" + s.protocol
	if s.helo != "" {
		line += " helo=<" + s.helo + ">"
	}
	return line
}

// processID names this process, in hexadecimal.
var processID = strconv.FormatInt(int64(os.Getpid()), 16)

// instance makes a name for one transaction, for policy services.
func (s *session) instance() string {
	s.count++
	return processID + "." + strconv.FormatInt(s.started.Unix(), 16) + "." +
		strconv.FormatInt(int64(s.started.Nanosecond()/1000), 16) + "." + strconv.Itoa(s.count)
}
