package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/service/cleanup"
)

// What a client hears begins with one of these.
const (
	taken   = 'K'
	retry   = 'Z'
	refused = 'D'
)

// A session is one message of one client.
type session struct {
	*stream.Stream
	peer  peer
	queue *cleanup.Writer
	id    string
}

// An answer is what the client hears.
type answer struct {
	word byte
	text string
	log  bool
}

// A letter is a message as it came.
type letter struct {
	content    []byte
	sender     string
	verp       string // delimiters
	recipients []string
}

// serve takes one message.
func serve(st *stream.Stream, fd int) {
	s := &session{Stream: st, peer: findPeer(fd)}
	s.SetTimeout(conf.Timeout)
	msg.Info("connect from %s", s.peer)
	defer func() { msg.Info("disconnect from %s", s.peer) }()
	if ok, err := daemon.authorized.MatchClient(s.peer.name, s.peer.address); err != nil {
		msg.Warn("qmqpd_authorized_clients: %v", err)
		s.say(answer{word: retry, text: "Error: temporary lookup problem"})
		return
	} else if !ok {
		s.say(answer{word: refused, text: fmt.Sprintf("Error: %s is not authorized to use this service", s.peer)})
		return
	}
	s.say(s.receive())
}

// receive takes the package and gives the message to cleanup(8).
func (s *session) receive() answer {
	flags, _ := conf.Intake.Override(cleanup.MaskExternal)
	var err error
	s.queue, err = cleanup.Open(conf.Cleanup.Path(), conf.Detect.Flags("qmqpd", flags), conf.IPCTimeout)
	if err == nil {
		s.id, err = s.queue.ID()
	}
	if err != nil {
		msg.Warn("%v", err)
		return answer{word: retry, text: "Error: queue file write error"}
	}
	arrived := time.Now()
	msg.Info("%s: client=%s", s.id, s.peer)
	m, err := readLetter(&reader{Stream: s.Stream})
	if err != nil {
		s.queue.Abort()
		return s.notReceived(err)
	}
	if why := m.check(); why != "" {
		s.queue.Abort()
		return answer{refused, "Error: " + why, true}
	}
	s.send(m, arrived)
	status, reason, err := s.queue.Finish()
	return s.verdict(status, reason, err)
}

// notReceived logs what went wrong. Clients that are gone hear nothing.
func (s *session) notReceived(err error) answer {
	msg.Info("%s: %s: %v", s.id, s.peer, err)
	var t trouble
	if errors.As(err, &t) && t.ofClient() {
		return answer{word: refused, text: err.Error()}
	}
	return answer{}
}

// verdict words what became of the message.
func (s *session) verdict(status cleanup.Status, reason string, err error) answer {
	if err == nil && status == 0 {
		return answer{word: taken, text: "Ok: queued as " + s.id}
	}
	if err != nil {
		msg.Warn("%s: %v", s.id, err)
		return answer{retry, "Error: queue file write error", true}
	}
	code, _, text := status.Detail()
	if status&(cleanup.StatusCont|cleanup.StatusDefer) != 0 && reason != "" {
		text = reason
	}
	word := byte(retry)
	if code >= 500 {
		word = refused
	}
	return answer{word, "Error: " + text, true}
}

// say gives the answer; bad news later.
func (s *session) say(a answer) {
	if a.word == 0 {
		return
	}
	if a.log {
		msg.Warn("%s: %s: %s", s.id, s.peer, a.text)
	}
	text := string(a.word) + msg.Printable(a.text)
	if a.word != taken {
		time.Sleep(conf.ErrorDelay)
	}
	fmt.Fprintf(s, "%d:%s,", len(text), text)
	s.Flush()
}

// largest is the limit for messages when main.cf has none.
const largest = 1 << 30

// readLetter takes a package apart.
func readLetter(r *reader) (m letter, err error) {
	if err = r.begin(); err != nil {
		return m, err
	}
	limit := int64(largest)
	if conf.MessageSizeLimit > 0 {
		limit = min(limit, int64(conf.MessageSizeLimit))
	}
	if m.content, err = r.field("message content", limit); err != nil {
		return m, err
	}
	sender, err := r.field("sender address", int64(conf.LineLengthLimit))
	if err != nil {
		return m, err
	}
	m.sender = string(sender)
	for r.doing = "recipient address"; r.more(); {
		recipient, err := r.field("recipient address", int64(conf.LineLengthLimit))
		if err != nil {
			return m, err
		}
		if limit -= int64(len(recipient)); limit < 0 {
			return m, r.wrap(errTooBig)
		}
		m.recipients = append(m.recipients, string(recipient))
	}
	return m, r.comma()
}

// check looks at the addresses, and takes a wish for VERP apart: "list-@domain-@[]"
// is list@domain, with "-" and "=". It returns what is wrong.
func (m *letter) check() string {
	if len(m.recipients) == 0 {
		return "no recipients specified"
	}
	for _, address := range append(m.recipients, m.sender) {
		if strings.ContainsAny(address, "\x00\r\n") {
			return "bad address syntax"
		}
	}
	rest, ok := strings.CutSuffix(m.sender, "-@[]")
	at := strings.LastIndexByte(rest, '@')
	if !ok || at < 1 {
		return ""
	}
	m.sender, m.verp = rest[:at-1]+rest[at:], rest[at-1:at]+"="
	if !conf.Verp.Valid(m.verp) {
		return fmt.Sprintf("Invalid VERP delimiters: %q. Need two characters from %q", m.verp, conf.Verp.VerpDelimiterFilter)
	}
	return ""
}

// lines lists the lines of the content; a last one without an end is one, too.
func (m *letter) lines(each func(line []byte)) {
	for rest := m.content; len(rest) > 0; {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		each(line)
		rest = after
	}
}
