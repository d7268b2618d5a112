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
	among     *list.Element // of the dead
	timer     *Timer        // end of death or of a pause
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
	if d.trouble != nil {
		d.Revive()
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
		d.update()
		return
	}
	s := d.transport.sched
	d.timer.Stop()
	d.pause = false
	d.trouble = &why
	d.timer = s.after(s.opts.DestinationRetry, d.Revive)
	d.update()
	s.remember(d)
	d.reject(why)
}

// remember bounds the list of the dead: the longest dead gets another chance.
func (s *Scheduler) remember(d *Destination) {
	d.among = s.dead.PushBack(d)
	if s.opts.DeadLimit > 0 && s.dead.Len() > s.opts.DeadLimit {
		s.dead.Front().Value.(*Destination).Revive()
	}
}

// Revive ends the death of the destination.
func (d *Destination) Revive() {
	if d.trouble == nil {
		return
	}
	d.trouble = nil
	d.transport.sched.dead.Remove(d.among)
	d.timer.Stop()
	d.window = window{size: d.transport.Limits.Initial}
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
	if d.trouble == nil && !d.pause && d.busy == 0 && len(d.waiting) == 0 && d.transport.destinations[d.Key] == d {
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
