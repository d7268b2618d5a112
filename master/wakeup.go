package main

import (
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
)

// A service may want to be woken up regularly: pickup to look for mail that
// nobody announced, qmgr to look for mail that is due. Master does that as any
// client would, by a trigger request over the service's own socket.

// wakeupRequest is what triggers the service, as other trigger clients end it.
var wakeupRequest = []byte("W\x00")

// How long master waits for a connection over the network, and after that for
// the service to read the request.
const (
	wakeupTimeout = time.Second
	wakeupDrain   = 100 * time.Second
)

// startWakeup sends the first request at once. A service with "?" at its
// wake-up time is left alone until its first client comes.
func (s *service) startWakeup() {
	s.m.loop.cancel(s.wakeup)
	s.wakeup = nil
	if s.wakeupTime > 0 && (!s.wakeupIfUsed || s.used) {
		s.wakeup = s.m.loop.after(0, s.wakeUp)
	}
}

func (s *service) wakeUp() {
	if s.throttled == nil {
		if err := s.trigger(); err != nil {
			msg.Warn("wake up service %s(%s): %v", s.name, s.kind, err)
		}
	}
	s.wakeup = s.m.loop.after(s.wakeupTime, s.wakeUp)
}

// trigger sends a request and keeps the connection until the service closes its
// end: one that begins with a greeting would otherwise complain that nobody is
// there.
func (s *service) trigger() error {
	if len(s.sockets) == 0 {
		return nil
	}
	fd, err := s.sockets[0].dial()
	if err == errBusy {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := unix.Write(fd, wakeupRequest); err != nil || s.kind == "fifo" || s.kind == "unix-dgram" {
		unix.Close(fd)
		return err
	}
	s.m.await(fd)
	return nil
}

// await closes fd when the other side has closed its end, or when that takes too
// long. What the service says is not for us.
func (m *master) await(fd int) {
	var limit *timer
	done := func() {
		m.loop.cancel(limit)
		m.loop.unwatch(fd)
		unix.Close(fd)
	}
	limit = m.loop.after(wakeupDrain, done)
	if err := m.loop.watch(fd, func() {
		if n, err := unix.Read(fd, make([]byte, 256)); n <= 0 && err != unix.EAGAIN {
			done()
		}
	}); err != nil {
		done()
	}
}
