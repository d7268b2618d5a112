package main

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/match"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/param"
	"postrider/lib/mail/queue"
	"postrider/lib/service/flush"
)

// setup makes a queue directory with a queue manager that only listens.
func setup(t *testing.T) (wakeups chan string) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"public", "flush", "incoming", "active", "deferred"} {
		os.Mkdir(name, 0o700)
	}
	if err := param.New(dir).Load(&conf); err != nil {
		t.Fatal(err)
	}
	queue.Configure(conf.Site().Params)
	var err error
	if eligible, err = match.Domains("fast_flush_domains", "example.com", true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(msg.SetOutput(func(_ msg.Level, text string) { t.Log(text) }))
	l, err := net.Listen("unix", "public/qmgr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	wakeups = make(chan string, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b, _ := io.ReadAll(c)
			c.Close()
			wakeups <- string(b)
		}
	}()
	return wakeups
}

// ask sends a request over a connection and returns the status.
func ask(t *testing.T, request any) flush.Status {
	t.Helper()
	var r flush.Reply
	exchange(t, attr.Encode(nil, request), &r)
	return r.Status
}

func exchange(t *testing.T, request []byte, reply *flush.Reply) (announced bool) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	client := stream.New(stream.FD(fds[0]))
	client.Write(request)
	if len(request) <= 2 {
		client.Flush()
	}
	done := make(chan bool)
	go func() {
		s := stream.New(stream.FD(fds[1]))
		serve(s, server.Client{FD: fds[1], Process: &server.Process{Params: &conf.Params}})
		s.Close()
		close(done)
	}()
	var hello struct {
		Protocol string `attr:"protocol"`
	}
	if err := attr.Read(client, &hello); err == nil {
		announced = hello.Protocol == flush.Protocol
		client.Flush()
		if reply != nil {
			if err := attr.Read(client, reply); err != nil && !errors.Is(err, io.EOF) {
				t.Error(err)
			}
		}
	}
	client.Close()
	<-done
	return announced
}

func message(t *testing.T, id string) {
	t.Helper()
	path := queue.Path(queue.Deferred, id)
	os.MkdirAll(filepath.Dir(path), 0o700)
	if err := os.WriteFile(path, []byte("C"), 0o700); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	os.Chtimes(path, later, later)
}

// expectDue waits for a wake-up and checks that the message can be tried now.
func expectDue(t *testing.T, wakeups chan string, want string, ids ...string) {
	t.Helper()
	got := ""
	for len(got) < len(want) {
		got += <-wakeups
	}
	if strings.ReplaceAll(got, "\x00", "") != want {
		t.Errorf("wake-ups %q, want %q", got, want)
	}
	for _, id := range ids {
		info, err := os.Stat("incoming/" + id)
		if err != nil || info.ModTime().After(time.Now().Add(time.Second)) {
			t.Errorf("%s: %v %v", id, info, err)
		}
	}
}

// ETRN and its kin: mail for one destination is tried at once.
func TestSendSite(t *testing.T) {
	wakeups := setup(t)
	for _, id := range []string{"AAAA1", "BBBB2"} {
		message(t, id)
	}
	for _, id := range []string{"AAAA1", "BBBB2", "AAAA1", "GONE3"} {
		if got := ask(t, flush.AddRequest{Request: "add", Site: "Mail.Example.COM", QueueID: id}); got != flush.OK {
			t.Fatalf("add: %d", got)
		}
	}
	if b, _ := os.ReadFile("flush/mail_example_com"); string(b) != "AAAA1\nBBBB2\nAAAA1\nGONE3\n" {
		t.Errorf("log is %q", b)
	}
	if got := ask(t, flush.SendSiteRequest{Request: "send_site", Site: "mail.example.com"}); got != flush.OK {
		t.Errorf("send_site: %d", got)
	}
	expectDue(t, wakeups, "FI", "AAAA1", "BBBB2")
	if info, err := os.Stat("flush/mail_example_com"); err != nil || info.Size() != 0 {
		t.Errorf("log afterwards: %v %v", info, err)
	}
}

// A message in the log is deferred only a moment later. A request in between does
// not make the next one miss it.
func TestSendSiteKeepsActive(t *testing.T) {
	wakeups := setup(t)
	message(t, "AAAA1")
	os.WriteFile("active/BBBB2", []byte("C"), 0o700)
	for _, id := range []string{"GONE3", "AAAA1", "BBBB2"} {
		ask(t, flush.AddRequest{Request: "add", Site: "example.com", QueueID: id})
	}
	ask(t, flush.SendSiteRequest{Request: "send_site", Site: "example.com"})
	expectDue(t, wakeups, "FI", "AAAA1")
	if b, _ := os.ReadFile("flush/example_com"); string(b) != "BBBB2\n" {
		t.Errorf("log is %q", b)
	}
	message(t, "BBBB2")
	os.Remove("active/BBBB2")
	ask(t, flush.SendSiteRequest{Request: "send_site", Site: "example.com"})
	expectDue(t, wakeups, "FI", "BBBB2")
}

func TestSendFile(t *testing.T) {
	wakeups := setup(t)
	message(t, "AAAA1")
	if got := ask(t, flush.SendFileRequest{Request: "send_file", QueueID: "AAAA1"}); got != flush.OK {
		t.Errorf("send_file: %d", got)
	}
	expectDue(t, wakeups, "I", "AAAA1")
	if info, _ := os.Stat("incoming/AAAA1"); info.Mode()&queue.ModeFlush == 0 {
		t.Errorf("mode %v", info.Mode())
	}
	if got := ask(t, flush.SendFileRequest{Request: "send_file", QueueID: "GONE1"}); got != flush.OK {
		t.Errorf("send_file of a message that is gone: %d", got)
	}
}

func TestRefused(t *testing.T) {
	setup(t)
	for _, c := range []struct {
		request any
		want    flush.Status
	}{
		{flush.AddRequest{Request: "add", Site: "example.org", QueueID: "A1"}, flush.Deny},
		{flush.SendSiteRequest{Request: "send_site", Site: "notexample.com"}, flush.Deny},
		{flush.SendSiteRequest{Request: "send_site", Site: ""}, flush.Bad},
		{flush.SendSiteRequest{Request: "send_site", Site: strings.Repeat("x", 300) + ".example.com"}, flush.Bad},
		{flush.AddRequest{Request: "add", Site: "example.com", QueueID: "../A1"}, flush.Bad},
		{flush.SendFileRequest{Request: "send_file", QueueID: "a.b"}, flush.Bad},
		{flush.PlainRequest{Request: "nonsense"}, flush.Bad},
		{flush.PlainRequest{Request: "add"}, flush.Bad},
		{flush.SendSiteRequest{Request: "send_site", Site: "never.example.com"}, flush.OK},
	} {
		if got := ask(t, c.request); got != c.want {
			t.Errorf("%+v: status %d, want %d", c.request, got, c.want)
		}
	}
	if list, _ := os.ReadDir("flush"); len(list) > 0 {
		t.Errorf("logs appeared: %v", list)
	}
}

// Master wakes the service up without speaking its protocol; a client of the
// wrong kind does no harm.
func TestWakeup(t *testing.T) {
	wakeups := setup(t)
	message(t, "AAAA1")
	ask(t, flush.AddRequest{Request: "add", Site: "example.com", QueueID: "AAAA1"})
	old := time.Now().Add(-13 * time.Hour)
	os.Chtimes("flush/example_com", old, old)
	os.WriteFile("flush/stale", nil, 0o600)
	os.WriteFile("flush/young", nil, 0o600)
	ancient := time.Now().Add(-8 * 24 * time.Hour)
	os.Chtimes("flush/stale", ancient, ancient)
	for _, request := range []string{"W", "W\x00"} {
		if exchange(t, []byte(request), nil) {
			t.Errorf("%q was answered", request)
		}
	}
	expectDue(t, wakeups, "I", "AAAA1")
	list, _ := filepath.Glob("flush/*")
	if got := strings.Join(list, " "); got != "flush/example_com flush/young" {
		t.Errorf("logs left: %s", got)
	}
	exchange(t, []byte("\xff\xfe\x00junk\x00\x00"), &flush.Reply{})
}

func TestPurge(t *testing.T) {
	wakeups := setup(t)
	message(t, "AAAA1")
	ask(t, flush.AddRequest{Request: "add", Site: "example.com", QueueID: "AAAA1"})
	if got := ask(t, flush.PlainRequest{Request: "rfrsh"}); got != flush.OK {
		t.Errorf("rfrsh: %d", got)
	}
	if _, err := os.Stat("incoming/AAAA1"); err == nil {
		t.Error("a young log was refreshed")
	}
	ask(t, flush.PlainRequest{Request: "purge"})
	expectDue(t, wakeups, "I", "AAAA1")
}

// A log that somebody tampered with.
func TestBadLog(t *testing.T) {
	wakeups := setup(t)
	message(t, "AAAA1")
	os.WriteFile("flush/example_com", []byte("../../etc/passwd\n\x00\xff\n"+strings.Repeat("x", 5000)+"\n\nAAAA1\n"), 0o600)
	ask(t, flush.SendSiteRequest{Request: "send_site", Site: "example.com"})
	expectDue(t, wakeups, "FI", "AAAA1")
}

func TestNames(t *testing.T) {
	for site, want := range map[string]string{
		"Example.COM": "example_com", "[192.0.2.1]": "192_0_2_1", "[ipv6:2001:db8::1]": "ipv6_2001_db8__1",
		"bücher.example": "xn__bcher_kva_example", "../../x": "______x",
	} {
		if got := fileName(canonical(site)); got != want {
			t.Errorf("%s: %s, want %s", site, got, want)
		}
	}
}
