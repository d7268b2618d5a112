package sched

import (
	"container/heap"
	"time"
)

// A timer does something later, once. A stopped timer does nothing.
type timer struct {
	at    time.Time
	do    func()
	index int // in the heap; -1: not in it
	heap  *timers
}

func (t *timer) fire() { t.do() }

// stop is harmless for a timer that has fired, and for nil.
func (t *timer) stop() {
	if t != nil && t.index >= 0 {
		heap.Remove(t.heap, t.index)
	}
}

// timers is a heap, the earliest first.
type timers []*timer

func (h *timers) add(at time.Time, do func()) *timer {
	t := &timer{at: at, do: do, heap: h}
	heap.Push(h, t)
	return t
}

func (h *timers) first() time.Time {
	if len(*h) == 0 {
		return time.Time{}
	}
	return (*h)[0].at
}

func (h *timers) pop() *timer { return heap.Pop(h).(*timer) }

func (h timers) Len() int           { return len(h) }
func (h timers) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for container/heap.
func (h *timers) Push(x any) {
	t := x.(*timer)
	t.index = len(*h)
	*h = append(*h, t)
}

// Pop is for container/heap.
func (h *timers) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.index = -1
	return t
}
