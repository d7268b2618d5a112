package sched

import (
	"container/heap"
	"time"
)

// first takes the oldest entry away. A peer without entries leaves its job.
func (p *peer) first() *Entry {
	e := p.entries[0]
	p.entries[0] = nil
	p.entries = p.entries[1:]
	d := p.destination
	d.backlog--
	p.job.waiting--
	if len(p.entries) == 0 {
		p.stopWaiting()
		p.job.leave(p)
	}
	return e
}

// take gives out the oldest entry.
func (p *peer) take() *Entry {
	j, d := p.job, p.destination
	e := p.first()
	j.transport.turns++
	p.turn = j.transport.turns
	if p.index >= 0 {
		heap.Fix(&d.waiting, p.index)
	}
	j.busy++
	j.earned++
	j.used++
	d.busy++
	d.update()
	d.connections(e)
	return e
}

// drop takes the oldest entry away and forgets it.
func (p *peer) drop() *Entry {
	e := p.first()
	e.forget()
	e.job.rest()
	return e
}

// connections says what the agent does with connections. Keeping them is worth
// while when one delivery follows another; and kept ones must be used up
// before new ones are made.
func (d *Destination) connections(e *Entry) {
	follows := !d.lastDone.IsZero() && d.transport.sched.opts.Now().Sub(d.lastDone) <= time.Second
	switch {
	case !d.reuse && follows:
		d.reuse, d.kept = true, true
	case d.reuse && !follows && d.busy <= 1:
		d.reuse = false
	}
	e.Load, e.Store = d.kept, d.reuse
}

// Done ends an entry that was given out.
func (s *Scheduler) Done(e *Entry) {
	j, d := e.job, e.Destination
	j.busy--
	e.forget()
	j.rest()
	d.delivered()
	s.finish(e.Message)
}

// Return takes back an entry that no agent has seen; it will be the next one
// for its destination again.
func (s *Scheduler) Return(e *Entry) {
	j, d := e.job, e.Destination
	j.transport.Accepted()
	j.busy--
	j.earned--
	j.used--
	j.waiting++
	d.busy--
	d.backlog++
	p := j.peer(d)
	p.entries = append([]*Entry{e}, p.entries...)
	p.wait()
	d.update()
	if why := j.transport.trouble; why != nil {
		d.reject(*why)
	} else if d.trouble != nil {
		d.reject(*d.trouble)
	}
}

// forget takes the recipients out of all counts.
func (e *Entry) forget() {
	n := len(e.Recipients)
	t := e.job.transport
	e.Message.entries--
	e.Message.recipients -= n
	e.job.recipients -= n
	t.recipients -= n
	t.sched.recipients -= n
}
