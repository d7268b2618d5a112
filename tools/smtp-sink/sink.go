package main

import (
	"bytes"
	"fmt"
	"log/syslog"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/poll"
)

// A sink is all clients together.
type sink struct {
	*settings
	poller    *poll.Poller
	listeners map[int]bool
	full      bool // listeners are out of the poller
	clients   map[int]*client
	ehlo      string
	syslog    *syslog.Writer // of -s

	connects, sessions, quits, messages int
	buf                                 [64 * 1024]byte
	swept, shown                        time.Time
}

// A client is one connection.
type client struct {
	inMail bool // after MAIL
	fd     int
	peer   string
	in     []byte // not yet looked at
	out    []byte // not yet written
	until  time.Time
	next   func() // what to do then
	heard  time.Time
	inData bool
	tail   []byte // the last bytes of content so far
	ending bool   // close when out is written
	closed bool

	helo, mail string
	esmtp      bool
	rcpts      []string
	count      int // of recipients
	dump       *dump
}

func newSink(o *settings) *sink {
	s := &sink{settings: o, listeners: map[int]bool{}, clients: map[int]*client{}}
	if len(o.logged) > 0 {
		s.syslog, _ = syslog.New(syslog.LOG_MAIL|syslog.LOG_INFO, "smtp-sink")
	}
	keywords := []string{"PIPELINING", "8BITMIME", "AUTH PLAIN LOGIN", "XCLIENT NAME HELO", "XFORWARD NAME ADDR PROTO HELO", "ENHANCEDSTATUSCODES", "DSN"}
	lines := []string{o.name}
	for _, k := range keywords {
		if word, _, _ := strings.Cut(k, " "); !o.hidden[word] {
			lines = append(lines, k)
		}
	}
	for _, line := range lines {
		s.ehlo += "250-" + line + "\r\n"
	}
	s.ehlo += "250 \r\n"
	return s
}

func (s *sink) run(listeners []int) (err error) {
	if s.poller, err = poll.New(); err != nil {
		return err
	}
	for _, fd := range listeners {
		s.listeners[fd] = true
		if err := s.poller.AddListener(fd); err != nil {
			return err
		}
	}
	for !s.finished() {
		if err := s.poller.Wait(s.patience(), s.event); err != nil {
			return err
		}
		s.wake()
	}
	return nil
}

func (s *sink) finished() bool {
	return s.settings.messages > 0 && s.messages >= s.settings.messages ||
		s.settings.sessions > 0 && s.sessions >= s.settings.sessions
}

// patience is how long nothing is to be done without an event.
func (s *sink) patience() time.Duration {
	limit := time.Duration(-1)
	if len(s.clients) > 0 {
		limit = s.timeout
	}
	if len(s.delays) == 0 && s.holdData == 0 && s.abort < 0 {
		return limit
	}
	for _, c := range s.clients {
		if left := time.Until(c.until); c.next != nil && left < limit {
			limit = max(0, left)
		}
	}
	return limit
}

// wake goes on with those that have waited long enough, and drops those that
// were silent for too long.
func (s *sink) wake() {
	now := time.Now()
	waits := len(s.delays) > 0 || s.holdData > 0 || s.abort >= 0
	if !waits && now.Sub(s.swept) < time.Second {
		return
	}
	s.swept = now
	for _, c := range s.clients {
		switch {
		case c.next != nil && !now.Before(c.until):
			do := c.next
			c.next = nil
			do()
		case c.next == nil && now.Sub(c.heard) > s.timeout:
			s.close(c)
		}
	}
}

func (s *sink) event(e poll.Event) {
	if s.listeners[e.FD] {
		s.accept(e.FD)
		return
	}
	c := s.clients[e.FD]
	if c == nil {
		return
	}
	if e.Writable && len(c.out) > 0 {
		s.flush(c)
	}
	if e.Readable && !c.closed && c.next == nil {
		s.read(c)
	}
}

// accept takes all clients that wait, up to the limit.
func (s *sink) accept(listener int) {
	for {
		if len(s.clients) >= s.settings.clients {
			for fd := range s.listeners {
				s.poller.Remove(fd)
			}
			s.full = true
			return
		}
		fd, from, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err == unix.EINTR || err == unix.ECONNABORTED {
			continue
		}
		if err != nil {
			return
		}
		c := &client{fd: fd, peer: peerName(from), heard: time.Now()}
		s.clients[fd] = c
		s.connects++
		if err := s.poller.Add(fd); err != nil {
			msg.Warn("%v", err)
			s.close(c)
			continue
		}
		s.greet(c)
	}
}

func (s *sink) greet(c *client) {
	greeting := "220 " + s.name + " ESMTP\r\n"
	switch {
	case s.pix:
		greeting = "220 ********\r\n"
	case s.hidden["ESMTP"]:
		greeting = "220 " + s.name + "\r\n"
	}
	s.note("CONNECT", "")
	s.answer(c, "CONNECT", greeting, nil)
}

func (s *sink) close(c *client) {
	if c.closed {
		return
	}
	c.closed = true
	if c.dump != nil {
		c.dump.abandon()
	}
	delete(s.clients, c.fd)
	unix.Close(c.fd)
	s.sessions++
	s.show()
	if s.full {
		s.full = false
		for fd := range s.listeners {
			s.poller.AddListener(fd)
		}
	}
}

// show updates the counters on the terminal, a few times in a second.
func (s *sink) show() {
	if now := time.Now(); s.counter && now.Sub(s.shown) > 100*time.Millisecond {
		s.shown = now
		fmt.Fprintf(os.Stdout, "sess=%d quit=%d mesg=%d\r", s.sessions, s.quits, s.messages)
	}
}

// read takes what the client sent, until there is no more.
func (s *sink) read(c *client) {
	for !c.closed && c.next == nil {
		n, err := poll.Read(c.fd, s.buf[:])
		if err == poll.ErrAgain {
			break
		}
		if err != nil {
			s.close(c)
			return
		}
		c.heard = time.Now()
		data := s.buf[:n]
		if len(c.in) > 0 {
			c.in = append(c.in, data...)
			data = c.in
		}
		rest := s.consume(c, data)
		c.in = append(c.in[:0], rest...)
		if n < len(s.buf) {
			break // there is no more, and more is another event
		}
	}
	s.flush(c)
}

// consume does all whole commands in data, and returns what is left.
func (s *sink) consume(c *client, data []byte) []byte {
	for !c.closed && !c.ending && c.next == nil && len(data) > 0 {
		if c.inData {
			data = s.content(c, data)
			continue
		}
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			if len(data) > len(s.buf) {
				s.close(c)
			}
			break
		}
		line := bytes.TrimRight(data[:i+1], "\r\n")
		data = data[i+1:]
		s.command(c, string(line))
	}
	return data
}

// resume goes on after a pause.
func (s *sink) resume(c *client) {
	if c.closed {
		return
	}
	c.heard = time.Now()
	rest := s.consume(c, append([]byte(nil), c.in...))
	c.in = append(c.in[:0], rest...)
	if c.next == nil {
		s.read(c)
	}
}

// content takes a part of a message, and returns what follows its end.
func (s *sink) content(c *client, data []byte) []byte {
	const end = "\r\n.\r\n"
	// The end may be partly in what came before.
	window := append(c.tail, data[:min(len(data), len(end)-1)]...)
	n := -1
	if i := bytes.Index(window, []byte(end)); i >= 0 {
		n = i + len(end) - len(c.tail)
	} else if i := bytes.Index(data, []byte(end)); i >= 0 {
		n = i + len(end)
	}
	if n < 0 {
		if c.dump != nil {
			c.dump.write(data)
		}
		keep := append(append([]byte(nil), c.tail...), data[max(0, len(data)-len(end)+1):]...)
		c.tail = keep[max(0, len(keep)-len(end)+1):]
		return nil
	}
	if c.dump != nil {
		c.dump.write(data[:n])
	}
	c.inData = false
	s.endOfData(c)
	return data[n:]
}

// pause is how long to wait before the answer to a command.
func (s *sink) pause(command string) time.Duration {
	d, ok := s.delays[command]
	if !ok {
		return 0
	}
	wait := d.time
	for d.odds > 0 && rand.IntN(100) < d.odds {
		wait += d.time
	}
	return wait
}

// answer says what the options want for a command, or the usual reply, and then
// does what the command means.
func (s *sink) answer(c *client, command, reply string, then func()) {
	if wait := s.pause(command); wait > 0 && s.actions[command] == usual {
		c.until = time.Now().Add(wait)
		c.next = func() {
			s.answerNow(c, command, reply, then)
			s.flush(c)
			s.resume(c)
		}
		return
	}
	s.answerNow(c, command, reply, then)
	if command == "CONNECT" {
		s.flush(c)
	}
}

func (s *sink) answerNow(c *client, command, reply string, then func()) {
	switch s.actions[command] {
	case refuseSoft:
		reply, then = s.softReply+"\r\n", nil
	case refuseHard:
		reply, then = s.hardReply+"\r\n", nil
	case closing:
		reply, then, c.ending = "421 4.0.0 Server closing connection\r\n", nil, true
	case hangUp:
		s.flush(c) // the answers to what came before
		s.close(c)
		return
	}
	s.say(c, reply)
	if then != nil {
		then()
	}
}

func (s *sink) say(c *client, reply string) {
	if s.verbose {
		msg.Info(">>> %s", strings.TrimSpace(reply))
	}
	c.out = append(c.out, reply...)
}

// flush writes what there is room for.
func (s *sink) flush(c *client) {
	for len(c.out) > 0 && !c.closed {
		n, err := poll.Write(c.fd, c.out)
		if err == poll.ErrAgain {
			return
		}
		if err != nil {
			s.close(c)
			return
		}
		c.out = c.out[:copy(c.out, c.out[n:])]
	}
	if c.ending {
		s.close(c)
	}
}

func peerName(a unix.Sockaddr) string {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return fmt.Sprintf("%d.%d.%d.%d", a.Addr[0], a.Addr[1], a.Addr[2], a.Addr[3])
	case *unix.SockaddrInet6:
		return "ipv6:" + ipv6(a.Addr)
	}
	return "localhost"
}
