package sched

import "container/heap"

// A peer is what one job has for one destination.
type peer struct {
	job         *job
	destination *Destination
	entries     []*Entry
	turn        uint64 // when it gave the last entry
	place       int    // in job.peers
	index       int    // in destination.waiting; -1: not there
}

// An Entry is what one delivery agent gets in one request.
type Entry struct {
	Message     *Message
	Destination *Destination
	Recipients  []Recipient
	Load        bool // the agent may use a kept connection
	Store       bool // the agent should keep its connection
	job         *job
}

// add puts the recipient into the last entry, or into a new one.
func (p *peer) add(r Recipient, limit int) (opened bool) {
	m := p.job.message
	if n := len(p.entries); n > 0 && !m.Single {
		if e := p.entries[n-1]; limit <= 0 || len(e.Recipients) < limit {
			e.Recipients = append(e.Recipients, r)
			return false
		}
	}
	e := &Entry{Message: m, Destination: p.destination, Recipients: []Recipient{r}, job: p.job}
	p.entries = append(p.entries, e)
	p.wait()
	return true
}

// wait joins the peers that wait for the destination.
func (p *peer) wait() {
	if p.index < 0 && len(p.entries) > 0 {
		heap.Push(&p.destination.waiting, p)
		p.destination.update()
	}
}

func (p *peer) stopWaiting() {
	if p.index >= 0 {
		heap.Remove(&p.destination.waiting, p.index)
		p.destination.update()
	}
}

// before is the order of delivery: by job, then by turns.
func (p *peer) before(q *peer) bool {
	if p.job != q.job {
		return p.job.label < q.job.label
	}
	return p.turn < q.turn
}

// peers is a heap.
type peers []*peer

func (h peers) Len() int           { return len(h) }
func (h peers) Less(i, j int) bool { return h[i].before(h[j]) }
func (h peers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for container/heap.
func (h *peers) Push(x any) {
	p := x.(*peer)
	p.index = len(*h)
	*h = append(*h, p)
}

// Pop is for container/heap.
func (h *peers) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	p.index = -1
	return p
}
