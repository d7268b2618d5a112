package sched

import (
	"container/heap"
	"time"
)

// Timers are things to do later. The zero value has none.
type Timers struct{ heap timerHeap }

// A Timer does something later, once.
type Timer struct {
	at    time.Time
	do    func()
	index int // in the heap; -1: done or stopped
	of    *Timers
}

// Add makes Run call do at the time at, or soon after it.
func (t *Timers) Add(at time.Time, do func()) *Timer {
	x := &Timer{at: at, do: do, of: t}
	heap.Push(&t.heap, x)
	return x
}

// Stop is harmless for a timer that is done, and for nil.
func (x *Timer) Stop() {
	if x != nil && x.index >= 0 {
		heap.Remove(&x.of.heap, x.index)
	}
}

// Wake returns when Run has something to do, or the zero time.
func (t *Timers) Wake() time.Time {
	if len(t.heap) == 0 {
		return time.Time{}
	}
	return t.heap[0].at
}

// Run does all that is due.
func (t *Timers) Run(now time.Time) {
	for len(t.heap) > 0 && !t.heap[0].at.After(now) {
		heap.Pop(&t.heap).(*Timer).do()
	}
}

// timerHeap has the earliest first.
type timerHeap []*Timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for container/heap.
func (h *timerHeap) Push(x any) {
	t := x.(*Timer)
	t.index = len(*h)
	*h = append(*h, t)
}

// Pop is for container/heap.
func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.index = -1
	return t
}
