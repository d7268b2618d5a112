package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/net/dialogue"
	"postrider/lib/net/starttls"
)

// A talk is one connection to a server.
type talk struct {
	*finger
	stream  *stream.Stream
	replies dialogue.Reader
	peer    *starttls.Peer
	tls     *starttls.Session // nil before TLS
	show    bool              // log the conversation
	lines   int               // of the reply so far
}

// shownLines is how many lines of one reply are shown.
const shownLines = 100

func newTalk(f *finger, s *stream.Stream, peer *starttls.Peer) *talk {
	t := &talk{finger: f, stream: s, peer: peer, show: !f.quiet}
	t.replies = dialogue.Reader{Stream: s, Strict: true, Filter: t.shown}
	return t
}

// shown logs a line from the server.
func (t *talk) shown(line string) string {
	if t.lines++; t.show && t.lines <= shownLines {
		msg.Info("< %s", line)
	}
	return line
}

// ask sends a command, and reads the answer; without a command only that. The
// error is what log lines say in front of "while sending".
func (t *talk) ask(command string, limit time.Duration) (dialogue.Reply, error) {
	t.stream.SetDeadline(time.Now().Add(limit))
	if command != "" {
		if t.show {
			msg.Info("> %s", command)
		}
		t.stream.WriteString(command + "\r\n")
	}
	t.lines = 0
	reply, err := t.replies.Read()
	if errors.Is(err, dialogue.ErrNotSMTP) {
		err = nil
	}
	if err != nil {
		err = t.lost(err)
	}
	return reply, err
}

// lost words the end of a connection. What TLS has to say about it is logged
// first.
func (t *talk) lost(err error) error {
	var number syscall.Errno
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("timeout")
	case t.tls != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &number):
		msg.Warn("TLS library problem: %v", err)
	}
	return errors.New("lost connection")
}

// text is a reply in one line; the code is 0 when it is none.
func text(r dialogue.Reply) string {
	var words []string
	for _, line := range r.Lines {
		if r.Code != 0 {
			line = line[min(4, len(line)):]
		}
		words = append(words, line)
	}
	return fmt.Sprintf("%d %s", r.Code, strings.Join(words, " "))
}

// session talks with the server. It gives false when the server cannot be used.
// When it comes again, only TLS is of interest.
func (t *talk) session(again bool) bool {
	defer t.stream.Conn().Close()
	if t.wrapped && t.level != starttls.None && !t.encrypt() {
		return false
	}
	if !t.greeting() {
		return false
	}
	t.show = t.show && !again
	offered, ok := t.hello()
	switch {
	case !ok:
		return false
	case t.tls == nil && offered && t.level != starttls.None:
		if !t.startTLS() {
			return false
		}
		if !again {
			t.hello()
		}
	}
	t.show = !t.quiet
	if _, err := t.ask("QUIT", t.answerLimit); err != nil {
		msg.Warn("%v while sending QUIT command", err)
	}
	t.stream.Conn().Close()
	return true
}

func (t *talk) greeting() bool {
	reply, err := t.ask("", t.connectLimit)
	switch {
	case err != nil:
		msg.Info("%v while reading server greeting", err)
	case reply.Class() != 2:
		msg.Info("%s service not available: %s", t.protocol(), text(reply))
	default:
		return true
	}
	return false
}

func (t *talk) protocol() string {
	if t.lmtp {
		return "LMTP"
	}
	return "SMTP"
}

// hello says who we are, and looks whether the server offers TLS. The name that the
// server gives itself tells servers behind one address apart.
func (t *talk) hello() (offered, ok bool) {
	verb := "EHLO"
	if t.lmtp {
		verb = "LHLO"
	}
	reply, err := t.ask(verb+" "+conf.MyHostname, t.answerLimit)
	switch {
	case err != nil:
		msg.Info("%v while sending %s", err, verb)
		return false, false
	case reply.Class() != 2:
		msg.Info("%s rejected: %s", verb, text(reply))
		return false, false
	}
	for i, line := range reply.Lines {
		words := strings.Fields(line[min(4, len(line)):])
		switch {
		case len(words) == 0:
		case i == 0 && t.tls == nil:
			t.peer.Helo = words[0]
		case i > 0 && strings.EqualFold(words[0], "STARTTLS"):
			offered = true
		}
	}
	return offered, true
}

func (t *talk) startTLS() bool {
	reply, err := t.ask("STARTTLS", t.answerLimit)
	switch {
	case err != nil:
		msg.Fatal("%v while sending STARTTLS", err)
	case reply.Class() != 2:
		msg.Info("STARTTLS rejected: %s", text(reply))
		return false
	}
	return t.encrypt()
}

func (t *talk) encrypt() bool {
	session, err := t.client.Start(t.stream, t.peer, t.answerLimit)
	t.tls = session
	return err == nil
}
