package sched

import "time"

// A job with few entries may pass one with many. For every SlotCost entries
// given out, a job earns one slot, which an entry of another job may use; so
// however many small jobs pass, and however many pass those, a large job takes
// at most SlotCost/(SlotCost-1) of its time alone. Slots can be borrowed: the
// discount and the loan are what may be missing when a job passes, and it is
// earned before the next one does.
//
// The facts are from the SCHEDULER_README of Postfix.

// A candidate is the job that should pass the current job next. It is looked
// for once a second; jobs that come in between are compared with it.
type candidate struct {
	current *job
	job     *job
	at      time.Time
}

// letPass puts the best candidate in front of the current job, if that one has
// earned enough.
func (t *Transport) letPass(current *job) bool {
	l := &t.Limits
	if l.SlotCost == 0 {
		return false
	}
	slots := current.potential()
	if slots == 0 {
		return false
	}
	j := t.candidate(current, slots)
	if j == nil {
		return false
	}
	price := j.need() * l.SlotCost
	if current.earned < price-price*l.SlotDiscount/100-l.SlotLoan*l.SlotCost {
		return false
	}
	current.earned -= price
	j.refund()
	j.passed, j.granted, j.used = current, j.need(), 0
	t.moveBefore(j, current)
	t.lend(j)
	t.best = candidate{}
	return true
}

// potential is how many slots a job has earned and will earn; 0 when that is
// not worth the trouble.
func (j *job) potential() int {
	l := &j.transport.Limits
	slots := (j.earned + j.waiting) / l.SlotCost
	if slots < max(l.MinimumSlots, 1) {
		return 0
	}
	return slots
}

// need is the most entries that the job may still have.
func (j *job) need() int { return j.waiting + j.message.unread }

// candidate finds the job for which the time in the queue, divided by the
// number of its entries, is greatest.
func (t *Transport) candidate(current *job, slots int) *job {
	now := t.sched.opts.Now()
	if c := &t.best; c.current == current && now.Sub(c.at) < time.Second {
		if c.job == nil {
			return nil
		}
		if c.job.mayPass(slots) {
			return c.job
		}
	}
	t.best = candidate{current: current, at: now}
	best := 0.0
	for j := current.next; j != nil; j = j.next {
		age := j.age(now)
		if age <= best {
			break // the rest is younger still
		}
		if score := age / float64(max(j.need(), 1)); score > best && j.mayPass(slots) {
			best, t.best.job = score, j
		}
	}
	return t.best.job
}

// consider compares a job that got recipients with the candidate.
func (t *Transport) consider(j *job) {
	c := &t.best
	if c.current == nil || c.current == j || c.current.gone || j.label < c.current.label {
		return
	}
	slots := c.current.potential()
	if slots == 0 || !j.mayPass(slots) {
		return
	}
	now := t.sched.opts.Now()
	if c.job == nil || c.job.gone || j.age(now)*float64(c.job.need()) > c.job.age(now)*float64(j.need()) {
		c.job = j
	}
}

func (j *job) age(now time.Time) float64 { return max(float64(now.Sub(j.message.Queued)), 0) + 1 }

// mayPass says whether the job needs no more than these slots and has an entry
// that can be delivered now.
func (j *job) mayPass(slots int) bool {
	if j.gone || j.waiting == 0 || j.need() > slots {
		return false
	}
	for _, p := range j.peers {
		if p.index >= 0 && p.destination.index >= 0 {
			return true
		}
	}
	return false
}

// moveBefore changes the order of jobs, and that of all heaps with it.
func (t *Transport) moveBefore(j, current *job) {
	for _, p := range j.peers {
		p.stopWaiting()
	}
	t.unlink(j)
	t.link(j, current.prev)
	for _, p := range j.peers {
		p.wait()
	}
}

// refund gives back slots that were granted and not used.
func (j *job) refund() {
	if j.passed != nil && !j.passed.gone && j.granted > j.used {
		j.passed.earned += (j.granted - j.used) * j.transport.Limits.SlotCost
	}
	j.passed = nil
}
