package sched

import (
	"container/heap"
	"container/list"
	"time"
)

// A Destination is a next hop of a transport.
type Destination struct {
	Key     string
	NextHop string

	transport *Transport
	window    window
	waiting   peers // jobs that have entries for it
	backlog   int   // entries waiting
	busy      int   // entries under way
	index     int   // in transport.available; -1: not there
	trouble   *Trouble
	among     *list.Element // of those with trouble; nil: not there
	amnesty   *Timer        // end of the memory of trouble
	timer     *Timer        // end of a pause
	pause     bool          // by DestinationDelay
	lastDone  time.Time
	reuse     bool // agents should keep connections
	kept      bool // agents may find kept connections
	warned    time.Time
}

// Transport is what the destination belongs to.
func (d *Destination) Transport() *Transport { return d.transport }

// Trouble says why the destination is dead; nil when it is not.
func (d *Destination) Trouble() *Trouble { return d.trouble }

// Window is how many entries may be under way.
func (d *Destination) Window() int { return d.window.size }

// Load returns how many entries wait, and how many are under way.
func (d *Destination) Load() (waiting, busy int) { return d.backlog, d.busy }

// Shared says whether more than one message waits for the destination.
func (d *Destination) Shared() bool { return len(d.waiting) > 1 }

// Warn says whether it is time for another warning about the destination.
func (d *Destination) Warn(every time.Duration) bool {
	now := d.transport.sched.opts.Now()
	if !d.warned.IsZero() && now.Sub(d.warned) < every {
		return false
	}
	d.warned = now
	return true
}

// Succeeded counts a delivery that reached the destination, whatever became of
// the mail.
func (d *Destination) Succeeded() {
	dead := d.trouble != nil
	if d.Revive(); dead {
		return
	}
	d.window.succeed(&d.transport.Limits, d.busy)
	d.update()
}

// Failed counts a delivery that did not reach the destination, and may make it
// dead.
func (d *Destination) Failed(why Trouble) {
	if d.trouble != nil || d.transport.trouble != nil {
		return
	}
	if !d.window.fail(&d.transport.Limits) {
		d.remember()
		d.update()
		return
	}
	d.timer.Stop()
	d.pause = false
	d.trouble = &why
	d.remember()
	d.update()
	d.reject(why)
}

// remember keeps the destination for some time, even when nothing waits for
// it: the next message will not have to find out about the trouble again. The
// one that is known longest gets another chance when there are too many.
func (d *Destination) remember() {
	s := d.transport.sched
	if d.among != nil {
		s.troubled.Remove(d.among)
	}
	d.among = s.troubled.PushBack(d)
	d.amnesty.Stop()
	d.amnesty = s.after(s.opts.DestinationRetry, d.Revive)
	if s.opts.DeadLimit > 0 && s.troubled.Len() > s.opts.DeadLimit {
		s.troubled.Front().Value.(*Destination).Revive()
	}
}

// Revive forgets all trouble with the destination.
func (d *Destination) Revive() {
	if d.among == nil {
		return
	}
	d.transport.sched.troubled.Remove(d.among)
	d.among = nil
	d.amnesty.Stop()
	if d.trouble != nil {
		d.trouble = nil
		d.window = window{size: d.transport.Limits.Initial}
	}
	d.window.cohorts = 0
	d.update()
	d.leave()
}

// reject hands back all that waits.
func (d *Destination) reject(why Trouble) {
	s := d.transport.sched
	for len(d.waiting) > 0 {
		p := d.waiting[0]
		e := p.drop()
		m := e.Message
		m.held++
		s.opts.Reject(m, e.Recipients, why)
		m.held--
		s.finish(m)
	}
	d.leave()
}

// delivered counts the end of an entry.
func (d *Destination) delivered() {
	s := d.transport.sched
	d.busy--
	d.lastDone = s.opts.Now()
	if delay := d.transport.Limits.DestinationDelay; delay > 0 && d.trouble == nil && !d.pause {
		d.pause = true
		d.timer = s.after(delay, func() {
			d.pause = false
			d.update()
			d.leave()
		})
	}
	d.update()
	d.leave()
}

// update puts the destination among the available ones, or takes it away.
func (d *Destination) update() {
	h := &d.transport.available
	is := d.trouble == nil && !d.pause && len(d.waiting) > 0 && d.busy < d.window.size
	switch {
	case is && d.index < 0:
		heap.Push(h, d)
	case is:
		heap.Fix(h, d.index)
	case d.index >= 0:
		heap.Remove(h, d.index)
	}
}

// leave forgets a destination without work and without anything to remember.
func (d *Destination) leave() {
	if d.among == nil && !d.pause && d.busy == 0 && len(d.waiting) == 0 && d.transport.destinations[d.Key] == d {
		delete(d.transport.destinations, d.Key)
	}
}

// destinations is a heap; first comes the one whose job is first.
type destinations []*Destination

func (h destinations) Len() int           { return len(h) }
func (h destinations) Less(i, j int) bool { return h[i].waiting[0].before(h[j].waiting[0]) }
func (h destinations) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for container/heap.
func (h *destinations) Push(x any) {
	d := x.(*Destination)
	d.index = len(*h)
	*h = append(*h, d)
}

// Pop is for container/heap.
func (h *destinations) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	d.index = -1
	return d
}
