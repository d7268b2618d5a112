package sched

import (
	"slices"
	"time"
)

// A Message is what the scheduler knows of a message in the active queue.
type Message struct {
	Mail   any       // the program's
	Queued time.Time // when it came into the active queue
	Single bool      // each recipient needs a request of its own

	jobs       []*job
	unread     int // recipients that may be in the file only; 0: there are none
	recipients int // in memory
	entries    int // in memory
	held       int // reasons why it is not done
	noted      bool
	refilled   time.Time
}

// Recipients is how many recipients of the message are in memory.
func (m *Message) Recipients() int { return m.recipients }

// Hold keeps a message from being done until Release.
func (s *Scheduler) Hold(m *Message) { m.held++ }

// Release ends a Hold.
func (s *Scheduler) Release(m *Message) {
	m.held--
	s.finish(m)
}

// Forget ends the jobs of a message that is done.
func (s *Scheduler) Forget(m *Message) {
	m.unread = 0
	for _, j := range slices.Clone(m.jobs) {
		j.end()
	}
}

// A job is what one transport has to do for one message.
type job struct {
	message    *Message
	transport  *Transport
	prev, next *job
	label      uint64 // grows from first to last
	peers      []*peer
	byKey      map[*Destination]*peer // when there are many
	waiting    int                    // entries
	busy       int                    // entries
	recipients int                    // in memory
	earned     int                    // entries given out, less what others were let pass for
	passed     *job                   // who let this one pass
	granted    int                    // for so many entries
	used       int                    // of them
	extra      int                    // recipients it may have in memory besides
	gone       bool
}

// Add lets the recipient wait for a destination of t. A dead transport or
// destination is an answer: the recipient was not taken.
func (s *Scheduler) Add(m *Message, t *Transport, key, nextHop string, r Recipient) *Trouble {
	if t.trouble != nil {
		return t.trouble
	}
	d := t.destination(key, nextHop)
	if d.trouble != nil {
		return d.trouble
	}
	j := t.job(m)
	if j.peer(d).add(r, t.Limits.EntryRecipients) {
		m.entries++
		j.waiting++
		d.backlog++
	}
	m.recipients++
	j.recipients++
	t.recipients++
	s.recipients++
	t.consider(j)
	return nil
}

// job finds the job of m, or makes it and puts it behind the jobs of older
// messages.
func (t *Transport) job(m *Message) *job {
	for _, j := range m.jobs {
		if j.transport == t {
			return j
		}
	}
	j := &job{message: m, transport: t}
	m.jobs = append(m.jobs, j)
	after := t.last
	for after != nil && after.message.Queued.After(m.Queued) {
		after = after.prev
	}
	t.link(j, after)
	if m.unread > 0 {
		i, _ := slices.BinarySearchFunc(t.unread, m.Queued, func(j *job, at time.Time) int {
			return j.message.Queued.Compare(at)
		})
		t.unread = slices.Insert(t.unread, i, j)
	}
	return j
}

// spacing of labels leaves room for jobs that pass others.
const spacing = 1 << 32

// link puts the job behind another one; nil: in front of all.
func (t *Transport) link(j, after *job) {
	if after == nil {
		j.prev, j.next, t.first = nil, t.first, j
	} else {
		j.prev, j.next, after.next = after, after.next, j
	}
	if j.next == nil {
		t.last = j
	} else {
		j.next.prev = j
	}
	var low, high uint64
	if after != nil {
		low = after.label
	}
	if high = low + 2*spacing; j.next != nil {
		high = j.next.label
	}
	if j.label = low + (high-low)/2; j.label == low {
		t.renumber()
	}
}

// renumber gives new labels in the same order, so all heaps stay right.
func (t *Transport) renumber() {
	label := uint64(spacing)
	for j := t.first; j != nil; j = j.next {
		j.label = label
		label += spacing
	}
}

func (t *Transport) unlink(j *job) {
	if j.prev == nil {
		t.first = j.next
	} else {
		j.prev.next = j.next
	}
	if j.next == nil {
		t.last = j.prev
	} else {
		j.next.prev = j.prev
	}
	j.prev, j.next = nil, nil
}

// rest ends a job that has nothing to do any more.
func (j *job) rest() {
	if j.waiting == 0 && j.busy == 0 && j.message.unread == 0 {
		j.end()
	}
}

func (j *job) end() {
	if j.gone {
		return
	}
	j.gone = true
	j.refund()
	j.transport.unlink(j)
	j.transport.read(j)
	i := slices.Index(j.message.jobs, j)
	j.message.jobs = slices.Delete(j.message.jobs, i, i+1)
}

func (j *job) peer(d *Destination) *peer {
	if j.byKey != nil {
		if p := j.byKey[d]; p != nil {
			return p
		}
	} else {
		for _, p := range j.peers {
			if p.destination == d {
				return p
			}
		}
	}
	p := &peer{job: j, destination: d, place: len(j.peers), index: -1}
	j.peers = append(j.peers, p)
	switch {
	case j.byKey != nil:
		j.byKey[d] = p
	case len(j.peers) > 16:
		j.byKey = make(map[*Destination]*peer, 2*len(j.peers))
		for _, p := range j.peers {
			j.byKey[p.destination] = p
		}
	}
	return p
}

// leave removes a peer without entries.
func (j *job) leave(p *peer) {
	if j.byKey != nil {
		delete(j.byKey, p.destination)
	}
	last := len(j.peers) - 1
	j.peers[p.place] = j.peers[last]
	j.peers[p.place].place = p.place
	j.peers[last] = nil
	j.peers = j.peers[:last]
}
