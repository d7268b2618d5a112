package main

import (
	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
)

// reap takes leave of all children that have ended. As process 1 of a
// container master also inherits the orphans of others.
func (m *master) reap() {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		m.ended(pid, status)
	}
}

// ended says what became of a process. One that failed before it finished its
// first client suggests that others will fail too: the service is throttled.
func (m *master) ended(pid int, status unix.WaitStatus) {
	p := m.processes[pid]
	if p == nil {
		msg.Debug("master_reap: unknown pid: %d", pid)
		return
	}
	s := p.service
	s.readStatus()
	delete(m.processes, pid)
	delete(s.processes, pid)
	s.taken(p)
	failed := explain(s.path, pid, status)
	if failed && p.served == 0 && !s.removed && s.throttled == nil {
		msg.Warn("%s: bad command startup -- throttling", s.path)
		s.throttle()
	}
	s.review()
	s.inherit()
}

// inherit looks after a client for whom the process was woken that has ended.
// The system wakes one of the processes that wait; when that one ends instead of
// serving, because a table has changed or it was killed, the others sleep on.
func (s *service) inherit() {
	if s.free == 0 || s.removed || s.throttled != nil || s.full(0) {
		return // the loop sees the client, or nobody can help it
	}
	for _, k := range s.sockets {
		fds := []unix.PollFd{{Fd: int32(k.fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, 0); n > 0 && err == nil {
			s.spawn()
			s.review()
			return
		}
	}
}

// explain logs how a process ended, when that was not as it should be. The
// signal that master itself sends is no surprise.
func explain(path string, pid int, status unix.WaitStatus) (failed bool) {
	switch {
	case status.Exited() && status.ExitStatus() == 0:
		return false
	case status.Exited():
		msg.Warn("process %s pid %d exit status %d", path, pid, status.ExitStatus())
	case status.Signaled() && status.Signal() != killSignal:
		msg.Warn("process %s pid %d killed by signal %d", path, pid, int(status.Signal()))
	}
	return true
}

// killSignal is what master sends to the processes of a removed service.
const killSignal = unix.SIGTERM

// kill ends a child.
func (m *master) kill(pid int) {
	if err := unix.Kill(pid, killSignal); err != nil && err != unix.ESRCH {
		msg.Warn("kill process %d: %v", pid, err)
	}
}
