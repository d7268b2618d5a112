package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postrider/lib/base/account"
	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/daemon/agent"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/param"
	"postrider/lib/mail/record"
	"postrider/lib/service/bounce"
	"postrider/lib/service/cleanup"
	"postrider/lib/service/deliver"
	"postrider/lib/service/ipc"
	"postrider/lib/service/rewrite"
)

// A suite is a queue directory with services that write down what they are told,
// users with home directories, and local(8) with its parameters.
type suite struct {
	t       *testing.T
	dir     string
	aliases map[string]string
	mu      sync.Mutex
	log     []string // lines of the log, and what services were told
}

// Users of the tests. Their numbers exist nowhere else.
var users = []string{"ann:60001", "bob:60002", "joe:60003", "eve:60004"}

// newSuite starts one. Settings are lines of main.cf, aliases lines "name:
// value"; DIR in them is the folder of the suite.
func newSuite(t *testing.T, settings, aliases string) *suite {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to be other users")
	}
	dir, err := os.MkdirTemp("", "local")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &suite{t: t, dir: dir, aliases: map[string]string{}}
	for line := range strings.Lines(aliases) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			s.aliases[name] = strings.ReplaceAll(value, "DIR", dir)
		}
	}
	os.Chmod(dir, 0o755)
	for _, sub := range []string{"active", "private", "public", "home", "spool", "etc"} {
		os.Mkdir(filepath.Join(dir, sub), 0o755)
	}
	os.Chmod(dir+"/spool", 0o1777)
	s.makeUsers()
	t.Chdir(dir)
	t.Cleanup(msg.SetOutput(func(l msg.Level, text string) { s.note(l.Prefix() + text) }))
	s.load(settings)
	for name, serve := range map[string]func(*stream.Stream){"private/bounce": s.bounceService("bounce"), "private/defer": s.bounceService("defer"),
		"private/trace": s.bounceService("trace"), "public/cleanup": s.cleanupService, "private/other": s.otherAgent} {
		s.listen(name, serve)
	}
	return s
}

func (s *suite) makeUsers() {
	passwd, group := "root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n", ""
	for _, u := range users {
		name, id, _ := strings.Cut(u, ":")
		home := filepath.Join(s.dir, "home", name)
		os.Mkdir(home, 0o755)
		var uid int
		fmt.Sscan(id, &uid)
		os.Chown(home, uid, uid)
		passwd += fmt.Sprintf("%s:x:%d:%d::%s:/bin/sh\n", name, uid, uid, home)
		group += fmt.Sprintf("%s:x:%d:\n", name, uid)
	}
	s.write("etc/passwd", passwd, 0)
	s.write("etc/group", group, 0)
	old := account.System
	account.System = account.Source{Passwd: s.dir + "/etc/passwd", Group: s.dir + "/etc/group"}
	s.t.Cleanup(func() { account.System = old })
}

func (s *suite) load(settings string) {
	s.t.Helper()
	set := param.New(s.dir)
	for _, line := range strings.Split("mail_owner=daemon\nmyhostname=mail.example\nalias_maps=\nfast_flush_domains=\nbiff=no\nrecipient_delimiter=+\n"+
		"mail_spool_directory=DIR/spool\ndeliver_lock_attempts=1\ndeliver_lock_delay=1s\nqueue_directory=DIR\n"+settings, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			if err := set.OverrideText(strings.ReplaceAll(line, "DIR", s.dir)); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	if err := set.Load(&conf); err != nil {
		s.t.Fatal(err)
	}
	site.aliases = []aliasTable{{name: "test:aliases", table: aliasMap(s.aliases)}}
	prepare(&server.Process{Params: &conf.Params.Params, Settings: set})
	site.rewrite = fakeRewrite{}
}

// An aliasMap is an alias table that root owns.
type aliasMap map[string]string

func (m aliasMap) Lookup(name string) (string, bool, error) {
	value, ok := m[name]
	if value == "outage" {
		return "", false, errors.New(value)
	}
	return value, ok, nil
}

// fakeRewrite knows one domain, example, and that everything else is remote.
type fakeRewrite struct{}

func (fakeRewrite) Rewrite(_, addr string) string {
	if !strings.Contains(addr, "@") {
		addr += "@example"
	}
	return addr
}

func (fakeRewrite) Resolve(_, addr string) rewrite.ResolveReply {
	r := rewrite.ResolveReply{Transport: "local", Recipient: addr}
	switch {
	case strings.HasSuffix(addr, "@broken"):
		r.Flags = rewrite.FlagFail
	case !strings.HasSuffix(addr, "@example"):
		r.Transport = "smtp"
	}
	return r
}

func (s *suite) note(line string) {
	line = regexp.MustCompile(` delay=[^ ]* delays=[^ ]*`).ReplaceAllString(line, "")
	line = strings.ReplaceAll(line, s.dir, "DIR")
	s.mu.Lock()
	s.log = append(s.log, line)
	s.mu.Unlock()
}

// listen runs a service until the end of the test.
func (s *suite) listen(name string, serve func(*stream.Stream)) {
	l, err := net.Listen("unix", name)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			st := stream.New(stream.Net(c))
			serve(st)
			st.Close()
		}
	}()
}

func (s *suite) bounceService(name string) func(*stream.Stream) {
	return func(st *stream.Stream) {
		ipc.Announce(st, bounce.Protocol)
		list, err := attr.ReadList(st, 0)
		if err != nil {
			return
		}
		var e bounce.LogEntry
		list.Into(&e)
		s.note(fmt.Sprintf("%s <%s> %s %s %s", name, e.Address, e.Action, e.Status, e.Reason))
		attr.Write(st, bounce.Reply{})
	}
}

// cleanupService writes down the records of a message, after its end.
func (s *suite) cleanupService(st *stream.Stream) {
	attr.Write(st, cleanup.Announcement{Protocol: cleanup.Protocol, QueueID: "NEWID"})
	var f cleanup.Flags
	if attr.Read(st, &f) != nil {
		return
	}
	lines := []string{fmt.Sprintf("cleanup flags %d", f.Flags)}
	for {
		t, data, err := record.Read(st, 0)
		if err != nil {
			s.note("cleanup aborted")
			return
		}
		if t != record.Time && !strings.Contains(string(data), "\tid ") {
			lines = append(lines, "cleanup "+string(rune(t))+" "+string(data))
		}
		if t == record.End {
			break
		}
	}
	for _, line := range lines {
		s.note(line)
	}
	attr.Write(st, cleanup.Reply{})
}

// otherAgent is another transport. Next hop "fail" tells to try again.
func (s *suite) otherAgent(st *stream.Stream) {
	ipc.Announce(st, deliver.Protocol)
	var r deliver.Request
	var to deliver.Recipient
	if attr.Read(st, &r) != nil || attr.Read(st, &to) != nil {
		return
	}
	s.note(fmt.Sprintf("other <%s> hop %s offset %d", to.Address, r.NextHop, to.Offset))
	reply := deliver.Reply{}
	if r.NextHop == "fail" {
		reply.Status = 1
	}
	attr.Write(st, reply)
}

func (s *suite) write(name, text string, uid int) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	os.Chown(path, uid, uid)
}

func (s *suite) read(name string) string {
	data, _ := os.ReadFile(filepath.Join(s.dir, name))
	return string(data)
}

// A mail is what is delivered.
type mail struct {
	to      string
	sender  string
	flags   int
	headers []string
	change  func(*deliver.Request, *deliver.Recipient)
}

// deliver makes a queue file, sends a request, and returns the log of it. Done
// says that the recipient is marked in the queue file.
func (s *suite) deliver(m mail) (log []string, done bool) {
	s.t.Helper()
	if m.sender == "" {
		m.sender = "s@sender.example"
	}
	b := record.Append(nil, record.Size, strings.Repeat(" ", 95))
	b = record.Append(b, record.From, m.sender)
	offset := len(b)
	b = record.Append(b, record.Recipient, m.to)
	b = record.Append(b, record.Message, "")
	content := len(b)
	for _, line := range append(m.headers, "Subject: test", "", "From me") {
		b = record.Append(b, record.Text, line)
	}
	b = record.Append(b, record.Extracted, "")
	b = record.Append(b, record.End, "")
	if err := os.WriteFile("active/QID", b, 0o700); err != nil {
		s.t.Fatal(err)
	}
	r := deliver.Request{Flags: deliver.FlagDefault | m.flags, QueueName: "active", QueueID: "QID", Offset: int64(content), Size: 100,
		NextHop: "example", Sender: m.sender, RewriteContext: "local", Time: deliver.Times{Arrival: time.Now()}.Encode(), RecipientCount: 1}
	to := deliver.Recipient{Original: m.to, Address: m.to, Offset: int64(offset), OriginalDSN: "rfc822;" + m.to}
	if m.change != nil {
		m.change(&r, &to)
	}
	s.log = nil
	reply := s.request(r, to)
	after, _ := os.ReadFile("active/QID")
	if len(after) > offset {
		done = after[offset] == byte(record.Done)
	}
	if done != (reply.Status == 0) {
		s.t.Errorf("%s: reply %+v, but the recipient is marked: %v", m.to, reply, done)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log), done
}

func (s *suite) request(r deliver.Request, to deliver.Recipient) deliver.Reply {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan bool)
	go func() {
		defer close(ended)
		st := stream.New(stream.FD(fds[0]))
		agent.Serve(st, "local", &agent.Agent{Name: "local", Params: &conf, Deliver: deliverAll})
		st.Close()
	}()
	st := stream.New(stream.FD(fds[1]))
	defer st.Close()
	if err := ipc.Expect(st, deliver.Protocol); err != nil {
		s.t.Fatal(err)
	}
	attr.Write(st, r)
	attr.Write(st, to)
	var reply deliver.Reply
	if err := attr.Read(st, &reply); err != nil {
		s.t.Error(err)
	}
	<-ended
	return reply
}

// expect compares a log with the lines that it should have.
func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
