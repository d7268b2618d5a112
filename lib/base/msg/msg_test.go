package msg

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
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

// Lines that the log service does not take go to the caller's function, also
// when the service is there but does not read.
func TestPostlogDirect(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	old := outputs
	defer func() { outputs = old; closeSockets() }()
	direct := 0
	Open(Options{Program: "master", Name: "postfix", Postlog: path, Host: "mail", Direct: func([]byte) { direct++ }})
	const lines = 10000 // more than any queue of a socket
	for range lines {
		Info("hello")
	}
	if direct == 0 || direct == lines {
		t.Errorf("%d of %d lines were refused by a full socket", direct, lines)
	}
	conn.Close()
	direct = 0
	Info("hello")
	if direct != 1 {
		t.Errorf("%d lines written directly without a service, want 1", direct)
	}
}

// Several errors are several lines.
func TestErrors(t *testing.T) {
	var lines []string
	defer SetOutput(func(level Level, text string) { lines = append(lines, level.Prefix()+text) })()
	Warn("%s: %v", "main.cf", errors.Join(errors.New("one\ttab"), errors.New("two")))
	Warn("%v", fmt.Errorf("%w: %w", errors.New("a"), errors.New("b")))
	if got := strings.Join(lines, "|"); got != "warning: main.cf: one?tab|warning: main.cf: two|warning: a: b" {
		t.Error(got)
	}
}
