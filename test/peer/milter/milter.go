// Package milter is a mail filter for tests. It notes everything that a mail
// server tells it, and answers as a test wants it.
//
// Rules say what to answer at a stage. The stages are NEGOTIATE, CONNECT, HELO,
// MAIL, RCPT, DATA, HEADER, EOH, BODY, EOM, UNKNOWN, ABORT, and one of them with
// the first word that came with it: "RCPT <joe@example.com>", "HEADER Subject".
// A rule is a list of actions, one per line:
//
//	continue accept reject tempfail discard skip progress shutdown connfail
//	reply TEXT              with SMTP codes; "\n" separates lines
//	add NAME VALUE          a header; "insert INDEX NAME VALUE", "change
//	                        INDEX NAME VALUE" (deletes it when there is
//	                        no value); "~" in a value is a space
//	body TEXT               replaces the body; "\n" stands for line ends
//	rcpt ADDRESS [PARAMS]   adds a recipient; "drop-rcpt ADDRESS" removes
//	                        one; "from ADDRESS [PARAMS]" changes the sender
//	hold REASON             quarantine
//	raw HEX                 these bytes
//	none                    no answer
//	close, hang             the end of the connection, or silence
//
// Without a rule the answer is continue where one is due.
package milter

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
)

// Options are what a filter is like.
type Options struct {
	Version  uint32            // 6 when 0
	Actions  uint32            // all that the server offers when 0
	Protocol uint32            // the steps it does not want, and so on
	Symbols  map[uint32]string // macros it wants at a stage
	Rules    map[string]string
}

// A Filter waits for mail servers at an address.
type Filter struct {
	Addr string

	listener net.Listener
	mu       sync.Mutex
	options  Options
	trace    [][]string // of each session
	open     map[net.Conn]bool
	sessions int
	ended    *sync.Cond
}

// Start starts a filter on network "tcp" or "unix".
func Start(network, addr string, o Options) (*Filter, error) {
	listener, err := net.Listen(network, addr)
	if err != nil {
		return nil, err
	}
	f := &Filter{Addr: listener.Addr().String(), listener: listener, options: o, open: map[net.Conn]bool{}}
	f.ended = sync.NewCond(&f.mu)
	go f.accept()
	return f, nil
}

// Set changes what the filter is like, for new sessions, and forgets the trace.
func (f *Filter) Set(o Options) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.options, f.trace = o, nil
}

// Trace is what mail servers said, in all sessions. It waits until all of
// them are over.
func (f *Filter) Trace() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.open) > 0 {
		f.ended.Wait()
	}
	return slices.Concat(f.trace...)
}

// Heard is what was said until now.
func (f *Filter) Heard() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Concat(f.trace...)
}

// Sessions is how many connections there were.
func (f *Filter) Sessions() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sessions
}

// Close stops the filter and its sessions.
func (f *Filter) Close() {
	f.listener.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.open {
		c.Close()
	}
}

func (f *Filter) accept() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.open[conn] = true
		f.sessions++
		s := &session{Filter: f, options: f.options, conn: conn, r: bufio.NewReader(conn), place: len(f.trace)}
		f.trace = append(f.trace, nil)
		f.mu.Unlock()
		go s.serve()
	}
}

// A session is one mail server.
type session struct {
	*Filter
	options Options
	conn    net.Conn
	r       *bufio.Reader
	steps   uint32 // of the negotiation
	place   int    // of its trace
}

func (s *session) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.place < len(s.trace) { // else it was forgotten
		s.trace[s.place] = append(s.trace[s.place], line)
	}
}

func (s *session) serve() {
	defer func() {
		s.conn.Close()
		s.mu.Lock()
		delete(s.open, s.conn)
		s.ended.Broadcast()
		s.mu.Unlock()
	}()
	for {
		var head [4]byte
		if _, err := io.ReadFull(s.r, head[:]); err != nil {
			return
		}
		data := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(s.r, data); err != nil || len(data) == 0 {
			return
		}
		if !s.packet(data[0], data[1:]) {
			return
		}
	}
}

// A stage is a message of the server. Silent: the bit of the negotiation that
// says that the filter does not answer.
type stage struct {
	name   string
	silent uint32
}

const always = ^uint32(0)

var stages = map[byte]stage{
	'C': {"CONNECT", 0x1000}, 'H': {"HELO", 0x2000}, 'M': {"MAIL", 0x4000}, 'R': {"RCPT", 0x8000}, 'T': {"DATA", 0x10000},
	'U': {"UNKNOWN", 0x20000}, 'L': {"HEADER", 0x80}, 'N': {"EOH", 0x40000}, 'B': {"BODY", 0x80000}, 'E': {"EOM", 0},
	'A': {"ABORT", always}, 'D': {"MACRO", always}, 'Q': {"QUIT", always}, 'K': {"QUIT_NC", always},
}

// packet notes a message and answers it.
func (s *session) packet(kind byte, data []byte) bool {
	if kind == 'O' {
		return s.negotiate(data)
	}
	st, ok := stages[kind]
	if !ok {
		s.note(fmt.Sprintf("? %q %q", kind, data))
		return false
	}
	text := describe(kind, data)
	s.note(strings.TrimRight(st.name+" "+text, " "))
	first, _, _ := strings.Cut(text, " ")
	rule, found := s.options.Rules[st.name+" "+first]
	if !found {
		rule, found = s.options.Rules[st.name]
	}
	switch {
	case found:
		return s.answer(rule)
	case st.silent == always, st.silent&s.steps != 0:
		return kind != 'Q'
	}
	return s.send('c', nil)
}

// describe makes the data of a message readable.
func describe(kind byte, data []byte) string {
	switch kind {
	case 'C':
		name, rest, _ := strings.Cut(string(data), "\x00")
		if len(rest) < 3 {
			return name + " " + rest
		}
		return fmt.Sprintf("%s %c %d %s", name, rest[0], binary.BigEndian.Uint16([]byte(rest[1:3])), strings.TrimSuffix(rest[3:], "\x00"))
	case 'B':
		if len(data) > 1000 {
			return fmt.Sprintf("%q... %d bytes, sum %x", data[:40], len(data), crc32.ChecksumIEEE(data))
		}
		return fmt.Sprintf("%q", data)
	case 'L':
		name, value, _ := strings.Cut(strings.TrimSuffix(string(data), "\x00"), "\x00")
		return fmt.Sprintf("%s %q", name, value)
	case 'D':
		if len(data) == 0 {
			return ""
		}
		words := strings.Split(strings.TrimSuffix(string(data[1:]), "\x00"), "\x00")
		text := string(data[:1])
		for i := 0; i+1 < len(words); i += 2 {
			text += fmt.Sprintf(" %s=%q", words[i], words[i+1])
		}
		return text
	}
	return strings.ReplaceAll(strings.TrimSuffix(string(data), "\x00"), "\x00", " ")
}

func (s *session) negotiate(data []byte) bool {
	if len(data) < 12 {
		return false
	}
	word := func(i int) uint32 { return binary.BigEndian.Uint32(data[4*i:]) }
	s.note(fmt.Sprintf("NEGOTIATE version %d actions %#x steps %#x %q", word(0), word(1), word(2), data[12:]))
	if rule, found := s.options.Rules["NEGOTIATE"]; found && !s.answer(rule) {
		return false
	} else if found {
		return true
	}
	o := s.options
	if o.Version == 0 {
		o.Version = min(6, word(0))
	}
	if o.Actions == 0 {
		o.Actions = word(1)
	}
	s.steps = o.Protocol
	var b []byte
	for _, n := range []uint32{o.Version, o.Actions, o.Protocol} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	for at, names := range o.Symbols {
		b = binary.BigEndian.AppendUint32(b, at)
		b = append(append(b, names...), 0)
	}
	return s.send('O', b)
}

func (s *session) send(kind byte, data []byte) bool {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)+1))
	_, err := s.conn.Write(append(append(b, kind), data...))
	return err == nil
}

// plain are the answers without data.
var plain = map[string]byte{"continue": 'c', "accept": 'a', "reject": 'r', "tempfail": 't', "discard": 'd', "skip": 's',
	"progress": 'p', "shutdown": '4', "connfail": 'f'}

// answer does what a rule says. False: that was the end of the session.
func (s *session) answer(rule string) bool {
	for line := range strings.SplitSeq(rule, "\n") {
		word, args, _ := strings.Cut(line, " ")
		kind, data := plain[word], []byte(nil)
		switch word {
		case "none":
			continue
		case "close":
			return false
		case "hang":
			io.Copy(io.Discard, s.conn)
			return false
		case "raw":
			b, err := hex.DecodeString(strings.ReplaceAll(args, " ", ""))
			if err != nil {
				s.note("bad rule: " + line)
			}
			s.conn.Write(b)
			continue
		}
		if kind == 0 {
			kind, data = compose(word, args)
		}
		if kind == 0 {
			s.note("bad rule: " + line)
		}
		if !s.send(kind, data) {
			return false
		}
	}
	return true
}

// compose makes the message of an action with arguments.
func compose(word, args string) (kind byte, data []byte) {
	join := func(parts ...string) []byte { return []byte(strings.Join(parts, "\x00") + "\x00") }
	value := func(s string) string {
		return strings.NewReplacer("~", " ", `\n`, "\n", `\t`, "\t", `\r`, "\r").Replace(s)
	}
	switch word {
	case "reply":
		return 'y', join(strings.ReplaceAll(args, `\n`, "\r\n"))
	case "add":
		name, text, _ := strings.Cut(args, " ")
		return 'h', join(name, value(text))
	case "insert", "change":
		index, rest, _ := strings.Cut(args, " ")
		name, text, _ := strings.Cut(rest, " ")
		var n int32
		fmt.Sscan(index, &n)
		data = append(binary.BigEndian.AppendUint32(nil, uint32(n)), join(name, value(text))...)
		if word == "insert" {
			return 'i', data
		}
		return 'm', data
	case "body":
		return 'b', []byte(strings.ReplaceAll(args, `\n`, "\r\n"))
	case "rcpt", "from":
		addr, params, more := strings.Cut(args, " ")
		switch {
		case word == "from" && more:
			return 'e', join(addr, params)
		case word == "from":
			return 'e', join(addr)
		case more:
			return '2', join(addr, params)
		}
		return '+', join(addr)
	case "drop-rcpt":
		return '-', join(args)
	case "hold":
		return 'q', join(args)
	}
	return 0, nil
}
