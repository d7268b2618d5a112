package main

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
)

// A status message is what a child writes to descriptor 5: three native 32-bit
// numbers, its process ID, its generation, and whether it is free.
const statusSize = 12

// What a child says about itself. It counts as free from its start. Leaving is
// an addition of ours: a process that still looks after old clients, but takes
// no new ones and wants to be replaced.
const (
	statusTaken   = 0
	statusFree    = 1
	statusLeaving = 2
)

// openStatus makes the socket pair on which the children of a service report.
// Children share one end. Master never writes; the end of file that they see
// when master closes its end tells them to leave.
func (s *service) openStatus() {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		msg.Fatal("service %s(%s): socketpair: %v", s.name, s.kind, err)
	}
	if err := unix.SetNonblock(pair[0], true); err != nil {
		msg.Fatal("service %s(%s): status socket: %v", s.name, s.kind, err)
	}
	s.status, s.partial = pair, nil
	if err := s.m.loop.watch(pair[0], s.readStatus); err != nil {
		msg.Fatal("service %s(%s): %v", s.name, s.kind, err)
	}
}

func (s *service) closeStatus() {
	s.m.loop.unwatch(s.status[0])
	unix.Close(s.status[0])
	unix.Close(s.status[1])
}

// readStatus takes all messages that have come. Several processes write to the
// same socket, so one read may give many.
func (s *service) readStatus() {
	if s.removed {
		return
	}
	var buf [64 * statusSize]byte
	n, err := unix.Read(s.status[0], buf[:])
	if err == unix.EAGAIN || err == unix.EINTR {
		return
	}
	if err != nil || n == 0 { // cannot end: master has the other end as well
		msg.Warn("service %s(%s): read status socket: %v", s.name, s.kind, err)
		s.restart()
		return
	}
	s.partial = append(s.partial, buf[:n]...)
	rest := s.partial
	for len(rest) >= statusSize {
		s.news(rest[:statusSize])
		rest = rest[statusSize:]
	}
	s.partial = append(s.partial[:0], rest...)
	s.m.statusSeen = true
	s.review()
}

// news takes one status message.
func (s *service) news(b []byte) {
	pid := int(int32(binary.NativeEndian.Uint32(b)))
	generation := binary.NativeEndian.Uint32(b[4:])
	status := int32(binary.NativeEndian.Uint32(b[8:]))
	p := s.processes[pid]
	switch {
	case p == nil:
		msg.Debug("%s: process id not found: %d", s.path, pid)
	case p.generation != generation:
		msg.Info("ignoring status update from child pid %d generation %d", pid, generation)
	case status == statusTaken:
		s.taken(p)
	case status == statusFree:
		p.served++
		s.freed(p)
	case status == statusLeaving:
		s.leaving(p)
	default:
		msg.Warn("%s: ignoring unknown status: %d allegedly from pid: %d", s.path, status, pid)
	}
}

func (s *service) taken(p *process) {
	if p.free {
		p.free = false
		if p.epoch == s.epoch {
			s.free--
		}
	}
}

func (s *service) freed(p *process) {
	if !p.free {
		p.free = true
		if p.epoch == s.epoch {
			s.free++
		}
	}
}

// leaving forgets a process: the service may start another in its place. It
// remains known to master, which still has to reap it.
func (s *service) leaving(p *process) {
	s.taken(p)
	p.served++
	delete(s.processes, p.pid)
}
