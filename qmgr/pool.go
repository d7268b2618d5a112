package main

import (
	"time"

	"golang.org/x/sys/unix"

	"postrider/qmgr/sched"
)

// A pool keeps connections to agents of ours for the next request: no connect,
// no accept, and no word to master(8) in between. An agent offers this in its
// announcement, and only when the request was there before it greeted, which
// only a queue manager of ours does. Source: docs/differences.md.
type pool struct {
	loop  *loop
	idle  map[*sched.Transport][]*kept
	timer *sched.Timer
}

// A kept connection has nothing under way.
type kept struct {
	fd    int
	uses  int // requests so far
	since time.Time
}

// Limits of kept connections. Between bursts of mail, and after some requests,
// others get their turn with the agent.
const (
	keepTime = 500 * time.Millisecond
	keepUses = 20
)

// patience is how long a request may wait for an agent that keeps a connection
// without a request. When the transport has fewer processes than there are
// requests, those in the queue of its socket have no other chance.
const patience = 10 * time.Millisecond

func newPool(l *loop) *pool { return &pool{loop: l, idle: map[*sched.Transport][]*kept{}} }

// take returns a connection for the next request of a transport, or nil.
func (p *pool) take(t *sched.Transport) *kept {
	list := p.idle[t]
	if len(list) == 0 {
		return nil
	}
	k := list[len(list)-1]
	p.idle[t] = list[:len(list)-1]
	return k
}

// put keeps a connection whose request is done. Another request may have been
// waiting for an agent meanwhile; then it is kept for a moment, or not at all.
func (p *pool) put(t *sched.Transport, fd, uses int, waiting time.Duration) {
	if uses >= keepUses || waiting >= patience {
		p.loop.close(fd)
		return
	}
	k := &kept{fd: fd, uses: uses, since: p.loop.now}
	if waiting > 0 {
		k.since = k.since.Add(patience - keepTime)
		if p.timer != nil {
			p.timer.Stop()
		}
		p.timer = p.loop.after(patience, p.expire)
	}
	p.idle[t] = append(p.idle[t], k)
	// An agent says nothing by itself: what comes is the end.
	p.loop.handlers[fd] = func(uint32) {
		p.remove(t, k)
		p.loop.close(fd)
	}
	if p.timer == nil {
		p.timer = p.loop.after(keepTime, p.expire)
	}
}

func (p *pool) remove(t *sched.Transport, k *kept) {
	list := p.idle[t]
	for i, other := range list {
		if other == k {
			p.idle[t] = append(list[:i], list[i+1:]...)
			return
		}
	}
}

// expire closes what was not used for a while.
func (p *pool) expire() {
	p.timer = nil
	left := false
	for t, list := range p.idle {
		fresh := list[:0]
		for _, k := range list {
			if p.loop.now.Sub(k.since) >= keepTime {
				p.loop.close(k.fd)
				continue
			}
			fresh = append(fresh, k)
		}
		if p.idle[t] = fresh; len(fresh) == 0 {
			delete(p.idle, t)
			continue
		}
		left = true
	}
	if left {
		p.timer = p.loop.after(keepTime/2, p.expire)
	}
}

// resume sends the next request over a kept connection.
func (c *call) resume(k *kept, request []byte, limit time.Duration) {
	c.fd, c.uses, c.out, c.announced, c.keep = k.fd, k.uses, request, true, true
	c.loop.handlers[c.fd] = c.ready
	c.send()
	if len(c.out) > 0 {
		c.loop.change(c.fd, readable|writable)
	}
	c.timer = c.loop.after(limit, func() { c.end(nil, c.fault(unix.ETIMEDOUT)) })
}
