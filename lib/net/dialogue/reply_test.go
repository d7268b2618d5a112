package dialogue

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"postrider/lib/base/stream"
)

// a peer that says text and then hangs up.
type peer struct{ io.Reader }

func (peer) Write(p []byte) (int, error)    { return len(p), nil }
func (peer) Close() error                   { return nil }
func (peer) SetTimeout(time.Duration) error { return nil }

func reader(text string) *Reader {
	return &Reader{Stream: stream.New(peer{strings.NewReader(text)})}
}

func TestRead(t *testing.T) {
	for _, test := range []struct{ in, status, text string }{
		{"250 2.1.5 Ok\r\n", "2.1.5", "250 2.1.5 Ok"},
		{"250 Ok\n", "2.0.0", "250 Ok"},
		{"250\r\n", "2.0.0", "250"},
		{"550-5.1.1 no\r\n550 5.7.1 such\r\n", "5.7.1", "550-5.1.1 no 550 5.7.1 such"},
		{"450 5.1.1 confused\r\n", "4.0.0", "450 5.1.1 confused"},
		{"354 3.0.0 go\r\n", "3.0.0", "354 3.0.0 go"},
		{"999 what\r\n", "5.5.0", "999 what"},
		{"junk\r\n250 Ok\r\n", "2.0.0", "250 Ok"},
		{"220 a\x01b\r\n", "2.0.0", "220 a?b"},
		{"220 " + strings.Repeat("x", 5000) + "\r\n", "2.0.0", "220 " + strings.Repeat("x", lineLimit-4)},
	} {
		reply, err := reader(test.in).Read()
		if err != nil || string(reply.Status) != test.status || reply.Text() != test.text {
			t.Errorf("%.60q: got %q %.80q, %v", test.in, reply.Status, reply.Text(), err)
		}
	}
}

func TestReadBad(t *testing.T) {
	r := reader("2500 Ok\r\n250 Ok\r\n")
	var junk string
	r.Strict, r.Junk = true, func(line string) { junk = line }
	if _, err := r.Read(); !errors.Is(err, ErrNotSMTP) || junk != "2500 Ok" {
		t.Errorf("strict: got %v, junk %q", err, junk)
	}
	if _, err := reader("250-half\r\n").Read(); err == nil {
		t.Error("an end in the middle of a reply is no error")
	}
	if _, err := reader(strings.Repeat("x\n", 500) + "250 Ok\n").Read(); !errors.Is(err, ErrNotSMTP) {
		t.Errorf("endless junk: got %v", err)
	}
}

func TestFilter(t *testing.T) {
	r := reader("250-PIPELINING\r\n250 DSN\r\n")
	r.Filter = func(line string) string { return strings.Replace(line, "PIPELINING", "X", 1) }
	if reply, err := r.Read(); err != nil || reply.Text() != "250-X 250 DSN" {
		t.Errorf("got %q, %v", reply.Text(), err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("250-a\r\n250 2.0.0 b\r\n", true)
	f.Fuzz(func(t *testing.T, text string, strict bool) {
		r := reader(text)
		r.Strict = strict
		reply, err := r.Read()
		if err == nil && (reply.Code < 1 || reply.Code > 999 || !reply.Status.Valid()) {
			t.Errorf("got %+v", reply)
		}
	})
}
