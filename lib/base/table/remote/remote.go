// Package remote is what the table types have in common whose answers come from a
// server: a connection that is kept, and made again when it broke.
package remote

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
)

// An Endpoint is where a server listens.
type Endpoint struct {
	Network string // "tcp" or "unix"
	Address string // "host:port" or a path
}

// Parse reads "inet:host:port" or "unix:path".
func Parse(text string) (Endpoint, error) {
	network, address, _ := strings.Cut(text, ":")
	switch {
	case network == "unix" && address != "":
		return Endpoint{"unix", address}, nil
	case network == "inet":
		return HostPort(address)
	}
	return Endpoint{}, fmt.Errorf("bad server address %q: need inet:host:port or unix:path", text)
}

// HostPort reads "host:port"; an IPv6 address is in brackets.
func HostPort(text string) (Endpoint, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" || port == "" {
		return Endpoint{}, fmt.Errorf("bad server address %q: need host:port", text)
	}
	return Endpoint{"tcp", net.JoinHostPort(host, port)}, nil
}

// A Server answers for a table. Several goroutines take turns.
type Server struct {
	Endpoint
	Title   string        // what messages call it: "TCP map "
	Timeout time.Duration // for connecting, and for each read and write
	Idle    time.Duration // a connection is not used any more after such a pause; 0 means no limit
	Life    time.Duration // nor when it is so old
	Tries   int           // how often a request is sent
	Pause   time.Duration // between two tries
	Refused bool          // whether a server that accepts no connection is tried again

	mu     sync.Mutex
	conn   *stream.Stream
	opened time.Time
	used   time.Time
}

// ErrReply marks a reply that makes no sense. Asking again would not help, and
// nothing more is read from that connection.
var ErrReply = errors.New("malformed reply")

// Do calls f with a connection, again with a new one when that fails. The first
// failure of a connection that was kept is no news: the server may have ended it.
func (s *Server) Do(f func(*stream.Stream) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for try := 1; ; try++ {
		kept := s.conn != nil && !s.expired()
		err := s.connect()
		connected := err == nil
		if connected {
			err = f(s.conn)
			s.used = time.Now()
		}
		if err == nil {
			return nil
		}
		s.drop()
		last := errors.Is(err, ErrReply) || try >= s.Tries || !connected && !s.Refused
		if !connected {
			msg.Warn("connect to %s%s: %v", s.Title, s.Address, err)
		} else if !last && !kept {
			msg.Warn("%s: %v; trying again", s.Address, err)
		}
		if last {
			return err
		}
		if !kept {
			time.Sleep(s.Pause)
		}
	}
}

func (s *Server) expired() bool {
	return s.Idle > 0 && time.Since(s.used) > s.Idle || s.Life > 0 && time.Since(s.opened) > s.Life
}

func (s *Server) connect() error {
	if s.conn != nil && !s.expired() {
		return nil
	}
	s.drop()
	c, err := net.DialTimeout(s.Network, s.Address, s.Timeout)
	if err != nil {
		return reason(err)
	}
	s.conn = stream.New(stream.Net(c))
	s.conn.SetTimeout(s.Timeout)
	s.opened, s.used = time.Now(), time.Now()
	return nil
}

// reason is what the system says, without the names of calls.
func reason(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}

func (s *Server) drop() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// Close ends the connection.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
	return nil
}
