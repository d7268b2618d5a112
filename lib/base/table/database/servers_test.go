package database

import (
	"errors"
	"strings"
	"testing"
	"time"

	"postrider/lib/base/table/settings"
)

// A conn is a connection to a server of the test.
type conn struct {
	to   string
	dead bool
}

func (c *conn) Close() error { return nil }

// S5: sockets go before others, a server that fails is left alone, a connection
// that was kept gets a second chance.
func TestServers(t *testing.T) {
	down := map[string]bool{"/socket": true}
	dials := map[string]int{}
	s := &settings.Settings{Values: map[string]string{"hosts": "inet:a:1 unix:/socket b"}}
	l := NewServers(s, func(h Host) (*conn, error) {
		dials[h.Address]++
		if down[h.Address] {
			return nil, errors.New("connection refused")
		}
		return &conn{to: h.Address}, nil
	})
	var last *conn
	ask := func(c *conn) error {
		if last = c; c.dead {
			return errors.New("the connection has ended")
		}
		return nil
	}
	if err := l.Do(ask); err != nil || last.to == "/socket" || dials["/socket"] != 1 {
		t.Fatal(err, last, dials)
	}
	first := last
	if err := l.Do(ask); err != nil || last != first || dials["/socket"] != 1 {
		t.Error("another connection, or the socket again", err, dials)
	}
	first.dead = true
	if err := l.Do(ask); err != nil || last == first || last.to != first.to {
		t.Error("no second chance", err, last)
	}
	refused := errors.New("no")
	if err := l.Do(func(*conn) error { return Refused{refused} }); !errors.Is(err, refused) {
		t.Error(err)
	}
	for _, host := range []string{"a:1", "b"} {
		down[host] = true
	}
	last.dead = true
	err := l.Do(ask)
	if err == nil || !strings.Contains(err.Error(), "a:1: connection refused") || !strings.Contains(err.Error(), "b: connection refused") {
		t.Error(err)
	}
	if err := l.Do(ask); err == nil || !strings.Contains(err.Error(), "all of them failed") {
		t.Error(err)
	}
	for _, s := range l.hosts { // a moment later, and long before the retry interval is over
		s.hurry = time.Now().Add(-time.Millisecond)
	}
	down["/socket"] = false
	if err := l.Do(ask); err != nil || last.to != "/socket" {
		t.Error(err, last)
	}
}
