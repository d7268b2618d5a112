package milter

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	peer "postrider/test/peer/milter"
)

// params have short time limits, so that silence does not make tests slow.
func params() *Params {
	return &Params{ConnectTimeout: time.Second, CommandTimeout: 200 * time.Millisecond, ContentTimeout: 200 * time.Millisecond,
		Protocol: "6", DefaultAction: "tempfail", ConnectMacros: "j {nix}", RcptMacros: "i", EndOfHeaderMacros: "j", MacroDefaults: "nix=1"}
}

// start starts filters that follow rules, and a session with them.
func start(t *testing.T, p *Params, filters ...peer.Options) (*Session, []*peer.Filter) {
	t.Helper()
	t.Cleanup(msg.SetOutput(func(l msg.Level, text string) { t.Log(l.Prefix() + text) }))
	var list []string
	var peers []*peer.Filter
	for _, o := range filters {
		f, err := peer.Start("unix", filepath.Join(t.TempDir(), "filter"), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(f.Close)
		peers = append(peers, f)
		list = append(list, "unix:"+f.Addr)
	}
	set, err := New(p, strings.Join(list, ","), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := set.Open(func(name string) (string, bool) { return "host", name == "j" })
	t.Cleanup(s.Quit)
	return s, peers
}

func rules(list ...string) peer.Options {
	o := peer.Options{Rules: map[string]string{}}
	for _, rule := range list {
		stage, actions, _ := strings.Cut(rule, "=")
		o.Rules[stage] = strings.ReplaceAll(actions, "|", "\n")
	}
	return o
}

// A letter is a message in memory; it notes what filters want.
type letter struct {
	headers []string
	body    string
	edits   []string
}

func (l *letter) Headers(yield func(name, value string) bool) error {
	for _, h := range l.headers {
		name, value, _ := strings.Cut(h, ":")
		if !yield(name, value) {
			break
		}
	}
	return nil
}

func (l *letter) Body(yield func([]byte) bool) error {
	for line := range strings.Lines(l.body) {
		if !yield([]byte(line)) {
			break
		}
	}
	return nil
}

func (l *letter) note(parts ...string)          { l.edits = append(l.edits, strings.Join(parts, " ")) }
func (l *letter) AddHeader(name, value string)  { l.note("add", name+":"+value) }
func (l *letter) ReplaceBody(piece []byte)      { l.note("body", string(piece)) }
func (l *letter) AddRecipient(a, params string) { l.note("rcpt", a, params) }
func (l *letter) DeleteRecipient(a string)      { l.note("drop", a) }
func (l *letter) ChangeSender(a, params string) { l.note("from", a, params) }
func (l *letter) Hold(reason string)            { l.note("hold", reason) }

func (l *letter) InsertHeader(i int, name, value string) {
	l.note("insert", string(rune('0'+i)), name+":"+value)
}

func (l *letter) ChangeHeader(i int, name, value string) {
	l.note("change", string(rune('0'+i)), name+":"+value)
}

func (l *letter) DeleteHeader(i int, name string) { l.note("delete", string(rune('0'+i)), name) }

func (l *letter) EndBody(done bool) {
	if done {
		l.note("end of body")
	} else {
		l.note("forget body")
	}
}

// client is what all sessions begin with.
var client = Peer{Name: "client.example", Address: "192.0.2.1", Port: "1025", Family: unix.AF_INET}

// transact does a session with one message, and returns the first decision.
func transact(s *Session, m *letter) Verdict {
	for _, step := range []func() Verdict{
		func() Verdict { return s.Connect(client) },
		func() Verdict { return s.Helo("client.example") },
		func() Verdict { return s.Mail("<a@b>", "SIZE=1") },
		func() Verdict { return s.Rcpt("<c@d>") },
		s.Data,
		func() Verdict {
			v, err := s.Message(m, m)
			if err != nil {
				panic(err)
			}
			return v
		},
	} {
		if v := step(); v.Action != Continue {
			return v
		}
	}
	return Verdict{}
}

func newLetter() *letter {
	return &letter{headers: []string{"Subject: x", "X-Folded: a\n b"}, body: strings.Repeat("a line of text\r\n", 10000)}
}

// A filter that breaks the protocol, goes away or is silent at any stage gets the
// default action, in time, and is not asked again.
func TestHostile(t *testing.T) {
	for action, want := range map[string]Verdict{"accept": {}, "reject": {Refuse, replyFailed}, "tempfail": {Refuse, replyTempfail},
		"quarantine": {Hold, ""}, "shutdown": {Shutdown, replyShutdown}, "nonsense": {Refuse, replyMistake}} {
		for _, stage := range []string{"NEGOTIATE", "CONNECT", "HELO", "MAIL", "RCPT", "DATA", "HEADER", "EOH", "BODY", "EOM"} {
			for name, answer := range map[string]string{"closes": "close", "is silent": "hang", "sends no packet": "raw 00000000|hang",
				"sends a huge one": "raw 7fffffff63|hang", "sends half a length": "raw 0000|close", "announces more than comes": "raw 0000010063|close",
				"says what nobody knows": "raw 000000017a|hang", "negotiates again": "raw 0000000d4f000000060000000000000000|hang",
				"changes at the wrong time": "raw 0000000568006100 00|hang"} {
				if stage == "EOM" && strings.HasPrefix(name, "changes") || stage == "NEGOTIATE" && strings.HasPrefix(name, "negotiates") ||
					answer == "hang" && action != "accept" {
					continue
				}
				p := params()
				p.DefaultAction = action
				s, _ := start(t, p, rules(stage+"="+answer))
				begin := time.Now()
				v := transact(s, newLetter())
				if v != want {
					t.Errorf("%s: the filter %s at %s: %v, want %v", action, name, stage, v, want)
				}
				if s.Active() != 0 {
					t.Errorf("%s: the filter %s at %s: it is asked again", action, name, stage)
				}
				if took := time.Since(begin); took > 5*time.Second {
					t.Errorf("%s: the filter %s at %s: that took %v", action, name, stage, took)
				}
				s.Abort()
				s.Quit()
			}
		}
	}
}

// What a filter asks for at the end of a message comes to the editor, and a body
// that breaks off is forgotten.
func TestEdits(t *testing.T) {
	s, _ := start(t, params(), rules("EOM=add X-A a|insert 1 X-B b|change 2 X-C c|change 1 X-D|body new|rcpt <x@y>|rcpt <x@y> NOTIFY=NEVER|drop-rcpt <c@d>|from <> ENVID=1|progress|hold why|continue"),
		rules("EOM=body half|close"))
	s.filters[1].action = "accept"
	m := newLetter()
	if v := transact(s, m); v.Action != Hold {
		t.Errorf("%v", v)
	}
	want := "add X-A: a\ninsert 1 X-B: b\nchange 2 X-C: c\ndelete 1 X-D\nbody new\nrcpt <x@y> \nrcpt <x@y> NOTIFY=NEVER\ndrop <c@d>\nfrom <> ENVID=1\n" +
		"hold why\nend of body\nbody half\nforget body"
	if got := strings.Join(m.edits, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Filters hear no more than they want to: negotiated steps, skipped bodies, and
// silence where they do not answer.
func TestSteps(t *testing.T) {
	s, peers := start(t, params(), peer.Options{Protocol: 0x400 | 0x2 | 0x8000 | 0x20, Rules: map[string]string{"BODY": "skip"}})
	if v := transact(s, newLetter()); v.Action != Continue {
		t.Error(v)
	}
	s.Quit()
	trace := strings.Join(peers[0].Trace(), "\n")
	for part, n := range map[string]int{"MACRO C j=\"host\" {nix}=\"1\"": 1, "HELO": 0, "RCPT <c@d>": 1, "HEADER": 0, "BODY": 1, "EOM": 1, "MAIL <a@b> SIZE=1": 1} {
		if got := strings.Count(trace, "\n"+part); got != n {
			t.Errorf("%d times %q, want %d, in\n%.2000s", got, part, n, trace)
		}
	}
}

// The hand-over keeps all of a conversation: the connection, what was negotiated,
// macros. The SMTP server goes on with the next message. A filter that fails on
// the other side is lost for both.
func TestHandOver(t *testing.T) {
	for _, ending := range []string{"continue", "close", "raw 00000000"} {
		s, peers := start(t, params(), peer.Options{Protocol: 0x100000, Symbols: map[uint32]string{5: "{nix} j"},
			Rules: map[string]string{"EOM": "add X-A a\n" + ending}}, rules("MAIL=accept"), rules("RCPT=continue"))
		for _, step := range []Verdict{s.Connect(client), s.Helo("c"), s.Mail("<a@b>"), s.Rcpt("<c@d>"), s.Data()} {
			if step.Action != Continue {
				t.Fatal(step)
			}
		}
		if n := s.Active(); n != 2 {
			t.Fatalf("%d active filters", n)
		}
		m := newLetter()
		v := handOver(t, s, m)
		if good := ending == "continue"; good != (v.Action == Continue) {
			t.Errorf("%s: %v", ending, v)
		}
		if got := strings.Join(m.edits, "\n"); !strings.HasPrefix(got, "add X-A:a") {
			t.Errorf("%s: %s", ending, got)
		}
		s.Abort()
		if v := s.Mail("<second@b>"); (v.Action == Continue) != (ending == "continue") {
			t.Errorf("%s: the next message: %v", ending, v)
		}
		s.Quit()
		trace := strings.Join(peers[0].Trace(), "\n")
		if !strings.Contains(trace, "MACRO E {nix}=\"1\" j=\"other\"\nEOM") {
			t.Errorf("%s: %.3000s", ending, trace)
		}
	}
}

// handOver lets another side do the message.
func handOver(t *testing.T, s *Session, m *letter) (v Verdict) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		over := stream.New(stream.FD(fds[1]))
		defer over.Close()
		taken, err := Receive(over, fds[1], s.Active(), func(name string) (string, bool) { return "other", name == "j" })
		if err == nil {
			over.Flush()
			v, err = taken.Message(m, m)
			taken.Close()
		}
		done <- err
	}()
	over := stream.New(stream.FD(fds[0]))
	defer over.Close()
	if err := s.HandOver(over, fds[0]); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return v
}

// A hand-over that makes no sense is an error.
func TestHandOverBroken(t *testing.T) {
	head := "conn_macros\x00a\x00helo_macros\x00\x00mail_macros\x00\x00rcpt_macros\x00\x00data_macros\x00\x00eoh_macros\x00\x00eod_macros\x00\x00unk_macros\x00\x00"
	for _, text := range []string{"", "x\x00y\x00\x00", head + "\x00", head + "size\x005\x00{\x00a\x00b\x00}\x00\x00", head + "size\x00-1\x00\x00",
		head + "size\x001\x00{\x00a\x00b\x00\x00", head + "size\x000\x00milter_name\x00x\x00\x00"} {
		fds, _ := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		unix.Write(fds[0], []byte(text))
		unix.Shutdown(fds[0], unix.SHUT_WR)
		if _, err := Receive(stream.New(stream.FD(fds[1])), fds[1], 1, nil); err == nil {
			t.Errorf("%q is taken", text)
		}
		unix.Close(fds[0])
		unix.Close(fds[1])
	}
}

// Settings of single filters, and what is wrong with some.
func TestSettings(t *testing.T) {
	p := params()
	set, err := New(p, "inet:a:1, { unix:b, default_action=accept, command_timeout=2m, { connect_timeout = 3 }, { content_timeout = 1h } protocol=4 } local:c", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := spec{"unix:b", 3 * time.Second, 2 * time.Minute, time.Hour, "accept", "4"}
	if len(set.specs) != 3 || set.specs[1] != want || set.specs[2].name != "local:c" {
		t.Errorf("%+v", set.specs)
	}
	if set, err := New(p, " ", nil); set != nil || err != nil {
		t.Error("an empty list is not none")
	}
	for list, complaint := range map[string]string{"{ }": "without name", "{ inet:a:1, foo=bar }": `unknown option: "foo=bar"`, "{ inet:a:1, x }": "want setting = value",
		"{ inet:a:1, command_timeout=soon }": "is not a time"} {
		if _, err := New(p, list, nil); err == nil || !strings.Contains(err.Error(), complaint) {
			t.Errorf("%s: %v", list, err)
		}
	}
	p.MacroDefaults = "a"
	if _, err := New(p, "inet:a:1", nil); err == nil {
		t.Error("a macro without value is taken")
	}
	if set != nil {
		if _, ok := (&Set{}).fallback("x"); ok {
			t.Error("a macro from nowhere")
		}
	}
}

// Names that no filter can have are mistakes, not trouble of the network.
func TestAddresses(t *testing.T) {
	for name, want := range map[string]address{"unix:/a/b": {path: "/a/b"}, "local:c": {path: "c"}, "inet:host:8891": {host: "host", port: 8891},
		"inet:[2001:db8::1]:25": {host: "2001:db8::1", port: 25}, "inet:[192.0.2.1]:smtp": {host: "192.0.2.1", port: 25}} {
		if a, err := parseAddress(name); err != nil || a != want {
			t.Errorf("%s: %v %v", name, a, err)
		}
	}
	for _, name := range []string{"host", "inet:host", "inet:host:none-such", "foo:bar", "inet:8891@host"} {
		if a, err := parseAddress(name); err == nil {
			t.Errorf("%s: %v", name, a)
		}
	}
	resolve := func(string) ([]netip.Addr, error) { return nil, os.ErrNotExist }
	if _, err := (address{host: "x", port: 1}).dial(resolve, time.Second); err == nil {
		t.Error("a host that does not exist")
	}
}

func TestReplies(t *testing.T) {
	for reply, good := range map[string]bool{"550 5.7.1 no": true, "450 no": true, "421": true, "550-5.7.1 a\r\n550 5.7.1 b": true, "250 ok": false,
		"": false, "55": false, "5x0 no": false, "550 4.7.1 no": false, "550-a\r\n451 b": false, "550-a": false, "550a": false, "550 a\nb": true} {
		if validReply(reply) != good {
			t.Errorf("%q: want %v", reply, good)
		}
	}
	for text, want := range map[string]string{"100%%": "100%", "a%": "a", "%s": "s", "%%%%": "%%"} {
		if got := unescape(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// Whatever a filter sends, the conversation comes to an end.
func FuzzFilter(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x0dO\x00\x00\x00\x06\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01c\x00\x00\x00\x05hA\x00b\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Skip()
		}
		defer msg.SetOutput(func(msg.Level, string) {})()
		go func() {
			unix.Write(fds[0], data)
			unix.Shutdown(fds[0], unix.SHUT_WR)
		}()
		set, _ := New(params(), "unix:x", nil)
		s := set.Open(func(string) (string, bool) { return "", false })
		fl := s.filters[0]
		fl.fd, fl.s, fl.version = fds[1], stream.New(stream.FD(fds[1])), 6
		fl.negotiate(0x1fffff)
		m := &letter{headers: []string{"A: b"}, body: "x\r\n"}
		s.Mail("<a@b>")
		s.Message(m, m)
		s.Quit()
		unix.Close(fds[0])
	})
}

func BenchmarkMessage(b *testing.B) {
	f, err := peer.Start("unix", filepath.Join(b.TempDir(), "filter"), peer.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	set, _ := New(params(), "unix:"+f.Addr, nil)
	s := set.Open(func(string) (string, bool) { return "", false })
	s.Connect(client)
	m := &letter{headers: []string{"A: b", "C: d"}, body: strings.Repeat("text\r\n", 600)}
	for b.Loop() {
		s.Mail("<a@b>")
		s.Rcpt("<c@d>")
		s.Message(m, m)
		s.Abort()
		m.edits = nil
	}
	s.Quit()
}
