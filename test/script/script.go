// Package script runs conversations that are written down in text files: what
// one side says, what the other must answer, and what must be in the log and in
// the queue afterwards.
//
// A file begins with a sentence that says why, and the ID of the requirement.
// Then come sections, each after a line "-- name --". The session has lines
//
//	C: HELO client.example.net     sent, with CR LF at its end
//	C| From: joe\nTo: ann\r\n      sent as it is; \r \n \t \\ \xHH are understood
//	S: 250 mail.example.com        must be received
//	S: <closed>                    the server ends the connection
//
// In what must be received or logged, * stands for any text. A section "since" says why
// the stock system of these tests does otherwise; test/interop leaves the file out.
package script

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A Script is one file.
type Script struct {
	Name     string
	About    string            // the text before the first section
	Sections map[string]string // by name
}

// Settings are the lines "name = value" of the section main.cf.
func (s *Script) Settings() map[string]string {
	set := make(map[string]string)
	last := ""
	for line := range strings.SplitSeq(s.Sections["main.cf"], "\n") {
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			set[last] += " " + strings.TrimSpace(line)
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if ok {
			last = strings.TrimSpace(name)
			set[last] = strings.TrimSpace(value)
		}
	}
	return set
}

// A Peer is the other side of a conversation. Finish waits until it has done
// all that follows from the end of the connection, and returns what it has
// left behind, by section name.
type Peer interface {
	io.ReadWriteCloser
	Finish() map[string]string
}

// Run runs all scripts that match the pattern, each with a peer of its own.
func Run(t *testing.T, pattern string, connect func(*testing.T, *Script) Peer) {
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no scripts in %s (%v)", pattern, err)
	}
	for _, name := range names {
		s, err := Read(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)), func(t *testing.T) { s.Run(t, connect) })
	}
}

// Read reads a script.
func Read(name string) (*Script, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	s := &Script{Name: name, Sections: make(map[string]string)}
	section := ""
	for line := range strings.Lines(string(data)) {
		if heading := strings.TrimSpace(line); strings.HasPrefix(heading, "-- ") && strings.HasSuffix(heading, " --") {
			section = strings.TrimSpace(heading[2 : len(heading)-2])
			if _, twice := s.Sections[section]; twice {
				return nil, fmt.Errorf("%s: two sections %q", name, section)
			}
			s.Sections[section] = ""
			continue
		}
		if section == "" {
			s.About += line
		} else {
			s.Sections[section] += line
		}
	}
	if s.Sections["session"] == "" {
		return nil, fmt.Errorf("%s: no section session", name)
	}
	return s, nil
}

// Run runs one script.
func (s *Script) Run(t *testing.T, connect func(*testing.T, *Script) Peer) {
	t.Helper()
	peer := connect(t, s)
	in := bufio.NewReader(peer)
	line := 0
	for text := range strings.SplitSeq(strings.TrimRight(s.Sections["session"], "\n"), "\n") {
		line++
		if err := step(text, in, peer); err != nil {
			t.Errorf("%s: line %d of the session: %v", s.Name, line, err)
			break
		}
	}
	peer.Close()
	left := peer.Finish()
	for name, got := range left {
		want, listed := s.Sections[name]
		if listed {
			compare(t, s.Name+": "+name, want, got)
		}
	}
}

// step does one line of a session.
func step(text string, in *bufio.Reader, out io.Writer) error {
	switch {
	case text == "" || strings.HasPrefix(text, "#"):
		return nil
	case strings.HasPrefix(text, "C: "), text == "C:":
		_, err := io.WriteString(out, strings.TrimPrefix(text[2:], " ")+"\r\n")
		return err
	case strings.HasPrefix(text, "C| "):
		_, err := io.WriteString(out, Unescape(text[3:]))
		return err
	case strings.HasPrefix(text, "S: "):
		return expect(text[3:], in)
	}
	return fmt.Errorf("what is %q?", text)
}

func expect(want string, in *bufio.Reader) error {
	got, err := in.ReadString('\n')
	if want == "<closed>" {
		if err == nil || got != "" {
			return fmt.Errorf("got %q, want the end of the connection", got)
		}
		return nil
	}
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("wait for %q: %w", want, err)
	case err != nil:
		return fmt.Errorf("the connection ended (after %q), want %q", got, want)
	case !strings.HasSuffix(got, "\r\n"):
		return fmt.Errorf("got %q without CR LF", got)
	case !Match(want, strings.TrimSuffix(got, "\r\n")):
		return fmt.Errorf("\ngot  %s\nwant %s", strings.TrimSuffix(got, "\r\n"), want)
	}
	return nil
}

// Match reports whether text is what pattern says; * is any text.
func Match(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}

// compare compares line by line.
func compare(t *testing.T, what, want, got string) {
	t.Helper()
	wanted, found := lines(want), lines(got)
	for i := range max(len(wanted), len(found)) {
		w, g := "(nothing)", "(nothing)"
		if i < len(wanted) {
			w = wanted[i]
		}
		if i < len(found) {
			g = found[i]
		}
		if i >= len(wanted) || i >= len(found) || !Match(w, g) {
			t.Errorf("%s: line %d\ngot  %s\nwant %s\nall of it:\n%s", what, i+1, g, w, got)
			return
		}
	}
}

func lines(text string) []string {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// Unescape understands \r, \n, \t, \\ and \xHH.
func Unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 'r':
			b.WriteByte('\r')
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'x':
			if n, err := strconv.ParseUint(s[min(i+1, len(s)):min(i+3, len(s))], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
