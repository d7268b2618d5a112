package database

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"postrider/lib/base/table/driver"
	"postrider/lib/base/table/settings"
	"postrider/lib/base/text"
)

// A Conn is a connection to a server.
type Conn interface{ Close() error }

// Servers are those that a table may ask. They are tried in random order: first
// those with a connection, then UNIX-domain sockets, then others.
type Servers[C Conn] struct {
	dial  func(host Host) (C, error)
	hosts []*server[C]
	idle  time.Duration // how long a connection is kept without use
	retry time.Duration // how long a server that failed is left alone
}

// A Host is an item of the parameter hosts.
type Host struct {
	Unix    bool
	Address string // path, "host", "host:port", or a URI
}

func (h Host) String() string { return h.Address }

type server[C Conn] struct {
	Host
	conn   C
	open   bool
	used   time.Time
	failed time.Time // zero when it has not
}

// NewServers reads the parameters hosts, idle_interval and retry_interval.
func NewServers[C Conn](s *settings.Settings, dial func(Host) (C, error)) *Servers[C] {
	l := &Servers[C]{dial: dial}
	for _, item := range text.Split(s.Text("hosts", "localhost")) {
		h := Host{Address: strings.TrimPrefix(item, "inet:")}
		if path, ok := strings.CutPrefix(item, "unix:"); ok {
			h = Host{Unix: true, Address: path}
		}
		l.hosts = append(l.hosts, &server[C]{Host: h})
	}
	if len(l.hosts) == 0 {
		s.Bad("need a value of hosts")
	}
	l.idle = time.Duration(s.Number("idle_interval", 60, 1)) * time.Second
	l.retry = time.Duration(s.Number("retry_interval", 60, 1)) * time.Second
	return l
}

// Refused is an error that another server would give as well.
type Refused struct{ Err error }

func (r Refused) Error() string { return r.Err.Error() }
func (r Refused) Unwrap() error { return r.Err }

// Do calls f with a connection, and with one to another server when that fails.
// A connection that was kept may have ended meanwhile: its server gets a second
// chance.
func (l *Servers[C]) Do(f func(C) error) error {
	var failures error
	for _, s := range l.order() {
		for range 2 {
			kept := s.open && time.Since(s.used) < l.idle
			err := l.try(s, f)
			var refused Refused
			if err == nil || errors.As(err, &refused) {
				return err
			}
			if !kept {
				s.failed = time.Now()
				failures = errors.Join(failures, fmt.Errorf("%s: %w", s.Host, err))
				if len(l.hosts) > 1 {
					driver.Warn("%s: %v", s.Host, err)
				}
				break
			}
		}
	}
	if failures == nil {
		return fmt.Errorf("no server can be asked: all of them failed less than %v ago", l.retry)
	}
	return failures
}

// order returns the servers that may be asked now.
func (l *Servers[C]) order() []*server[C] {
	var ranks [3][]*server[C]
	for _, i := range rand.Perm(len(l.hosts)) {
		switch s := l.hosts[i]; {
		case s.open:
			ranks[0] = append(ranks[0], s)
		case !s.failed.IsZero() && time.Since(s.failed) < l.retry:
		case s.Unix:
			ranks[1] = append(ranks[1], s)
		default:
			ranks[2] = append(ranks[2], s)
		}
	}
	return append(append(ranks[0], ranks[1]...), ranks[2]...)
}

func (l *Servers[C]) try(s *server[C], f func(C) error) (err error) {
	if s.open && time.Since(s.used) >= l.idle {
		l.drop(s)
	}
	if !s.open {
		if s.conn, err = l.dial(s.Host); err != nil {
			return err
		}
		s.open = true
	}
	if err = f(s.conn); err != nil {
		l.drop(s)
		return err
	}
	s.used, s.failed = time.Now(), time.Time{}
	return nil
}

func (l *Servers[C]) drop(s *server[C]) {
	s.open = false
	s.conn.Close()
}
