package starttls

import (
	"crypto/tls"
	"net"
	"time"

	"postrider/lib/base/stream"
)

// A lower is the connection below TLS, as crypto/tls wants it. A read of TLS may
// need many reads below; they end together, so that nobody can hold us up with a
// byte now and then.
type lower struct {
	stream.Conn
	until time.Time // zero: no limit
}

func (l *lower) limit() error {
	if l.until.IsZero() {
		return l.Conn.SetTimeout(0)
	}
	left := time.Until(l.until)
	if left <= 0 {
		return stream.ErrTimeout
	}
	return l.Conn.SetTimeout(left)
}

func (l *lower) Read(p []byte) (int, error) {
	if err := l.limit(); err != nil {
		return 0, err
	}
	return l.Conn.Read(p)
}

func (l *lower) Write(p []byte) (int, error) {
	if err := l.limit(); err != nil {
		return 0, err
	}
	for n := 0; n < len(p); {
		m, err := l.Conn.Write(p[n:])
		if err != nil {
			return n, err
		}
		n += m
	}
	return len(p), nil
}

// What crypto/tls asks for but does not need.
func (l *lower) LocalAddr() net.Addr              { return unknown{} }
func (l *lower) RemoteAddr() net.Addr             { return unknown{} }
func (l *lower) SetDeadline(time.Time) error      { return nil }
func (l *lower) SetReadDeadline(time.Time) error  { return nil }
func (l *lower) SetWriteDeadline(time.Time) error { return nil }

// unknown is the address of a stream.Conn.
type unknown struct{}

func (unknown) Network() string { return "stream" }
func (unknown) String() string  { return "unknown" }

// A Session is a connection with TLS: the stream.Conn of what comes after
// STARTTLS.
type Session struct {
	State tls.ConnectionState
	Trust Trust

	// Problem is why the certificate does not prove what the level asks for, with %s
	// for the peer's name; empty when it does, or when nobody knows.
	Problem string

	tls     *tls.Conn
	lower   *lower
	timeout time.Duration

	ours  *tls.Certificate      // that we showed
	asked []tls.SignatureScheme // that the server knows
}

// SetTimeout limits each following read or write; 0 means no limit.
func (s *Session) SetTimeout(d time.Duration) error {
	s.timeout = d
	s.begin()
	return nil
}

// begin sets the limit of a read or write. Without limits it changes nothing, so
// that one goroutine can read while another one writes.
func (s *Session) begin() {
	switch {
	case s.timeout > 0:
		s.lower.until = time.Now().Add(s.timeout)
	case !s.lower.until.IsZero():
		s.lower.until = time.Time{}
	}
}

// Read reads what the other side has sent.
func (s *Session) Read(p []byte) (int, error) {
	s.begin()
	return s.tls.Read(p)
}

// Write sends p.
func (s *Session) Write(p []byte) (int, error) {
	s.begin()
	return s.tls.Write(p)
}

// Close ends TLS and the connection below. It waits for a full socket no longer
// than a second.
func (s *Session) Close() error {
	s.lower.until = time.Now().Add(time.Second)
	return s.tls.Close()
}
