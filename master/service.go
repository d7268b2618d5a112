package main

import (
	"strings"
	"time"

	"postrider/lib/base/msg"
)

// A service is one entry of master.cf, running: where clients come in, and the
// processes that serve them.
//
// Master never accepts a client itself. It watches the listen sockets only
// while no process is free to do that, and answers a waiting client with one
// more process. So the number of processes follows the number of clients, up
// to the limit, and never the amount of mail that is waiting.
type service struct {
	spec
	m *master

	sockets   []socket // where clients come in
	status    [2]int   // our end and the children's end of the status socket
	partial   []byte   // begin of a status message whose rest has not come yet
	processes map[int]*process

	free      int  // processes of the current epoch that wait for a client
	epoch     int  // counts the restarts; processes of the past leave when they can
	removed   bool // no longer in master.cf
	watching  bool // the loop tells when a client is waiting
	throttled *timer

	wakeup      *timer
	used        bool      // a client has come since the service exists
	stressUntil time.Time // "stress=yes" for processes that start before
	busyWarned  time.Time
}

// A process is a running child.
type process struct {
	service    *service
	pid        int
	generation uint32
	epoch      int
	free       bool
	served     int // clients that it has finished
}

// busyInterval is the least time between two warnings that a service is at
// its process limit, and how long the service then counts as under stress.
const busyInterval = 1000 * time.Second

// full reports whether the process limit forbids one more process, or after
// more further ones.
func (s *service) full(more int) bool {
	return s.limit > 0 && len(s.processes)+more >= s.limit
}

// review decides whether master or the service's own processes look after the
// next client. It is called after everything that may change the answer.
func (s *service) review() {
	want := !s.removed && s.throttled == nil && s.free == 0 && !s.full(0)
	switch {
	case want && !s.watching:
		s.watch()
	case !want && s.watching:
		s.unwatch()
	}
}

func (s *service) watch() {
	s.watching, s.m.hurry = true, true
	for _, k := range s.sockets {
		if err := s.m.loop.watch(k.fd, s.clientWaits); err != nil {
			msg.Fatal("service %s(%s): %v", s.name, s.kind, err)
		}
	}
}

func (s *service) unwatch() {
	s.watching = false
	for _, k := range s.sockets {
		s.m.loop.unwatch(k.fd)
	}
}

// clientWaits answers a client that no process is free to serve.
func (s *service) clientWaits() {
	if s.free > 0 || s.full(0) || s.throttled != nil {
		s.review()
		return
	}
	s.lookAfterStress()
	if s.used = true; s.wakeupIfUsed && s.wakeup == nil {
		s.startWakeup()
	}
	s.spawn()
	s.review()
}

// lookAfterStress is called before a process starts. When that is the last one
// which the limit allows, clients are about to wait: the administrator is told,
// and from now on processes are started with "stress=yes", which gives them
// shorter time limits. Those that run leave when their client is done.
func (s *service) lookAfterStress() {
	if !s.stress || !s.full(1) {
		return
	}
	now := time.Now()
	if now.Sub(s.busyWarned) > busyInterval {
		s.busyWarned = now
		msg.Warn("service %q (%s) has reached its process limit \"%d\": new clients may experience noticeable delays", s.name, s.port(), s.limit)
		msg.Warn("to avoid this condition, increase the process count in master.cf or reduce the service time per client")
		msg.Warn("see https://www.postfix.org/STRESS_README.html for examples of stress-adapting configuration settings")
	}
	if now.After(s.stressUntil) {
		s.restart()
	}
	s.stressUntil = now.Add(busyInterval)
}

// port is the last part of the name of an inet service, as a number.
func (s *service) port() string {
	for _, k := range s.sockets {
		if k.port != 0 {
			return itoa(k.port)
		}
	}
	return s.name[strings.LastIndexByte(s.name, ':')+1:]
}

// restart lets the present processes leave as soon as they are idle, and gives
// later ones a fresh start: they get a new status socket, the old one is closed.
func (s *service) restart() {
	s.closeStatus()
	s.epoch++
	s.free = 0
	s.openStatus()
	s.review()
}

// start begins to serve clients.
func (s *service) start() {
	s.openStatus()
	s.review()
	s.startWakeup()
}

// stop ends a service that is no longer in master.cf: its processes end at
// once, nobody may count on them any more.
func (s *service) stop() {
	s.removed = true
	s.review()
	s.m.loop.cancel(s.wakeup)
	s.m.loop.cancel(s.throttled)
	s.closeStatus()
	for _, k := range s.sockets {
		k.close()
	}
	s.sockets = nil
	for pid := range s.processes {
		s.m.kill(pid)
	}
}

// throttle stops the start of processes for a while, for one more would most
// likely do what the last one did: fail.
func (s *service) throttle() {
	if s.throttled != nil || s.removed {
		return
	}
	msg.Debug("throttling command %s", s.path)
	s.throttled = s.m.loop.after(s.m.throttleTime, func() {
		s.throttled = nil
		msg.Debug("throttle released for command %s", s.path)
		s.review()
	})
	s.review()
}
