package database

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"postrider/lib/base/table/driver"
	"postrider/lib/base/table/settings"
	"postrider/lib/base/text"
)

// A Conn is a connection to a server.
type Conn interface{ Close() error }

// Servers are those that a table may ask. They are tried in random order: first
// those with a connection, then UNIX-domain sockets, then others. One that failed is
// left alone for a while; when all have, for ten times as long as it took to fail: a
// server that is back, or the only one, shall not be missed for a minute.
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
	conn  C
	open  bool
	used  time.Time
	again time.Time // not before, after it failed
	hurry time.Time // not before, when there is no other
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
			kept, begin := s.open && time.Since(s.used) < l.idle, time.Now()
			err := l.try(s, f)
			var refused Refused
			if err == nil || errors.As(err, &refused) {
				return err
			}
			if !kept {
				s.again = time.Now().Add(l.retry)
				s.hurry = time.Now().Add(min(l.retry, max(time.Second, 10*time.Since(begin))))
				failures = errors.Join(failures, fmt.Errorf("%s: %w", s.Host, err))
				if len(l.hosts) > 1 {
					driver.Warn("%s: %v", s.Host, err)
				}
				break
			}
		}
	}
	if failures == nil {
		return errors.New("no server can be asked: all of them failed a moment ago")
	}
	return failures
}

// order returns the servers that may be asked now.
func (l *Servers[C]) order() []*server[C] {
	var ranks [3][]*server[C]
	var last []*server[C]
	now := time.Now()
	for _, i := range rand.Perm(len(l.hosts)) {
		switch s := l.hosts[i]; {
		case s.open:
			ranks[0] = append(ranks[0], s)
		case now.Before(s.again):
			if now.After(s.hurry) {
				last = append(last, s)
			}
		case s.Unix:
			ranks[1] = append(ranks[1], s)
		default:
			ranks[2] = append(ranks[2], s)
		}
	}
	if list := slices.Concat(ranks[:]...); len(list) > 0 {
		return list
	}
	return last
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
	s.used, s.again = time.Now(), time.Time{}
	return nil
}

func (l *Servers[C]) drop(s *server[C]) {
	s.open = false
	s.conn.Close()
}
