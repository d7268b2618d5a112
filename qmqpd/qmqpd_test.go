package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"postrider/lib/base/stream"
	"postrider/lib/service/cleanup"
)

// A script is a connection that has said all that it will say.
type script struct {
	io.Reader
	err error // after it
}

func (s *script) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == io.EOF {
		err = s.err
	}
	return n, err
}
func (s *script) Write(p []byte) (int, error)    { return len(p), nil }
func (s *script) Close() error                   { return nil }
func (s *script) SetTimeout(time.Duration) error { return nil }

func netstring(parts ...string) string {
	text := strings.Join(parts, "")
	return fmt.Sprintf("%d:%s,", len(text), text)
}

func pack(parts ...string) string {
	text := ""
	for _, part := range parts {
		text += netstring(part)
	}
	return netstring(text)
}

func read(text string, after error) (letter, error) {
	return readLetter(&reader{Stream: stream.New(&script{strings.NewReader(text), after})})
}

// Packages, and what stock systems say about them.
func TestReadLetter(t *testing.T) {
	conf.MessageSizeLimit, conf.LineLengthLimit = 100, 20
	const hello = "Subject: x\n\nhello\n"
	good := pack(hello, "joe@x", "ann@y", "bob@z")
	m, err := read(good, io.EOF)
	if err != nil || string(m.content) != hello || m.sender != "joe@x" || strings.Join(m.recipients, " ") != "ann@y bob@z" {
		t.Errorf("%+v, %v", m, err)
	}
	for _, test := range []struct {
		text, want string
		after      error
		client     bool
	}{
		{"0:,", "netstring format error while receiving message content", nil, true},
		{"hello\n", "netstring format error while receiving QMQP packet header", nil, true},
		{":", "netstring format error while receiving QMQP packet header", nil, true},
		{"007:", "netstring format error while receiving QMQP packet header", nil, true},
		{"9999999999999999999:", "netstring format error while receiving QMQP packet header", nil, true},
		{"10:5:hello;", "netstring format error while receiving message content", nil, true},
		{pack(hello), "netstring format error while receiving sender address", nil, true},
		{good[:len(good)-1] + "x", "netstring format error while receiving recipient address", nil, true},
		{netstring(netstring(hello), netstring("joe"), "3:abcd,"), "netstring format error while receiving recipient address", nil, true},
		{netstring(netstring(hello), netstring("joe"), "9:abcd,"), "netstring format error while receiving recipient address", nil, true},
		{pack(strings.Repeat("x", 101), "a", "b"), "netstring length exceeds storage limit while receiving message content", nil, true},
		{pack("x", strings.Repeat("x", 21), "b"), "netstring length exceeds storage limit while receiving sender address", nil, true},
		{"999999999999999999:999999999999999990:x", "netstring length exceeds storage limit while receiving message content", nil, true},
		{"100:50:short", "lost connection while receiving message content", io.EOF, false},
		{"", "lost connection while receiving QMQP packet header", io.EOF, false},
		{good[:len(good)-1], "lost connection while receiving recipient address", io.EOF, false},
		{"10:", "read/write timeout while receiving message content", stream.ErrTimeout, false},
	} {
		if test.after == nil {
			test.after = io.EOF
		}
		_, err := read(test.text, test.after)
		found, ok := err.(trouble)
		if !ok || err.Error() != test.want || found.ofClient() != test.client {
			t.Errorf("%.60q: %v, want %s", test.text, err, test.want)
		}
	}
	for i := range good {
		if _, err := read(good[:i], io.EOF); err == nil {
			t.Errorf("%q is a package", good[:i])
		}
	}
}

func FuzzReadLetter(f *testing.F) {
	f.Add(pack("x", "joe@x", "ann@y"))
	f.Fuzz(func(t *testing.T, text string) {
		conf.MessageSizeLimit, conf.LineLengthLimit = 100, 20
		read(text, io.EOF)
	})
}

func TestCheck(t *testing.T) {
	conf.Verp.VerpDelimiterFilter = "-=+"
	for _, test := range []struct{ sender, recipients, want, verp, why string }{
		{"joe@x", "ann@y", "joe@x", "", ""},
		{"", "ann@y", "", "", ""},
		{"list-@x-@[]", "ann@y", "list@x", "-=", ""},
		{"list+@x-@[]", "ann@y", "list@x", "+=", ""},
		{"listx@x-@[]", "ann@y", "", "", `Invalid VERP delimiters: "x=". Need two characters from "-=+"`},
		{"-@[]", "ann@y", "-@[]", "", ""},
		{"joe@x", "", "", "", "no recipients specified"},
		{"jo\x00e@x", "ann@y", "", "", "bad address syntax"},
		{"joe@x", "ann@y b\nc", "", "", "bad address syntax"},
	} {
		m := letter{sender: test.sender}
		if test.recipients != "" {
			m.recipients = strings.Split(test.recipients, " ")
		}
		if why := m.check(); why != test.why || why == "" && (m.sender != test.want || m.verp != test.verp) {
			t.Errorf("%q: %q %q %q", test.sender, m.sender, m.verp, why)
		}
	}
}

func TestVerdict(t *testing.T) {
	s := &session{id: "ID"}
	for _, test := range []struct {
		status cleanup.Status
		reason string
		want   string
	}{
		{0, "", "K Ok: queued as ID"},
		{cleanup.StatusHops, "", "D Error: too many hops"},
		{cleanup.StatusSize, "", "D Error: message file too big"},
		{cleanup.StatusWrite, "", "Z Error: queue file write error"},
		{cleanup.StatusCont, "5.7.1 no spam", "D Error: 5.7.1 no spam"},
		{cleanup.StatusDefer, "4.7.1 later", "Z Error: 4.7.1 later"},
	} {
		if a := s.verdict(test.status, test.reason, nil); string(a.word)+" "+a.text != test.want {
			t.Errorf("%d: %c %s", test.status, a.word, a.text)
		}
	}
	if a := s.verdict(0, "", io.EOF); a.word != retry {
		t.Errorf("%c", a.word)
	}
}
