// Package stream buffers two-way byte streams between a program and one peer.
//
// Single-client daemons use blocking descriptors (FD) on one goroutine; in Go
// this costs half the CPU of the network poller. Daemons with many clients
// wrap a net.Conn instead.
package stream

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// A Conn is what a Stream reads from and writes to.
type Conn interface {
	io.ReadWriteCloser
	// SetTimeout limits each following read or write; 0 means no limit.
	SetTimeout(time.Duration) error
}

// ErrTooLong says that a line or a value is longer than the caller allows.
var ErrTooLong = errors.New("input is longer than the limit")

// bufferSize fits the processor's cache; larger buffers measured slower.
const bufferSize = 16 * 1024

// A Stream reads and writes through buffers. Before it waits for input it
// sends what was written, so a peer never waits for bytes that are held back.
type Stream struct {
	conn     Conn
	in       []byte
	start    int // in[start:end] was read and not yet taken
	end      int
	out      []byte
	err      error // of writing; kept until Reset
	timeout  time.Duration
	deadline time.Time
}

// New returns a Stream over conn.
func New(conn Conn) *Stream {
	return &Stream{conn: conn, in: make([]byte, bufferSize), out: make([]byte, 0, bufferSize)}
}

// Reset forgets all state and goes on with another connection. Buffers are
// kept, so a daemon allocates them once in its life.
func (s *Stream) Reset(conn Conn) {
	s.conn, s.start, s.end, s.out, s.err = conn, 0, 0, s.out[:0], nil
	s.timeout, s.deadline = 0, time.Time{}
}

// Conn returns what lies below, for those who need the descriptor.
func (s *Stream) Conn() Conn { return s.conn }

// SetTimeout limits the wait of each read and write.
func (s *Stream) SetTimeout(d time.Duration) {
	if d != s.timeout {
		s.timeout = d
		s.conn.SetTimeout(d)
	}
}

// SetDeadline limits all reads until the time t; the zero time removes the
// limit and the time-out set before rules again.
func (s *Stream) SetDeadline(t time.Time) {
	if t.IsZero() && !s.deadline.IsZero() {
		s.conn.SetTimeout(s.timeout)
	}
	s.deadline = t
}

// fill waits for input. It moves what is left to the front first.
func (s *Stream) fill() error {
	if err := s.Flush(); err != nil {
		return err
	}
	if s.start > 0 {
		copy(s.in, s.in[s.start:s.end])
		s.end -= s.start
		s.start = 0
	}
	if s.end == len(s.in) {
		s.in = append(s.in, make([]byte, len(s.in))...)
	}
	if !s.deadline.IsZero() {
		left := time.Until(s.deadline)
		if left <= 0 {
			return ErrTimeout
		}
		s.conn.SetTimeout(left)
	}
	n, err := s.conn.Read(s.in[s.end:])
	if n > 0 {
		s.end += n
		return nil
	}
	if err == nil {
		err = io.EOF
	}
	return err
}

// Buffered is the number of bytes that can be read without waiting.
func (s *Stream) Buffered() int { return s.end - s.start }

// Unread returns the buffered input without taking it. It is valid until the
// next call.
func (s *Stream) Unread() []byte { return s.in[s.start:s.end] }

// Discard takes n buffered bytes.
func (s *Stream) Discard(n int) { s.start += n }

// Peek waits until n bytes are there and returns them without taking them.
func (s *Stream) Peek(n int) ([]byte, error) {
	for s.end-s.start < n {
		if err := s.fill(); err != nil {
			return s.in[s.start:s.end], s.partial(err)
		}
	}
	return s.in[s.start : s.start+n], nil
}

// Prefetch takes what a socket has already received, without waiting and
// without sending what was written. It saves a wake-up of a peer that does not
// wait for our greeting.
func (s *Stream) Prefetch() {
	if c, ok := s.conn.(interface{ received([]byte) int }); ok && s.end < len(s.in) {
		s.end += c.received(s.in[s.end:])
	}
}

// partial tells the end of the stream in the middle of something apart from an
// end between two things.
func (s *Stream) partial(err error) error {
	if err == io.EOF && s.end > s.start {
		return io.ErrUnexpectedEOF
	}
	return err
}

// ReadByte takes one byte.
func (s *Stream) ReadByte() (byte, error) {
	if s.start == s.end {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	c := s.in[s.start]
	s.start++
	return c, nil
}

// Read takes what is there, or waits for some.
func (s *Stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if s.start == s.end {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.in[s.start:s.end])
	s.start += n
	return n, nil
}

// Next takes exactly n bytes. They are valid until the next read.
func (s *Stream) Next(n int) ([]byte, error) {
	if s.end-s.start < n && n > len(s.in) {
		grown := make([]byte, n)
		s.end = copy(grown, s.in[s.start:s.end])
		s.start, s.in = 0, grown
	}
	b, err := s.Peek(n)
	if err != nil {
		return nil, err
	}
	s.start += n
	return b, nil
}

// ReadSlice takes bytes up to and including the delimiter. They are valid
// until the next read. When limit bytes came without a delimiter, it takes
// them and returns ErrTooLong with them.
func (s *Stream) ReadSlice(delim byte, limit int) ([]byte, error) {
	seen := 0
	for {
		window := s.in[s.start:s.end]
		if len(window) > limit {
			window = window[:limit]
		}
		if i := bytes.IndexByte(window[seen:], delim); i >= 0 {
			line := window[:seen+i+1]
			s.start += len(line)
			return line, nil
		}
		if len(window) == limit {
			s.start += limit
			return window, ErrTooLong
		}
		seen = len(window)
		if err := s.fill(); err != nil {
			return s.in[s.start:s.end], s.partial(err)
		}
	}
}

// Write buffers p; it is sent when the buffer is full, at Flush, or when the
// stream has to wait for input.
func (s *Stream) Write(p []byte) (int, error) {
	if len(s.out)+len(p) > cap(s.out) {
		if err := s.Flush(); err != nil {
			return 0, err
		}
		if len(p) >= cap(s.out) {
			return len(p), s.send(p)
		}
	}
	s.out = append(s.out, p...)
	return len(p), s.err
}

// WriteString buffers text.
func (s *Stream) WriteString(text string) (int, error) {
	if len(s.out)+len(text) > cap(s.out) {
		return s.Write([]byte(text))
	}
	s.out = append(s.out, text...)
	return len(text), s.err
}

// WriteByte buffers one byte.
func (s *Stream) WriteByte(c byte) error {
	if len(s.out) == cap(s.out) {
		if err := s.Flush(); err != nil {
			return err
		}
	}
	s.out = append(s.out, c)
	return s.err
}

// Available returns an empty slice with the free room of the output buffer,
// for append-style encoders; pass the result to Write.
func (s *Stream) Available() []byte { return s.out[len(s.out):] }

// Flush sends what was written.
func (s *Stream) Flush() error {
	if len(s.out) == 0 {
		return s.err
	}
	err := s.send(s.out)
	s.out = s.out[:0]
	return err
}

func (s *Stream) send(p []byte) error {
	if s.err != nil {
		return s.err
	}
	if !s.deadline.IsZero() {
		left := time.Until(s.deadline)
		if left <= 0 {
			s.err = ErrTimeout
			return s.err
		}
		s.conn.SetTimeout(left)
	}
	for len(p) > 0 {
		n, err := s.conn.Write(p)
		if err != nil {
			s.err = err
			return err
		}
		p = p[n:]
	}
	return nil
}

// Close sends what was written and closes the connection.
func (s *Stream) Close() error {
	err := s.Flush()
	if e := s.conn.Close(); err == nil {
		err = e
	}
	return err
}
