package msg

import (
	"net"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain":         "plain",
		"a\nb\x00c\x7f": "a?b?c?",
		"grüße":         "grüße",
		"bad\xff":       "bad?",
		"c1\u0085":      "c1?",
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}

// S6.4: the datagram form that postlogd writes to the log file.
func TestPostlog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	old := outputs
	defer func() { outputs = old; closeSockets() }()
	Open(Options{Program: "smtpd", Name: "postfix", Postlog: path, Host: "mail"})
	Warn("%s: odd", "x\ny")
	buf := make([]byte, 4096)
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d mail postfix/smtpd\[\d+\]: warning: x\?y: odd$`)
	if !want.Match(buf[:n]) {
		t.Errorf("got %q", buf[:n])
	}
}
