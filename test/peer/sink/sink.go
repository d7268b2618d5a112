// Package sink is an SMTP and LMTP server for tests. It keeps what it gets, and
// answers as a test wants it.
//
// Rules say what to answer at a stage. The stages are CONNECT, EHLO, HELO, LHLO,
// MAIL, RCPT, DATA, ".", RSET, QUIT, and a command with what stands between the
// angle brackets: "RCPT joe@example.com". A rule is a list of answers; each time
// the next one is given, the last one again and again. An answer is a reply line
// (lines are separated by "\n"), or one of
//
//	drop      close the connection
//	hang      say nothing more, but keep the connection
//	          until the client goes away
//	""        the usual reply
//
// A server with a TLS configuration announces STARTTLS; this stage has rules too.
package sink

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// Options are what a server is like.
type Options struct {
	Name     string              // in the greeting; "sink.example" when empty
	Keywords []string            // of the reply to EHLO; PIPELINING and so on
	LMTP     bool                // speak LMTP
	Delay    time.Duration       // before each answer
	Rules    map[string][]string // see above
	Keep     func(Message)       // is called for each message, instead of keeping it
	TLS      *tls.Config         // offer STARTTLS
	Wrapped  bool                // sessions begin with TLS instead
}

// A Message is one that was taken.
type Message struct {
	Helo       string   // as it was said: "EHLO client.example.com"
	From       string   // what follows "MAIL FROM:": "<joe@example.com> SIZE=100"
	Recipients []string // what follows "RCPT TO:", of those that were accepted
	Commands   []string // all commands of the session so far
	Data       string   // content with CRLF, without doubled dots
	Quit       bool     // QUIT was there already when the message was taken
}

// A Server takes mail at an address.
type Server struct {
	Addr string

	options  Options
	listener net.Listener
	mu       sync.Mutex
	changed  *sync.Cond
	used     map[string]int // of rules
	messages []Message
	sessions int
	conns    map[net.Conn]bool
}

// Start starts a server on network "tcp" or "unix".
func Start(network, addr string, o Options) (*Server, error) {
	listener, err := net.Listen(network, addr)
	if err != nil {
		return nil, err
	}
	if o.Name == "" {
		o.Name = "sink.example"
	}
	s := &Server{Addr: listener.Addr().String(), options: o, listener: listener,
		used: map[string]int{}, conns: map[net.Conn]bool{}}
	s.changed = sync.NewCond(&s.mu)
	go s.accept()
	return s, nil
}

// Close stops the server and its sessions.
func (s *Server) Close() {
	s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// Sessions is how many clients came.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions
}

// Messages are those that were taken so far.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.messages...)
}

// Wait waits until n messages were taken, at most for the given time.
func (s *Server) Wait(n int, limit time.Duration) ([]Message, error) {
	timer := time.AfterFunc(limit, s.changed.Broadcast)
	defer timer.Stop()
	deadline := time.Now().Add(limit)
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.messages) < n && time.Now().Before(deadline) {
		s.changed.Wait()
	}
	if len(s.messages) < n {
		return s.messages, fmt.Errorf("%d messages in %s, not %d", len(s.messages), limit, n)
	}
	return append([]Message(nil), s.messages...), nil
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.sessions++
		s.conns[conn] = true
		s.mu.Unlock()
		go func() {
			c := &session{Server: s, conn: conn, in: bufio.NewReader(conn)}
			if s.options.Wrapped {
				c.encrypt()
			}
			c.serve()
			conn.Close()
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
		}()
	}
}

// rule gives the answer of a stage; "" when there is no rule.
func (s *Server) rule(stage string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.options.Rules[stage]
	if len(list) == 0 {
		return ""
	}
	s.used[stage]++
	return list[min(s.used[stage], len(list))-1]
}

func (s *Server) keep(m Message) {
	if s.options.Keep != nil {
		s.options.Keep(m)
		return
	}
	s.mu.Lock()
	s.messages = append(s.messages, m)
	s.mu.Unlock()
	s.changed.Broadcast()
}

// A session is one client.
type session struct {
	*Server
	conn     net.Conn
	in       *bufio.Reader
	secret   bool // TLS is in use
	helo     string
	from     string
	to       []string
	commands []string
}

func (c *session) serve() {
	greeting := "220 " + c.options.Name + " ESMTP"
	if c.options.LMTP {
		greeting = "220 " + c.options.Name + " LMTP"
	}
	if !c.answer(greeting, "CONNECT") {
		return
	}
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		c.commands = append(c.commands, line)
		if !c.command(line) {
			return
		}
	}
}

// answer gives the reply of the first stage that has a rule, or the usual one.
// False ends the session.
func (c *session) answer(usual string, stages ...string) bool { return c.say(c.choose(usual, stages)) }

func (c *session) choose(usual string, stages []string) string {
	for _, stage := range stages {
		if reply := c.rule(stage); reply != "" {
			return reply
		}
	}
	return usual
}

// command does one command. Those that a rule refuses have no effect.
func (c *session) command(line string) bool {
	verb, rest, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	switch verb {
	case "EHLO", "LHLO", "HELO":
		c.helo = line
		return c.answer(c.hello(verb), verb)
	case "MAIL":
		return c.unlessRefused(verb, rest, "250 2.1.0 Ok", func() { c.from, c.to = after(rest), nil })
	case "RCPT":
		if c.from == "" {
			return c.answer("503 5.5.1 Error: need MAIL command")
		}
		return c.unlessRefused(verb, rest, "250 2.1.5 Ok", func() { c.to = append(c.to, after(rest)) })
	case "DATA":
		return c.data()
	case "RSET":
		c.from, c.to = "", nil
		return c.answer("250 2.0.0 Ok", verb)
	case "QUIT":
		c.answer("221 2.0.0 Bye", verb)
		return false
	case "STARTTLS":
		return c.startTLS()
	case "XFORWARD", "NOOP":
		return c.answer("250 2.0.0 Ok", verb)
	}
	return c.answer("500 5.5.2 Error: command not recognized")
}

func (c *session) hello(verb string) string {
	if verb == "HELO" {
		return "250 " + c.options.Name
	}
	lines := append([]string{c.options.Name}, c.options.Keywords...)
	if c.options.TLS != nil && !c.secret {
		lines = append(lines, "STARTTLS")
	}
	text := ""
	for i, line := range lines {
		separator := "-"
		if i == len(lines)-1 {
			separator = " "
		}
		text += "250" + separator + line + "\n"
	}
	return strings.TrimSuffix(text, "\n")
}

// startTLS changes to TLS unless a rule says something else than 220.
func (c *session) startTLS() bool {
	if c.options.TLS == nil || c.secret {
		return c.answer("502 5.5.1 Error: command not implemented", "STARTTLS")
	}
	reply := c.choose("220 2.0.0 Ready to start TLS", []string{"STARTTLS"})
	if !c.say(reply) {
		return false
	}
	if strings.HasPrefix(reply, "220") {
		c.encrypt()
	}
	return true
}

// encrypt changes to TLS. The handshake is done when the client speaks.
func (c *session) encrypt() {
	c.conn = tls.Server(c.conn, c.options.TLS)
	c.in = bufio.NewReader(c.conn)
	c.secret, c.helo, c.from, c.to = true, "", "", nil
}

func after(rest string) string {
	_, value, _ := strings.Cut(rest, ":")
	return strings.TrimSpace(value)
}

// unlessRefused answers, and does what the command means unless a rule refuses it.
func (c *session) unlessRefused(verb, rest, usual string, do func()) bool {
	address := after(rest)
	if i := strings.LastIndexByte(address, '>'); i > 0 {
		address = address[1:i]
	}
	reply := c.choose(usual, []string{verb + " " + address, verb})
	if reply[0] == '2' {
		do()
	}
	return c.say(reply)
}

// data takes the content, and answers once or, with LMTP, for each recipient.
func (c *session) data() bool {
	if len(c.to) == 0 {
		return c.answer("503 5.5.1 Error: need RCPT command", "DATA")
	}
	reply := c.choose("354 End data with <CR><LF>.<CR><LF>", []string{"DATA"})
	if !c.say(reply) {
		return false
	}
	if reply[0] != '3' {
		return true
	}
	var b strings.Builder
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
	return c.taken(b.String())
}

func (c *session) taken(data string) bool {
	m := Message{Helo: c.helo, From: c.from, Data: data, Commands: append([]string(nil), c.commands...)}
	if c.in.Buffered() >= 4 {
		next, _ := c.in.Peek(4)
		m.Quit = string(next) == "QUIT"
	}
	recipients := c.to
	c.from, c.to = "", nil
	if !c.options.LMTP {
		m.Recipients = recipients
		return c.final(m, ".")
	}
	for _, to := range recipients {
		m.Recipients = []string{to}
		if !c.final(m, ". "+strings.Trim(to, "<>"), ".") {
			return false
		}
	}
	return true
}

func (c *session) final(m Message, stages ...string) bool {
	reply := c.choose("250 2.0.0 Ok: queued as SINK", stages)
	if reply[0] == '2' {
		c.keep(m)
	}
	return c.say(reply)
}

func (c *session) say(reply string) bool {
	switch reply {
	case "drop":
		return false
	case "hang":
		for {
			if _, err := c.in.ReadByte(); err != nil {
				return false
			}
		}
	}
	if c.options.Delay > 0 {
		time.Sleep(c.options.Delay)
	}
	_, err := c.conn.Write([]byte(strings.ReplaceAll(reply, "\n", "\r\n") + "\r\n"))
	return err == nil
}
