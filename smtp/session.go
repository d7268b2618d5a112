package main

import (
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/net/dialogue"
	"postrider/lib/net/starttls"
)

// A session is one conversation with one server.
type session struct {
	target
	*stream.Stream
	replies dialogue.Reader
	id      string // queue ID, for the log
	nexthop string // as it was written

	final bool // there is no other server to try
	loops bool // this may be ourselves
	dead  bool // nothing more will come of it: no QUIT

	policy     tlsPolicy
	tls        *starttls.Session // nil: in the clear
	helo       string            // the name that the server gave itself before TLS
	mayGoPlain bool              // after trouble with TLS
	plain      bool              // do so
	reported   bool              // a collector knows how TLS went

	reuse
	features
	*transcript
}

// features are what the server announced in its answer to EHLO.
type features struct {
	esmtp      bool
	pipelining bool
	eightBit   bool
	dsn        bool
	smtputf8   bool
	size       bool
	sizeLimit  int64 // 0: none
	starttls   bool
	requireTLS bool
	offersAuth bool
	auth       string // mechanisms
	xforward   map[string]bool

	pixESMTP bool // say HELO to this firewall
	pixDot   bool // pause before the last line
}

func newSession(t target, conn stream.Conn, id string) *session {
	s := &session{target: t, Stream: shared, id: id}
	s.Reset(conn)
	if wantTranscript() {
		s.transcript = &transcript{}
	}
	s.replies = dialogue.Reader{Stream: s.Stream, Junk: s.junk, Filter: s.filter}
	return s
}

// shared is the one pair of buffers of the process, which has one conversation
// at a time.
var shared = stream.New(nil)

// within limits the time of what comes next.
func (s *session) within(limit time.Duration) {
	if conf.PerRequestDeadline {
		s.SetDeadline(time.Now().Add(limit))
	} else {
		s.SetTimeout(limit)
	}
}

// ask sends a command and reads the answer.
func (s *session) ask(command string, limit time.Duration) (dialogue.Reply, error) {
	s.within(limit)
	s.say(command)
	return s.reply()
}

// askSecret is ask for what nobody may read in logs and transcripts, where something
// else stands for it.
func (s *session) askSecret(command, shown string, limit time.Duration) (dialogue.Reply, error) {
	s.within(limit)
	s.sayAs(command, shown)
	return s.reply()
}

// say puts a command into the buffer. A command is one line whatever an
// address contains.
func (s *session) say(command string) { s.sayAs(command, command) }

func (s *session) sayAs(command, shown string) {
	msg.Debug("> %s: %s", s.relay(), shown)
	s.transcript.add("Out: ", shown)
	s.WriteString(strings.NewReplacer("\r", " ", "\n", " ").Replace(command))
	s.WriteString("\r\n")
}

// reply reads one answer. After 421 the server hangs up.
func (s *session) reply() (dialogue.Reply, error) {
	reply, err := s.replies.Read()
	if err != nil || reply.Code == 421 {
		s.dead = true
	}
	if reply.Code == 421 {
		s.mayGoPlain = false // TLS is not to blame
	}
	for _, line := range reply.Lines {
		msg.Debug("< %s: %s", s.relay(), line)
		s.transcript.add("In:  ", line)
	}
	if err == nil || len(reply.Lines) > 0 {
		s.transcript.check(reply.Code)
	}
	return reply, err
}

// junk logs a line that is no reply. With pipelining nobody can tell to which
// command the next reply belongs.
func (s *session) junk(line string) {
	if !s.pipelining {
		return
	}
	msg.Warn("%s: non-%s response from %s: %.100s", s.id, protocolName(), s.relay(), line)
	msg.Warn("to prevent loss of mail, turn off command pipelining for %s with the %s parameter",
		s.address(), paramName("smtp_discard_ehlo_keyword_address_maps"))
}

// filter changes a line by $smtp_reply_filter. A table that fails leaves it as
// it is: the conversation cannot wait.
func (s *session) filter(line string) string {
	if tables.replies.Empty() {
		return line
	}
	changed, found, err := tables.replies.Lookup(line)
	if err != nil {
		msg.Warn("%s: %v", s.id, err)
		return line
	}
	if !found {
		return line
	}
	msg.Info("%s: replacing server reply \"%s\" with \"%s\"", s.relay(), line, changed)
	return changed
}

// quit ends the conversation politely, as far as there is one.
func (s *session) quit() {
	defer s.transcript.mail(s)
	defer s.Close()
	if s.dead {
		return
	}
	if conf.SkipQuitResponse {
		s.say("QUIT")
		return
	}
	s.ask("QUIT", conf.QuitTimeout)
}

func protocolName() string {
	if lmtp {
		return "LMTP"
	}
	return "ESMTP"
}
