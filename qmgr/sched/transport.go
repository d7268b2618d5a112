package sched

import "time"

// A Transport is a service that delivers: "smtp".
type Transport struct {
	Name   string
	Limits Limits

	sched        *Scheduler
	destinations map[string]*Destination
	available    destinations // those that may be given an entry now
	first, last  *job         // in the order of delivery
	unread       []*job       // of messages with recipients in the file only; oldest first
	recipients   int          // in memory
	extra        int          // lent to jobs, of Limits.ExtraRecipients
	turns        uint64       // entries given out
	pending      int          // of them, what no agent accepted yet
	best         candidate
	trouble      *Trouble // dead
	revival      *Timer
	pause        bool // by TransportDelay
}

func newTransport(s *Scheduler, name string, l Limits) *Transport {
	l.Initial = max(l.Initial, 1)
	if l.Concurrency > 0 {
		l.Initial = min(l.Initial, l.Concurrency)
	}
	if l.DestinationDelay > 0 {
		l.Initial, l.Concurrency = 1, 1
	}
	if l.SlotCost == 1 {
		l.SlotCost = 2
	}
	l.PendingDeliveries = max(l.PendingDeliveries, 1)
	return &Transport{Name: name, Limits: l, sched: s, destinations: map[string]*Destination{}}
}

// Trouble says why the transport is dead; nil when it is not.
func (t *Transport) Trouble() *Trouble { return t.trouble }

// Destination finds a destination by its key; nil when it has no work and no
// trouble.
func (t *Transport) Destination(key string) *Destination { return t.destinations[key] }

func (t *Transport) destination(key, nextHop string) *Destination {
	d := t.destinations[key]
	if d == nil {
		d = &Destination{Key: key, NextHop: nextHop, transport: t, index: -1, window: window{size: t.Limits.Initial}}
		t.destinations[key] = d
	}
	return d
}

// Fail makes the transport dead for some time. Everything that waits for it is
// handed back.
func (t *Transport) Fail(why Trouble) {
	if t.trouble != nil {
		return
	}
	t.trouble = &why
	t.revival = t.sched.after(t.sched.opts.TransportRetry, t.Revive)
	for _, d := range t.destinations {
		d.reject(why)
	}
}

// Revive ends the death of the transport.
func (t *Transport) Revive() {
	t.trouble = nil
	t.revival.Stop()
	t.revival = nil
}

func (t *Transport) ready() bool {
	return len(t.available) > 0 && t.trouble == nil && !t.pause && t.pending < t.Limits.PendingDeliveries
}

// Next gives out an entry, or nil when there is none. The entry is under way
// until Accepted or Return, and then until Done.
func (t *Transport) Next() *Entry {
	if !t.ready() {
		return nil
	}
	t.refill(t.available[0].waiting[0].job)
	if !t.ready() {
		return nil
	}
	if j := t.available[0].waiting[0].job; t.letPass(j) {
		t.refill(t.available[0].waiting[0].job)
	}
	if !t.ready() {
		return nil
	}
	e := t.available[0].waiting[0].take()
	t.pending++
	if t.Limits.TransportDelay > 0 {
		t.Pause(t.Limits.TransportDelay)
	}
	return e
}

// Pause keeps the transport from giving out entries for some time.
func (t *Transport) Pause(d time.Duration) {
	t.pause = true
	t.sched.after(d, func() { t.pause = false })
}

// Accepted says that an agent has taken the request.
func (t *Transport) Accepted() {
	if t.pending > 0 {
		t.pending--
	}
}
