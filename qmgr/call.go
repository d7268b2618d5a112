package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/attr"
	"postrider/lib/service/deliver"
	"postrider/qmgr/sched"
)

// A call is one request to another daemon: connect, send, read an announcement
// and an answer, close. It never waits; the request is on its way before the
// announcement was seen, and often both come back together.
type call struct {
	loop      *loop
	path      string // "private/smtp"
	protocol  string // of the announcement
	fd        int
	out       []byte // not yet sent
	in        []byte // not yet understood
	announced bool
	keep      bool // the peer takes more requests on this connection
	uses      int  // requests before this one
	timer     *sched.Timer
	accepted  func()                 // the announcement is there; may be nil
	release   func(fd, uses int)     // takes the connection when it can be kept; may be nil
	done      func(attr.List, error) // the answer, or why there is none
}

// errAnnouncement is in the error of a call that never got a good
// announcement: nobody has seen the request.
var errAnnouncement = errors.New("no announcement")

// connect makes a connection without waiting. EAGAIN says that too many
// clients wait for the service already.
func connect(path string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	for {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// start sends the request over a connection and waits for the answer, at most
// for the time limit.
func (c *call) start(fd int, request []byte, limit time.Duration) {
	c.fd, c.out = fd, request
	events := uint32(readable)
	c.send()
	if len(c.out) > 0 {
		events |= writable
	}
	c.loop.watch(fd, events, c.ready)
	c.timer = c.loop.after(limit, func() { c.end(nil, c.fault(unix.ETIMEDOUT)) })
}

// send writes what the socket takes. A peer that does not read any more may
// still have said why; the read will tell.
func (c *call) send() {
	for len(c.out) > 0 {
		n, err := unix.Write(c.fd, c.out)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			if err != unix.EAGAIN {
				c.out = nil
			}
			return
		}
		c.out = c.out[n:]
	}
}

func (c *call) ready(events uint32) {
	if len(c.out) > 0 {
		if c.send(); len(c.out) == 0 {
			c.loop.change(c.fd, readable)
		}
	}
	if events&^writable == 0 {
		return
	}
	buf := c.loop.scratch[:]
	n, err := unix.Read(c.fd, buf)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
	case err != nil:
		c.end(nil, c.fault(err))
	case n == 0:
		c.end(nil, c.fault(io.ErrUnexpectedEOF))
	case len(c.in) == 0:
		c.understand(buf[:n])
	default:
		c.understand(append(c.in, buf[:n]...))
	}
}

// understand takes the announcement and the answer out of what came, and keeps
// what is not complete.
func (c *call) understand(b []byte) {
	for {
		list, n, err := attr.Parse(b)
		switch {
		case err == attr.ErrShort && len(b) <= attr.Limit:
			c.in = append(c.in[:0], b...)
			return
		case err != nil:
			c.end(nil, c.fault(err))
			return
		case c.announced:
			c.end(list, nil)
			return
		}
		c.keep = len(list) == 2 && list[1].Name == deliver.Keep
		if len(list) != 1 && !c.keep || list[0].Name != "protocol" || list[0].Value != c.protocol {
			c.end(nil, c.fault(fmt.Errorf("%w: got %v, want protocol %s", errAnnouncement, list, c.protocol)))
			return
		}
		c.announced = true
		if b = b[n:]; c.accepted != nil {
			c.accepted()
		}
	}
}

// fault says what went wrong; nothing without an announcement counts.
func (c *call) fault(err error) error {
	if !c.announced && !errors.Is(err, errAnnouncement) {
		err = fmt.Errorf("%w: %w", errAnnouncement, err)
	}
	return fmt.Errorf("%s: %w", c.path, err)
}

func (c *call) end(answer attr.List, err error) {
	c.timer.Stop()
	if err != nil || !c.keep || c.release == nil {
		c.loop.close(c.fd)
	} else {
		c.release(c.fd, c.uses+1)
	}
	c.done(answer, err)
}
