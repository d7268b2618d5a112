package main

import (
	"container/heap"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/poll"
)

// A handler is told when something happens to its descriptor.
type handler interface{ ready(poll.Event) }

// A loop waits for all descriptors and times of the process. Everything happens in
// its goroutine, so that nothing needs a lock, and thousands of clients cost no
// more than what is known about them.
type loop struct {
	poller   *poll.Poller
	handlers []handler // by descriptor
	timers   timers
	buffer   []byte // for reading; used by one event after the other
	stopped  bool
}

// bufferSize is how much is read at a time.
const bufferSize = 4096

func newLoop() (*loop, error) {
	p, err := poll.New()
	return &loop{poller: p, buffer: make([]byte, bufferSize)}, err
}

// watch makes h the handler of a connection.
func (l *loop) watch(fd int, h handler) error {
	l.handle(fd, h)
	return l.poller.Add(fd)
}

// listen makes h the handler of a socket that is reported as long as it is
// readable.
func (l *loop) listen(fd int, h handler) error {
	l.handle(fd, h)
	return l.poller.AddListener(fd)
}

func (l *loop) handle(fd int, h handler) {
	for fd >= len(l.handlers) {
		l.handlers = append(l.handlers, nil)
	}
	l.handlers[fd] = h
}

// forget takes a descriptor out.
func (l *loop) forget(fd int) {
	l.poller.Remove(fd)
	l.handlers[fd] = nil
}

// close closes a descriptor that may be watched.
func (l *loop) close(fd int) {
	if fd < len(l.handlers) {
		l.handlers[fd] = nil
	}
	unix.Close(fd)
}

// run waits and works until somebody stops it. Steps counts what was done, and
// waiting is true while there is nothing to do.
func (l *loop) run(steps *atomic.Uint64, waiting *atomic.Bool) {
	for !l.stopped {
		waiting.Store(true)
		err := l.poller.Wait(l.timers.wait(time.Now()), func(e poll.Event) {
			waiting.Store(false)
			if h := l.handlers[e.FD]; h != nil {
				h.ready(e)
			}
			steps.Add(1)
		})
		waiting.Store(false)
		if err != nil {
			msg.Fatal("%v", err)
		}
		for now := time.Now(); !l.stopped && len(l.timers) > 0 && !l.timers[0].at.After(now); steps.Add(1) {
			heap.Pop(&l.timers).(*timer).do()
		}
	}
}

// A timer calls a function at a time. The zero value is off.
type timer struct {
	at    time.Time
	place int // in the heap, from 1; 0: off
	do    func()
}

// after sets a timer, which may run already.
func (l *loop) after(t *timer, d time.Duration, do func()) {
	t.at, t.do = time.Now().Add(d), do
	if t.place > 0 {
		heap.Fix(&l.timers, t.place-1)
		return
	}
	heap.Push(&l.timers, t)
}

// cancel turns a timer off.
func (l *loop) cancel(t *timer) {
	if t.place > 0 {
		heap.Remove(&l.timers, t.place-1)
	}
	t.do = nil
}

// timers are a heap: the next one is the first.
type timers []*timer

// wait is how long nothing is due; negative: forever.
func (t timers) wait(now time.Time) time.Duration {
	if len(t) == 0 {
		return -1
	}
	return max(0, t[0].at.Sub(now))
}

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at.Before(t[j].at) }

func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].place, t[j].place = i+1, j+1
}

func (t *timers) Push(x any) {
	*t = append(*t, x.(*timer))
	x.(*timer).place = len(*t)
}

func (t *timers) Pop() any {
	last := len(*t) - 1
	x := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	x.place = 0
	return x
}
