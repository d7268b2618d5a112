package stream

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pieces gives its text a few bytes at a time, and remembers what is written.
type pieces struct {
	in   []byte
	out  bytes.Buffer
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.in) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(p.size, len(b))], p.in)
	p.in = p.in[n:]
	return n, nil
}

func (p *pieces) Write(b []byte) (int, error)    { return p.out.Write(b) }
func (p *pieces) Close() error                   { return nil }
func (p *pieces) SetTimeout(time.Duration) error { return nil }

func TestReadSlice(t *testing.T) {
	s := New(&pieces{in: []byte("one\ntwo\n" + strings.Repeat("x", 10) + "\nend"), size: 3})
	for _, want := range []string{"one\n", "two\n"} {
		if line, err := s.ReadSlice('\n', 100); err != nil || string(line) != want {
			t.Fatalf("%q %v", line, err)
		}
	}
	if line, err := s.ReadSlice('\n', 4); err != ErrTooLong || string(line) != "xxxx" {
		t.Fatalf("%q %v", line, err)
	}
	if line, err := s.ReadSlice('\n', 100); err != nil || len(line) != 7 {
		t.Fatalf("%q %v", line, err)
	}
	if line, err := s.ReadSlice('\n', 100); err != io.ErrUnexpectedEOF || string(line) != "end" {
		t.Fatalf("%q %v", line, err)
	}
}

// A value larger than the buffer arrives whole.
func TestNext(t *testing.T) {
	text := strings.Repeat("0123456789", 5000)
	s := New(&pieces{in: []byte("ab" + text), size: 700})
	s.ReadByte()
	s.ReadByte()
	b, err := s.Next(len(text))
	if err != nil || string(b) != text {
		t.Fatal(len(b), err)
	}
	if _, err := s.Next(1); err != io.EOF {
		t.Error(err)
	}
}

// What was written goes out before the stream waits, and not earlier.
func TestFlushBeforeRead(t *testing.T) {
	p := &pieces{in: []byte("x"), size: 1}
	s := New(p)
	s.WriteString("question")
	if p.out.Len() != 0 {
		t.Error("written at once")
	}
	s.ReadByte()
	if p.out.String() != "question" {
		t.Errorf("%q", p.out.String())
	}
	big := strings.Repeat("y", 3*bufferSize)
	s.WriteString(big)
	s.Flush()
	if p.out.String() != "question"+big {
		t.Error(p.out.Len())
	}
}

func TestTimeout(t *testing.T) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fds[1])
	s := New(FD(fds[0]))
	defer s.Close()
	s.SetTimeout(20 * time.Millisecond)
	if _, err := s.ReadByte(); !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
	s.SetTimeout(time.Hour)
	s.SetDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := s.ReadByte(); !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
	s.SetDeadline(time.Time{})
	syscall.Write(fds[1], []byte("hi"))
	s.Prefetch()
	if s.Buffered() != 2 {
		t.Errorf("%d bytes", s.Buffered())
	}
}
