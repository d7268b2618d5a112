package main

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/qmgr/sched"
)

// A loop waits for descriptors and for the time. Everything that the queue
// manager does happens in it, one thing after the other: nothing that is
// called from here may wait.
type loop struct {
	epoll    int
	now      time.Time // when the turn began
	timers   sched.Timers
	handlers []func(events uint32) // by descriptor
	events   [64]unix.EpollEvent
	idle     atomic.Bool     // it waits
	scratch  [16 * 1024]byte // for one read
}

func newLoop() *loop {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		msg.Fatal("epoll: %v", err)
	}
	return &loop{epoll: epoll, now: time.Now()}
}

// Events of a descriptor.
const (
	readable = unix.EPOLLIN
	writable = unix.EPOLLOUT
)

// watch calls handle whenever one of the events is there, until the descriptor
// is forgotten.
func (l *loop) watch(fd int, events uint32, handle func(events uint32)) {
	for fd >= len(l.handlers) {
		l.handlers = append(l.handlers, nil)
	}
	l.handlers[fd] = handle
	event := unix.EpollEvent{Events: events, Fd: int32(fd)}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		msg.Fatal("epoll: %v", err)
	}
}

// change waits for other events of a descriptor that is watched.
func (l *loop) change(fd int, events uint32) {
	event := unix.EpollEvent{Events: events, Fd: int32(fd)}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, fd, &event); err != nil {
		msg.Fatal("epoll: %v", err)
	}
}

// close closes a descriptor and forgets it.
func (l *loop) close(fd int) {
	if fd < len(l.handlers) {
		l.handlers[fd] = nil
	}
	unix.Close(fd)
}

// after calls do when d has passed.
func (l *loop) after(d time.Duration, do func()) *sched.Timer {
	return l.timers.Add(l.now.Add(d), do)
}

// turn waits until something happens, but not beyond the time until (zero: no
// limit), and handles it.
func (l *loop) turn(until time.Time) {
	if at := l.timers.Wake(); !at.IsZero() && (until.IsZero() || at.Before(until)) {
		until = at
	}
	wait := -1
	if !until.IsZero() {
		// A millisecond more: it must not wake up too early.
		wait = 0
		if left := until.Sub(l.now); left > 0 {
			wait = int(left/time.Millisecond) + 1
		}
	}
	l.idle.Store(true)
	n, err := unix.EpollWait(l.epoll, l.events[:], wait)
	l.idle.Store(false)
	if err != nil && err != unix.EINTR {
		msg.Fatal("epoll: %v", err)
	}
	l.now = time.Now()
	for i := range max(n, 0) {
		e := &l.events[i]
		if handle := l.handlers[e.Fd]; handle != nil {
			handle(e.Events)
		}
	}
	l.timers.Run(l.now)
}
