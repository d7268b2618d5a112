package main

import (
	"container/heap"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// A loop waits for descriptors and for the passing of time, and calls what was
// asked for, one thing at a time. Everything that master knows is touched only
// from here, so nothing of it needs a lock.
type loop struct {
	epoll    int
	handlers map[int]func()
	timers   timers
	events   [64]unix.EpollEvent
	stopped  bool
}

// stuck is how long one turn of the loop may take before the watchdog ends the
// process: something that must never wait has waited.
const stuck = 1000 * time.Second

func newLoop() (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll descriptor: %w", err)
	}
	return &loop{epoll: fd, handlers: map[int]func(){}}, nil
}

// watch calls f whenever fd is readable, until unwatch.
func (l *loop) watch(fd int, f func()) error {
	if _, found := l.handlers[fd]; found {
		l.handlers[fd] = f
		return nil
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fmt.Errorf("watch descriptor %d: %w", fd, err)
	}
	l.handlers[fd] = f
	return nil
}

// unwatch must be called before fd is closed: a listen socket lives on in
// child processes, and epoll would go on reporting it.
func (l *loop) unwatch(fd int) {
	if _, found := l.handlers[fd]; !found {
		return
	}
	delete(l.handlers, fd)
	unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, fd, nil)
}

// run calls handlers and timers until stop. After each turn it calls idle.
func (l *loop) run(watchdog func(), idle func()) {
	dog := time.AfterFunc(stuck, watchdog)
	defer dog.Stop()
	for !l.stopped {
		dog.Reset(stuck)
		n, err := unix.EpollWait(l.epoll, l.events[:], l.timers.wait(time.Now()))
		if err != nil && err != unix.EINTR {
			panic(fmt.Sprintf("epoll_wait: %v", err))
		}
		for i := 0; i < n; i++ {
			if f, found := l.handlers[int(l.events[i].Fd)]; found {
				f()
			}
		}
		l.timers.fire(time.Now())
		idle()
	}
}

func (l *loop) stop() { l.stopped = true }

// A timer is a call at a point of time.
type timer struct {
	at    time.Time
	call  func()
	index int // place in the heap, -1 when not there
}

// after calls f once, after d.
func (l *loop) after(d time.Duration, f func()) *timer {
	t := &timer{at: time.Now().Add(d), call: f}
	heap.Push(&l.timers, t)
	return t
}

// cancel takes back a timer that may be nil or have been called already.
func (l *loop) cancel(t *timer) {
	if t != nil && t.index >= 0 {
		heap.Remove(&l.timers, t.index)
	}
}

// timers is a heap; the next one is first.
type timers []*timer

// wait is the time until the next timer in milliseconds, as epoll wants it.
// It is rounded up, or a timer would be met a little too early and then polled.
// It never exceeds a third of what the watchdog allows.
func (t timers) wait(now time.Time) int {
	limit := int(stuck / 3 / time.Millisecond)
	if len(t) == 0 {
		return limit
	}
	ms := int((t[0].at.Sub(now) + time.Millisecond - 1) / time.Millisecond)
	return min(max(ms, 0), limit)
}

// fire calls what is due. What those calls add is left for the next turn.
func (t *timers) fire(now time.Time) {
	for len(*t) > 0 && !(*t)[0].at.After(now) {
		heap.Pop(t).(*timer).call()
	}
}

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at.Before(t[j].at) }

func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}

// Push is part of heap.Interface.
func (t *timers) Push(x any) {
	item := x.(*timer)
	item.index = len(*t)
	*t = append(*t, item)
}

// Pop is part of heap.Interface.
func (t *timers) Pop() any {
	last := len(*t) - 1
	item := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	item.index = -1
	return item
}
