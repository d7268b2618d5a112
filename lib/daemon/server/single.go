package server

import (
	"fmt"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/base/table"
	"postrider/lib/service/ipc"
)

// A Client is who is at the other end of a stream.
type Client struct {
	FD     int       // descriptor of the connection; -1 when the process stands alone
	Passed attr.List // what postscreen(8) said about a connection that it passed on
	*Process
}

// Single serves one client at a time, from the first byte to the last, with
// plain blocking code.
func Single(serve func(*stream.Stream, Client)) Style { return single{serve} }

type single struct {
	serve func(*stream.Stream, Client)
}

func (single) single() bool { return true }

func (s single) run(p *Process) {
	if p.Alone {
		st := stream.New(stream.Pair(0, 1))
		s.guard(st, Client{FD: -1, Process: p})
		st.Flush()
		return
	}
	a := newAcceptor(p)
	st := stream.New(nil)
	for p.useful() {
		fd := a.next(p.used > 0)
		if fd < 0 {
			return
		}
		p.used++
		s.client(p, st, fd)
	}
}

// useful reports whether the process may take another client.
func (p *Process) useful() bool {
	return p.daemon.Endless || p.daemon.UseAlways || p.used < p.MaxUse
}

// More sends what was written and waits for another request of the same
// client. False: the client is gone, or this process should go. When nothing comes
// for a while, idle is called, if it is not nil; it returns how long to wait
// until it is called again, 0 for never.
func (c Client) More(s *stream.Stream, while time.Duration, idle func() time.Duration) bool {
	p := c.Process
	if s.Flush() != nil || !p.useful() || table.Changed() != "" {
		return false
	}
	p.progress.busy = false
	end := time.Now().Add(p.MaxIdle)
	if idle == nil {
		while = 0
	}
	for {
		wait := time.Until(end)
		if while > 0 {
			wait = min(wait, while)
		}
		came, ok := c.poll(wait)
		switch {
		case !ok:
			return false
		case came:
		case while > 0 && time.Now().Before(end):
			while = idle()
			continue
		default:
			return false
		}
		break
	}
	if table.Changed() != "" {
		return false // to the client it is as if this process had ended before
	}
	if a := p.acceptor; !a.worked && !p.MasterGone() { // a request is here: do not end now
		p.Available()
		p.Taken()
		a.worked = true
	}
	p.used++
	p.progress.busy = true
	p.Pat()
	return true
}

// poll waits for a request; ok is false when there will be none.
func (c Client) poll(wait time.Duration) (came, ok bool) {
	fds := []unix.PollFd{{Fd: int32(c.FD), Events: unix.POLLIN}, {Fd: statusFD, Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, max(0, int(wait/time.Millisecond)))
		if err == unix.EINTR {
			continue
		}
		return fds[0].Revents != 0, err == nil && (n == 0 || fds[0].Revents != 0)
	}
}

func (s single) client(p *Process, st *stream.Stream, fd int) {
	c := Client{FD: fd, Process: p}
	if p.Type == "pass" {
		passed, list, err := receive(fd)
		syscall.Close(fd)
		if err != nil {
			msg.Warn("receive a client of service %s: %v", p.Service, err)
			return
		}
		c.FD, c.Passed = passed, list
	}
	st.Reset(stream.FD(c.FD))
	s.guard(st, c)
	st.Close()
}

// guard turns what nobody expected into one line in the log; the process ends,
// because nothing is known about its state.
func (s single) guard(st *stream.Stream, c Client) {
	defer func() {
		if r := recover(); r != nil {
			reportPanic(r)
		}
	}()
	s.serve(st, c)
}

func reportPanic(r any) {
	for _, line := range splitLines(debug.Stack()) {
		msg.Debug("%s", line)
	}
	msg.Panic("%s", fmt.Sprint(r))
}

func splitLines(b []byte) []string {
	var lines []string
	for len(b) > 0 {
		i := 0
		for i < len(b) && b[i] != '\n' {
			i++
		}
		lines = append(lines, string(b[:i]))
		b = b[min(i+1, len(b)):]
	}
	return lines
}

// An acceptor waits for clients on the listen sockets, and for the end of
// master. The exclusive wait wakes one process for a client, not all.
type acceptor struct {
	p     *Process
	epfd  int
	busy  bool // master thinks so
	again bool // clients come without a wait in between

	worked bool // master knows that a client was finished
}

func newAcceptor(p *Process) *acceptor {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	must("epoll", err)
	a := &acceptor{p: p, epfd: epfd}
	p.acceptor = a
	for _, fd := range p.Listen {
		a.add(fd, unix.EPOLLIN|unix.EPOLLEXCLUSIVE)
		syscall.SetNonblock(fd, true)
	}
	a.add(statusFD, unix.EPOLLIN)
	return a
}

func (a *acceptor) add(fd int, events uint32) {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd)}
	err := unix.EpollCtl(a.epfd, unix.EPOLL_CTL_ADD, fd, &ev)
	must("epoll", err)
}

// next returns the next client, or -1 when it is time to end. After a client,
// it looks whether another one waits already; only when there is none master
// hears that the process is free.
func (a *acceptor) next(again bool) int {
	p := a.p
	if again && !a.worked {
		// Once, even when the next client waits: the end of a process in
		// trouble, however late, would else look like a program that cannot
		// run, and nobody would be served for a while.
		p.Available()
		a.busy, a.worked = false, true
	}
	if again {
		p.progress.busy = false
		if a.again && p.MasterGone() {
			return -1
		}
		for _, fd := range p.Listen {
			if client := a.accept(fd); client >= 0 {
				a.again = true
				return client
			}
		}
		a.again = false
	}
	if a.busy {
		p.Available()
		a.busy = false
	}
	deadline := time.Now().Add(p.MaxIdle)
	for {
		fd, ok := a.wait(deadline)
		if !ok {
			return -1
		}
		if client := a.accept(fd); client >= 0 {
			return client
		}
	}
}

// wait returns a listen socket with a client.
func (a *acceptor) wait(deadline time.Time) (int, bool) {
	var events [8]unix.EpollEvent
	for {
		timeout := -1
		if !a.p.daemon.Endless {
			timeout = max(0, int(time.Until(deadline)/time.Millisecond))
		}
		n, err := unix.EpollWait(a.epfd, events[:], timeout)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			msg.Fatal("epoll: %v", err)
		case n == 0:
			return 0, false
		}
		for _, e := range events[:n] {
			if e.Fd == statusFD || a.p.retireFD != 0 && int(e.Fd) == a.p.retireFD {
				return 0, false
			}
		}
		return int(events[0].Fd), true
	}
}

// accept takes a client, unless another process was faster. A process whose
// tables changed leaves the client to the next one.
func (a *acceptor) accept(listen int) int {
	if name := table.Changed(); name != "" {
		msg.Info("table %s has changed -- restarting", name)
		Exit()
	}
	for {
		// The address is not asked for: most servers know their clients.
		r, _, err := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(listen), 0, 0, unix.SOCK_CLOEXEC, 0, 0)
		fd := int(r)
		switch err {
		case 0:
			if !a.busy {
				a.p.Taken()
				a.busy = true
			}
			a.p.progress.busy = true
			a.p.Pat()
			return fd
		case unix.EINTR:
			continue
		case unix.EAGAIN, unix.ECONNABORTED, unix.ENETDOWN, unix.EPROTO, unix.ENOPROTOOPT, unix.EHOSTDOWN,
			unix.ENONET, unix.EHOSTUNREACH, unix.EOPNOTSUPP, unix.ENETUNREACH:
			return -1
		}
		msg.Fatal("accept connection: %v", err)
	}
}

// receive takes a descriptor that another daemon passes on, and what it says
// about it. The passing connection stays open until then.
func receive(fd int) (int, attr.List, error) {
	const limit = 100 * time.Second
	stream.FD(fd).SetTimeout(limit)
	passed, err := ipc.ReceiveDescriptor(stream.FD(fd))
	if err != nil {
		return -1, nil, err
	}
	syscall.SetNonblock(passed, false)
	list, err := attr.ReadList(stream.New(stream.FD(fd)), 0)
	if err != nil {
		syscall.Close(passed)
		return -1, nil, err
	}
	return passed, list, nil
}
