package stream

import (
	"io"
	"os"
	"syscall"
	"time"
)

// ErrTimeout says that the peer was silent for too long. errors.Is also finds
// os.ErrDeadlineExceeded.
var ErrTimeout = os.ErrDeadlineExceeded

// An FD is a blocking descriptor. Pipes and files have no time limits.
type FD int

// Read waits for input. The end of the stream is io.EOF.
func (fd FD) Read(p []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), p)
		switch {
		case err == nil && n > 0:
			return n, nil
		case err == nil:
			return 0, io.EOF
		case err == syscall.EAGAIN:
			return 0, ErrTimeout
		case err != syscall.EINTR:
			return 0, err
		}
	}
}

// received reads what is there already.
func (fd FD) received(p []byte) int {
	n, _, err := syscall.Recvfrom(int(fd), p, syscall.MSG_DONTWAIT)
	if err != nil {
		return 0
	}
	return n
}

// Write sends some of p.
func (fd FD) Write(p []byte) (int, error) {
	for {
		n, err := syscall.Write(int(fd), p)
		switch {
		case err == nil:
			return n, nil
		case err == syscall.EAGAIN:
			return 0, ErrTimeout
		case err != syscall.EINTR:
			return 0, err
		}
	}
}

// Close closes the descriptor.
func (fd FD) Close() error { return syscall.Close(int(fd)) }

// SetTimeout limits each read and write of a socket.
func (fd FD) SetTimeout(d time.Duration) error {
	if d > 0 && d < time.Microsecond {
		d = time.Microsecond
	}
	tv := syscall.NsecToTimeval(int64(d))
	if err := syscall.SetsockoptTimeval(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &tv); err != nil {
		return err
	}
	return syscall.SetsockoptTimeval(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &tv)
}

// A Deadliner is a net.Conn, or that part of it which a stream needs: package net
// is not for the smallest programs.
type Deadliner interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// A Local is the descriptor of a connection to another daemon on this machine.
// It limits only how long a read waits: what is written has room in a socket
// buffer, or a daemon in trouble at the other end, whose end comes in time.
type Local struct{ FD }

// SetTimeout limits each read.
func (l Local) SetTimeout(d time.Duration) error {
	tv := syscall.NsecToTimeval(int64(d))
	return syscall.SetsockoptTimeval(int(l.FD), syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &tv)
}

// Net makes a Conn of a net.Conn, for programs with many clients.
func Net(c Deadliner) Conn { return &netConn{Deadliner: c} }

type netConn struct {
	Deadliner
	timeout time.Duration
}

func (c *netConn) SetTimeout(d time.Duration) error {
	c.timeout = d
	return nil
}

func (c *netConn) limit() time.Time {
	if c.timeout <= 0 {
		return time.Time{}
	}
	return time.Now().Add(c.timeout)
}

func (c *netConn) Read(p []byte) (int, error) {
	if c.timeout > 0 {
		c.Deadliner.SetReadDeadline(c.limit())
	}
	return c.Deadliner.Read(p)
}

func (c *netConn) Write(p []byte) (int, error) {
	if c.timeout > 0 {
		c.Deadliner.SetWriteDeadline(c.limit())
	}
	return c.Deadliner.Write(p)
}

// Pair joins two one-way descriptors, such as standard input and output.
func Pair(r, w FD) Conn { return pair{r, w} }

type pair struct{ r, w FD }

func (p pair) Read(b []byte) (int, error)  { return p.r.Read(b) }
func (p pair) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p pair) Close() error {
	err := p.w.Close()
	if p.r != p.w {
		p.r.Close()
	}
	return err
}
func (p pair) SetTimeout(d time.Duration) error { return p.r.SetTimeout(d) }
