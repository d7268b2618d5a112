// Package sched decides what the queue manager delivers next. It knows no
// files, no sockets and no clock of its own, so that its rules can be tried
// in a table.
//
// A message has recipients for one or more transports. What it needs from one
// transport is a job; a job has a peer for each destination, and a peer holds
// entries: groups of recipients that one delivery agent gets in one request.
//
//	message ── job ── peer ── entry
//	            │       │
//	        transport   └─ destination (a next hop of the transport)
//
// Transports take turns. Within a transport the oldest job comes first, unless
// a job with few entries has earned to pass one with many (preempt.go). Within
// a job its destinations take turns. A destination is given as many entries at
// a time as its window allows; the window grows with success and shrinks with
// trouble (feedback.go). A destination or a transport that does not work is
// dead for some time, and what waits for it is handed back.
package sched

import (
	"container/list"
	"time"
)

// Limits are the settings of one transport. A zero limit means no limit,
// except where the comment tells otherwise.
type Limits struct {
	Concurrency       int           // most parallel deliveries to a destination
	Initial           int           // parallel deliveries to a new destination, at least 1
	Positive          Feedback      // how fast the window grows
	Negative          Feedback      // how fast the window shrinks
	FailedCohorts     float64       // windowfuls of failures that make a destination dead; 0: never
	DestinationDelay  time.Duration // pause between deliveries to a destination
	TransportDelay    time.Duration // pause between deliveries of the transport
	EntryRecipients   int           // most recipients in a request
	Recipients        int           // recipients in memory for the transport; 0 is none
	ExtraRecipients   int           // more of them for jobs that pass others; 0 is none
	RefillLimit       int           // least recipients worth reading from a queue file
	RefillDelay       time.Duration // after this time fewer will do
	SlotCost          int           // entries of a job that earn one slot for others; 0: jobs never pass
	SlotLoan          int           // slots that may be used before they are earned
	SlotDiscount      int           // percent of the slots that may be used before
	MinimumSlots      int           // jobs that will never earn so many are not passed
	PendingDeliveries int           // requests that no agent accepted yet, at least 1
}

// Options are the settings of a Scheduler, and its way back to the program.
type Options struct {
	Now               func() time.Time
	Transport         func(name string) Limits
	Recipients        int           // recipients in memory that need no transport's leave
	MessageRecipients int           // recipients that each message may have in memory in any case
	DestinationRetry  time.Duration // how long a destination stays dead
	TransportRetry    time.Duration // how long a transport stays dead
	DeadLimit         int           // destinations with trouble that are remembered

	// Refill asks for up to n more recipients of m, to be added before it
	// returns.
	Refill func(m *Message, n int)
	// Reject hands back recipients whose destination or transport is dead.
	Reject func(m *Message, rcpts []Recipient, t Trouble)
	// Done says that m has no recipients in memory any more. The message may
	// be used again from within.
	Done func(m *Message)
}

// A Recipient is one recipient record of a queue file.
type Recipient struct {
	Original string // as it was first seen
	Address  string // where the mail goes
	Offset   int64  // of the record in the queue file
	DSN      string // original recipient for delivery reports, "rfc822;address"
	Notify   int    // when the sender wants reports
}

// Trouble says why a destination or a transport is dead.
type Trouble struct {
	Status string // RFC 3463: "4.4.1"
	Reason string
}

// A Scheduler is not safe for use by several goroutines.
type Scheduler struct {
	opts       Options
	transports map[string]*Transport
	ring       []*Transport // who takes turns
	turn       int          // index into ring of who is next
	recipients int          // in memory
	troubled   *list.List   // of *Destination, the one with the oldest trouble first
	timers     Timers
	finished   []*Message // to be reported
	reporting  bool
}

// New returns a Scheduler without work.
func New(opts Options) *Scheduler {
	return &Scheduler{opts: opts, transports: map[string]*Transport{}, troubled: list.New()}
}

// Transport finds the transport with this name, or makes it.
func (s *Scheduler) Transport(name string) *Transport {
	t := s.transports[name]
	if t == nil {
		t = newTransport(s, name, s.opts.Transport(name))
		s.transports[name] = t
		s.ring = append(s.ring, t)
	}
	return t
}

// Ready returns the next transport that has something to deliver, or nil. Each
// transport gets its turn.
func (s *Scheduler) Ready() *Transport {
	for range s.ring {
		t := s.ring[s.turn%len(s.ring)]
		s.turn = (s.turn + 1) % len(s.ring)
		if t.ready() {
			return t
		}
	}
	return nil
}

// Recipients is how many recipients are in memory.
func (s *Scheduler) Recipients() int { return s.recipients }

// Forgive forgets that any destination or transport is dead.
func (s *Scheduler) Forgive() {
	for _, t := range s.transports {
		t.Revive()
		for _, d := range t.destinations {
			d.Revive()
		}
	}
}

// Wake returns when Run has something to do, or the zero time.
func (s *Scheduler) Wake() time.Time { return s.timers.Wake() }

// Run does what is due: the end of suspensions and delays.
func (s *Scheduler) Run() { s.timers.Run(s.opts.Now()) }

func (s *Scheduler) after(d time.Duration, do func()) *Timer {
	return s.timers.Add(s.opts.Now().Add(d), do)
}

// finish notes that m may have nothing left in memory. Done is called when no
// other call of the scheduler is under way for m.
func (s *Scheduler) finish(m *Message) {
	if m.entries > 0 || m.held > 0 || m.noted {
		return
	}
	m.noted = true
	s.finished = append(s.finished, m)
	s.report()
}

func (s *Scheduler) report() {
	if s.reporting {
		return
	}
	s.reporting = true
	for len(s.finished) > 0 {
		m := s.finished[0]
		s.finished = s.finished[1:]
		m.noted = false
		if m.entries == 0 && m.held == 0 {
			s.opts.Done(m)
		}
	}
	s.finished = nil
	s.reporting = false
}

// Congested returns the transports that have something to deliver and too many
// requests that no agent has accepted.
func (s *Scheduler) Congested() []*Transport {
	var list []*Transport
	for _, t := range s.ring {
		if len(t.available) > 0 && t.trouble == nil && t.pending >= t.Limits.PendingDeliveries {
			list = append(list, t)
		}
	}
	return list
}
