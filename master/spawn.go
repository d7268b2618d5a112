package main

import (
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
)

// Descriptors that every child finds open. Listen sockets follow.
const (
	flowReadFD = 3 + iota
	flowWriteFD
	statusFD
	listenFD
)

// singleClient names the programs that serve one client at a time with one
// busy goroutine. The runtime of such a program has a monitor thread with
// nothing to do; each of its short sleeps costs a switch of processes. A large
// timer slack makes them rare, and one processor is all that the program needs.
// In programs with many clients the same would stall everyone, so they keep
// the usual slack.
var singleClient = map[string]bool{
	"bounce": true, "cleanup": true, "discard": true, "error": true, "flush": true,
	"lmtp": true, "local": true, "pickup": true, "pipe": true, "qmgr": true,
	"showq": true, "smtp": true, "smtpd": true, "spawn": true, "virtual": true,
}

const quietSlack = 20 * time.Millisecond

// spawn starts one process. It runs with the rights of root; programs drop
// them when they have opened what needs them.
func (s *service) spawn() {
	m := s.m
	m.generation++
	args := s.arguments(time.Now())
	attr := &syscall.ProcAttr{
		Env:   s.environment(m.generation),
		Files: []uintptr{0, 1, 2, uintptr(m.flow[0]), uintptr(m.flow[1]), uintptr(s.status[1])},
	}
	for _, k := range s.sockets {
		attr.Files = append(attr.Files, uintptr(k.fd))
	}
	pid, err := s.fork(args, attr)
	if err != nil {
		msg.Warn("service %s(%s): start %s: %v -- throttling", s.name, s.kind, s.path, err)
		s.throttle()
		return
	}
	p := &process{service: s, pid: pid, generation: m.generation, epoch: s.epoch, free: true}
	s.processes[pid], m.processes[pid] = p, p
	s.free++
	msg.Debug("spawn command %s; pid %d", s.path, pid)
}

// fork starts the program. The timer slack of this thread, to which the loop is
// locked, is inherited by the child and survives the change of program.
func (s *service) fork(args []string, attr *syscall.ProcAttr) (int, error) {
	if singleClient[base(s.path)] {
		unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(quietSlack), 0, 0, 0)
		defer unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // 0: the default
	}
	return syscall.ForkExec(s.path, args, attr)
}

// arguments is the command line of a new process.
func (s *service) arguments(now time.Time) []string {
	args := append([]string{}, s.head...)
	if s.stress {
		stress := "stress="
		if now.Before(s.stressUntil) {
			stress = "stress=yes"
		}
		args = append(args, "-o", stress)
	}
	if n := len(s.sockets); n > 1 {
		args = append(args, "-s", strconv.Itoa(n))
	}
	return append(args, s.tail...)
}

func (s *service) environment(generation uint32) []string {
	env := append([]string{}, s.m.environ...)
	env = append(env, "GENERATION="+strconv.FormatUint(uint64(generation), 8))
	if singleClient[base(s.path)] {
		env = append(env, "GOMAXPROCS=1")
	}
	return env
}
