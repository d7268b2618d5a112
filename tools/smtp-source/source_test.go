package main

import (
	"strings"
	"testing"
	"time"

	"postrider/test/peer/sink"
)

// send runs the program with these options against a server, and returns what
// the server got.
func send(t *testing.T, o sink.Options, args ...string) ([]sink.Message, error) {
	t.Helper()
	server, err := sink.Start("tcp", "127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	settings, _ := readOptions(append(args, "-M", "client.example.org"))
	c, err := makeContent(settings)
	if err != nil {
		t.Fatal(err)
	}
	to, err := lookup("tcp", server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	err = (&source{settings: settings, target: to, content: c}).run()
	return server.Messages(), err
}

func TestSend(t *testing.T) {
	got, err := send(t, sink.Options{}, "-m", "7", "-s", "3", "-l", "1000", "-f", "<a@b>", "-t", "c@d", "-S", "words")
	if err != nil || len(got) != 7 {
		t.Fatalf("%d messages, %v", len(got), err)
	}
	m := got[0]
	if m.Helo != "HELO client.example.org" || m.From != "<a@b>" || m.Recipients[0] != "<c@d>" ||
		!strings.Contains(m.Data, "Subject: words\r\n") || !strings.Contains(m.Data, "Message-Id: <") {
		t.Errorf("got %+v", m)
	}
	if _, body, _ := strings.Cut(m.Data, "\r\n\r\n"); len(body) != 1002 { // the end of the last line is not counted
		t.Errorf("body of %d bytes", len(body))
	}
}

func TestRecipients(t *testing.T) {
	got, err := send(t, sink.Options{}, "-m", "2", "-d", "-r", "3", "-t", "c@d", "-N")
	if err != nil || len(got) != 2 || strings.Join(got[1].Recipients, " ") != "<4c@d> <5c@d> <6c@d>" {
		t.Fatalf("%+v, %v", got, err)
	}
	if n := strings.Count(strings.Join(got[1].Commands, "\n"), "HELO"); n != 1 {
		t.Errorf("%d times HELO on a kept connection", n)
	}
}

func TestLMTP(t *testing.T) {
	got, err := send(t, sink.Options{LMTP: true, Rules: map[string][]string{"RCPT 2c@d": {"550 5.1.1 no"}}},
		"-L", "-A", "-r", "3", "-t", "c@d", "-l", "100000")
	if err != nil || len(got) != 2 || got[0].Helo != "LHLO client.example.org" {
		t.Fatalf("%d, %v", len(got), err)
	}
}

func TestRefused(t *testing.T) {
	_, err := send(t, sink.Options{Rules: map[string][]string{"MAIL": {"550 5.7.1 no"}}})
	if err == nil || err.Error() != "sender rejected: 550 5.7.1 no" {
		t.Errorf("got %v", err)
	}
	if _, err = send(t, sink.Options{Rules: map[string][]string{".": {"drop"}}}, "-l", "10"); err == nil {
		t.Error("a connection that breaks off is no error")
	}
}

func TestPause(t *testing.T) {
	start := time.Now()
	got, err := send(t, sink.Options{}, "-m", "2", "-w", "1")
	if err != nil || len(got) != 2 || time.Since(start) < time.Second {
		t.Errorf("%d in %s, %v", len(got), time.Since(start), err)
	}
}

func TestAsLines(t *testing.T) {
	if got := string(asLines([]byte("a\n.b\r\n.\nc"))); got != "a\r\n..b\r\n..\r\nc\r\n.\r\n" {
		t.Errorf("got %q", got)
	}
}
