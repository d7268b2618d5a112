// Package ipc is how the daemons of the suite reach each other: stream sockets
// below public/ and private/ where the server speaks first, and one-way
// wake-ups.
package ipc

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
)

// A protocol announcement is the first list that a server sends.
type protocol struct {
	Protocol string `attr:"protocol"`
}

// Dial connects to the socket of a service, such as "private/rewrite". The
// timeout limits the connect and each later read and write; 0 means none.
func Dial(path string, timeout time.Duration) (*stream.Stream, error) {
	s := stream.New(nil)
	return s, DialInto(s, path, timeout)
}

// DialInto is Dial with a stream whose buffers are used again.
func DialInto(s *stream.Stream, path string, timeout time.Duration) error {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	s.Reset(stream.Local{FD: stream.FD(fd)})
	if timeout > 0 {
		s.SetTimeout(timeout)
	}
	for {
		err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil && err != syscall.EISCONN {
		syscall.Close(fd)
		return &os.PathError{Op: "connect to", Path: path, Err: err}
	}
	return nil
}

// Announce buffers the announcement of a server; it goes out with the first
// flush.
func Announce(s *stream.Stream, name string) error { return attr.Write(s, protocol{name}) }

// Expect reads the announcement of a server and checks it.
func Expect(s *stream.Stream, name string) error {
	var p protocol
	if err := attr.Read(s, &p); err != nil {
		return fmt.Errorf("%s announcement: %w", name, err)
	}
	if p.Protocol != name {
		return fmt.Errorf("%s announcement: the server speaks %q", name, p.Protocol)
	}
	return nil
}

// A critical service is tried this often, with this pause.
const (
	criticalTries = 10
	criticalPause = 10 * time.Second
)

// DialCritical connects to a service without which nothing works. It waits for
// one that is not there yet, and says so; after ten tries it gives up.
func DialCritical(s *stream.Stream, path string, timeout time.Duration) error {
	for try := 1; ; try++ {
		err := DialInto(s, path, timeout)
		if err == nil || try > criticalTries {
			return err
		}
		msg.Warn("connect #%d to subsystem %s: %v", try, path, err)
		time.Sleep(criticalPause)
	}
}

// A Client asks a service one question after the other over a connection that
// it keeps. It is not safe for concurrent use.
type Client struct {
	Path     string        // "private/rewrite"
	Protocol string        // announcement to expect
	Timeout  time.Duration // of each read and write
	Idle     time.Duration // a connection unused for this long is not used again
	Life     time.Duration // nor one that is this old
	Plain    bool          // name=value lines instead of NUL lists

	s      *stream.Stream
	open   bool
	opened time.Time
	used   time.Time
}

// Call sends the struct request and fills the struct that reply points to. It
// makes one attempt over a kept connection, which may have gone stale, and one
// over a new one.
func (c *Client) Call(request, reply any) error {
	now := time.Now()
	if c.open && (c.Idle > 0 && now.Sub(c.used) > c.Idle || c.Life > 0 && now.Sub(c.opened) > c.Life) {
		c.Close()
	}
	c.used = now
	if c.open {
		if err := c.exchange(request, reply); err == nil {
			return nil
		}
		c.Close()
	}
	if err := c.connect(now); err != nil {
		return err
	}
	err := c.exchange(request, reply)
	if err != nil {
		c.Close()
		err = fmt.Errorf("service %s: %w", c.Path, err)
	}
	return err
}

func (c *Client) connect(now time.Time) error {
	if c.s == nil {
		c.s = stream.New(nil)
	}
	if err := DialInto(c.s, c.Path, c.Timeout); err != nil {
		return err
	}
	c.open, c.opened = true, now
	expect := Expect
	if c.Plain {
		expect = expectPlain
	}
	if err := expect(c.s, c.Protocol); err != nil {
		c.Close()
		return fmt.Errorf("service %s: %w", c.Path, err)
	}
	return nil
}

func expectPlain(s *stream.Stream, name string) error {
	var p protocol
	if err := attr.PlainRead(s, &p); err != nil {
		return fmt.Errorf("%s announcement: %w", name, err)
	}
	if p.Protocol != name {
		return fmt.Errorf("%s announcement: the server speaks %q", name, p.Protocol)
	}
	return nil
}

// AnnouncePlain is Announce in the plain flavour.
func AnnouncePlain(s *stream.Stream, name string) error {
	return attr.PlainWrite(s, protocol{name})
}

func (c *Client) exchange(request, reply any) error {
	if c.Plain {
		attr.PlainWrite(c.s, request)
		return attr.PlainRead(c.s, reply)
	}
	attr.Write(c.s, request)
	return attr.Read(c.s, reply)
}

// Close ends the connection; the next Call makes a new one.
func (c *Client) Close() {
	if c.open {
		c.s.Close()
		c.open = false
	}
}

// retryPause is how long CallForever waits for a service that is not there.
const retryPause = time.Second

// CallForever is Call for a service without which no decision is possible: it
// waits until there is an answer, and warns.
func (c *Client) CallForever(request, reply any) {
	for {
		err := c.Call(request, reply)
		if err == nil {
			return
		}
		msg.Warn("problem talking to service %s: %v", c.Path, err)
		time.Sleep(retryPause)
	}
}
