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

// wakeupTimeout is how long master waits for a connection over the network.
const wakeupTimeout = time.Second

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

// trigger sends a request. The kernel keeps it until the service takes it, also
// when the service is not running yet.
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
	defer unix.Close(fd)
	_, err = unix.Write(fd, wakeupRequest)
	return err
}
