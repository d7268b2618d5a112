package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/poll"
)

// A source is all sessions together.
type source struct {
	settings
	target  target
	content content

	poller   *poll.Poller
	sessions map[int]*session // by descriptor
	waiting  []*session       // between messages, or before another attempt
	started  int              // messages
	done     int
	serial   int // of recipients
	failed   error
	shown    time.Time // when the counter was printed
	printed  int       // the counter then
}

// A step is what a session waits for.
type step int

const (
	connecting step = iota
	greeting
	helo
	mail
	rcpt
	data
	dot
	reset
	quit
)

// stepNames are what a session does, for messages about lost connections.
var stepNames = [...]string{"connecting", "reading server greeting", "sending HELO", "sending sender", "sending recipient",
	"sending DATA command", "sending message", "sending RSET", "sending QUIT"}

// A session is one connection.
type session struct {
	fd       int
	step     step
	in       []byte // an answer of which not all has come
	out      []byte // what could not be written yet
	rcpts    int    // sent, of the message
	answers  int    // to come after the last dot
	attempts int    // of connecting
	until    time.Time
}

func (s *source) run() (err error) {
	if s.poller, err = poll.New(); err != nil {
		return err
	}
	s.sessions = map[int]*session{}
	for range min(s.settings.sessions, s.count) {
		s.open(&session{fd: -1})
	}
	for s.failed == nil && len(s.sessions)+len(s.waiting) > 0 {
		if err := s.poller.Wait(s.patience(), s.event); err != nil {
			return err
		}
		s.wake()
	}
	return s.failed
}

// patience is how long nothing is to be done without an event.
func (s *source) patience() time.Duration {
	limit := time.Duration(-1)
	for _, c := range s.waiting {
		if left := max(0, time.Until(c.until)); limit < 0 || left < limit {
			limit = left
		}
	}
	return limit
}

// wake goes on with those that have waited long enough.
func (s *source) wake() {
	now := time.Now()
	list := s.waiting
	s.waiting = nil
	for _, c := range list {
		switch {
		case now.Before(c.until):
			s.waiting = append(s.waiting, c)
		case c.fd < 0:
			s.open(c)
		default:
			s.message(c)
		}
	}
}

// open begins a connection for the next message.
func (s *source) open(c *session) {
	fd, err := s.target.connect(s.window)
	if err != nil {
		c.attempts++
		s.refused(c, err)
		return
	}
	*c = session{fd: fd, step: connecting, attempts: c.attempts + 1, in: c.in[:0], out: c.out[:0]}
	s.sessions[fd] = c
	if err := s.poller.Add(fd); err != nil {
		s.failed = err
	}
	s.started++
}

// refused tries a connection again, or gives up.
func (s *source) refused(c *session, err error) {
	if c.attempts >= s.attempts {
		s.failed = err
		return
	}
	msg.Warn("%v", err)
	c.fd, c.until = -1, time.Now().Add(10*time.Millisecond)
	s.waiting = append(s.waiting, c)
}

func (s *source) event(e poll.Event) {
	c := s.sessions[e.FD]
	if c == nil || s.failed != nil {
		return
	}
	if c.step == connecting {
		if errno, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || errno != 0 {
			s.close(c)
			s.started--
			s.refused(c, fmt.Errorf("connect: %w", unix.Errno(errno)))
			return
		}
		if !e.Writable {
			return
		}
		c.step, c.attempts = greeting, 0
	}
	if e.Writable && len(c.out) > 0 {
		s.flush(c)
	}
	if e.Readable {
		s.read(c)
	}
}

func (s *source) close(c *session) {
	delete(s.sessions, c.fd)
	unix.Close(c.fd)
}

// send writes, as far as there is room now.
func (s *source) send(c *session, p []byte) {
	if s.verbose {
		msg.Info(">>> %.200s", bytes.TrimSpace(p))
	}
	c.out = append(c.out, p...)
	s.flush(c)
}

func (s *source) flush(c *session) {
	for len(c.out) > 0 {
		n, err := poll.Write(c.fd, c.out)
		if err == poll.ErrAgain {
			return
		}
		if err != nil {
			s.broken(c, err)
			return
		}
		c.out = c.out[:copy(c.out, c.out[n:])]
	}
}

func (s *source) broken(c *session, err error) {
	if c.step != quit && c.step != reset {
		s.failed = fmt.Errorf("%s while %s", lost(err), stepNames[c.step])
		return
	}
	s.close(c)
	s.again(c)
}

// lost says how a connection ended.
func lost(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) {
		return "lost connection"
	}
	return err.Error()
}

// read takes the answers that have come.
func (s *source) read(c *session) {
	var buf [4096]byte
	for s.failed == nil && s.sessions[c.fd] == c {
		n, err := poll.Read(c.fd, buf[:])
		if err == poll.ErrAgain {
			return
		}
		if err != nil {
			s.broken(c, err)
			return
		}
		c.in = append(c.in, buf[:n]...)
		s.answersOf(c)
		if n < len(buf) {
			return // there is no more, and more is another event
		}
	}
}

// answersOf takes whole answers out of what was read.
func (s *source) answersOf(c *session) {
	for s.failed == nil && s.sessions[c.fd] == c {
		i := bytes.IndexByte(c.in, '\n')
		if i < 0 {
			return
		}
		line := c.in[:i+1]
		if s.verbose {
			msg.Info("<<< %s", bytes.TrimSpace(line))
		}
		last := len(line) < 4 || line[3] != '-'
		class := line[0]
		text := ""
		if class != '2' && class != '3' {
			text = string(bytes.TrimSpace(line))
		}
		c.in = c.in[:copy(c.in, c.in[i+1:])]
		if last {
			s.answer(c, class, text)
		}
	}
}

// answer goes on after an answer.
func (s *source) answer(c *session, class byte, text string) {
	if class != '2' && class != '3' {
		trouble := fmt.Errorf("%s: %s", s.rejected(c.step), text)
		if !s.goOn {
			s.failed = trouble
			return
		}
		msg.Warn("%v", trouble)
	}
	good := class == '2' || class == '3'
	switch c.step {
	case greeting:
		if s.old {
			s.message(c)
			return
		}
		c.step = helo
		s.send(c, []byte(s.hello()))
	case helo:
		s.message(c)
	case mail:
		if !good {
			s.takeBack(c)
			return
		}
		c.rcpts = 0
		s.recipient(c)
	case rcpt:
		if good {
			c.answers++
		}
		if c.rcpts < s.recipients {
			s.recipient(c)
			return
		}
		if c.answers == 0 { // nobody is left
			s.takeBack(c)
			return
		}
		c.step = data
		s.send(c, []byte("DATA\r\n"))
	case data:
		if class != '3' {
			s.takeBack(c)
			return
		}
		c.step = dot
		s.send(c, s.content.message(nil, s.started, s.name))
	case dot:
		if c.answers--; s.lmtp && c.answers > 0 {
			return
		}
		s.delivered()
		s.finished(c)
	case reset:
		s.finished(c)
	case quit:
		s.close(c)
		s.again(c)
	}
}

// rejected is what a refusal of the server means.
func (s *source) rejected(step step) string {
	switch step {
	case greeting:
		return "rejected at server banner"
	case helo:
		return s.hello()[:4] + " rejected"
	case mail:
		return "sender rejected"
	case rcpt:
		return "recipient rejected"
	case data:
		return "data rejected"
	case dot:
		return "end of data rejected"
	}
	return "QUIT rejected"
}

func (s *source) hello() string {
	if s.lmtp {
		return "LHLO " + s.name + "\r\n"
	}
	return "HELO " + s.name + "\r\n"
}

func (s *source) message(c *session) {
	c.step, c.answers = mail, 0
	s.send(c, []byte("MAIL FROM:<"+s.from+">\r\n"))
}

func (s *source) recipient(c *session) {
	c.step = rcpt
	c.rcpts++
	s.serial++
	switch {
	case s.unique:
		s.send(c, fmt.Appendf(nil, "RCPT TO:<%d%s>\r\n", s.serial, s.to))
	case s.recipients > c.rcpts:
		s.send(c, fmt.Appendf(nil, "RCPT TO:<%d%s>\r\n", s.recipients-c.rcpts+1, s.to))
	default:
		s.send(c, []byte("RCPT TO:<"+s.to+">\r\n"))
	}
}

// takeBack ends a message that the server does not want.
func (s *source) takeBack(c *session) {
	c.step = reset
	s.send(c, []byte("RSET\r\n"))
}

// delivered counts a message.
func (s *source) delivered() {
	s.done++
	if now := time.Now(); s.counter && now.Sub(s.shown) > 100*time.Millisecond {
		s.shown = now
		s.show()
	}
}

func (s *source) show() {
	fmt.Fprintf(os.Stdout, "%d\r", s.done)
	s.printed = s.done
}

// finished begins the next message or says good-bye.
func (s *source) finished(c *session) {
	if !s.stay || s.started >= s.count {
		c.step = quit
		s.send(c, []byte("QUIT\r\n"))
		return
	}
	s.started++
	if pause := s.interval(); pause > 0 {
		c.until = time.Now().Add(pause)
		s.waiting = append(s.waiting, c)
		return
	}
	s.message(c)
}

// again opens another connection when there are messages left.
func (s *source) again(c *session) {
	if s.started >= s.count {
		return
	}
	c.fd, c.attempts = -1, 0
	if pause := s.interval(); pause > 0 {
		c.until = time.Now().Add(pause)
		s.waiting = append(s.waiting, c)
		return
	}
	s.open(c)
}

func (s *source) interval() time.Duration {
	if s.random > 0 {
		return rand.N(s.random)
	}
	return s.pause
}
