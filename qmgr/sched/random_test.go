package sched

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestRandom does all that can happen in any order. At the end nothing may be
// lost, and nothing left.
func TestRandom(t *testing.T) {
	for seed := range uint64(300) {
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { randomWalk(t, rand.New(rand.NewPCG(seed, 1))) }) {
			return
		}
	}
}

func randomWalk(t *testing.T, r *rand.Rand) {
	l := defaults()
	l.EntryRecipients = r.IntN(3)
	l.SlotCost = r.IntN(4)
	l.Initial = 1 + r.IntN(3)
	l.Recipients, l.ExtraRecipients, l.RefillLimit = 20, 10, 5
	l.PendingDeliveries = 3
	slow := l
	slow.DestinationDelay = time.Second
	w := newWorld(t, map[string]Limits{"fast": l, "slow": slow})
	w.opts.Recipients = 30
	x := &walk{world: w, r: r, rest: map[*Message]int{}}
	w.refill = x.read
	w.opts.Done = x.done
	for range 400 {
		x.step()
	}
	for range 100000 {
		if x.messages == 0 {
			break
		}
		x.finish()
	}
	if x.messages != 0 || x.delivered+len(w.rejected) != x.added {
		t.Fatalf("%d messages left; %d recipients delivered and %d rejected of %d", x.messages, x.delivered, len(w.rejected), x.added)
	}
	w.Forgive()
	w.pass(time.Hour)
	for _, tr := range w.transports {
		if len(tr.destinations)+len(tr.unread)+len(tr.available)+tr.recipients+tr.extra != 0 || tr.first != nil || tr.last != nil {
			t.Errorf("transport %s is not empty: %+v", tr.Name, tr)
		}
	}
	if w.Recipients() != 0 || w.troubled.Len() != 0 {
		t.Errorf("%d recipients, %d troubled", w.Recipients(), w.troubled.Len())
	}
}

type walk struct {
	*world
	r         *rand.Rand
	busy      []*Entry
	rest      map[*Message]int // recipients in the file
	messages  int
	added     int
	delivered int
}

func (x *walk) step() {
	switch x.r.IntN(8) {
	case 0, 1:
		m := &Message{Mail: "m", Queued: x.now, Single: x.r.IntN(9) == 0}
		x.messages++
		x.rest[m] = []int{1, 1, 2, 50}[x.r.IntN(4)]
		x.read(m, x.Room())
	case 2, 3, 4:
		if tr := x.Ready(); tr != nil {
			if e := tr.Next(); e != nil {
				x.given(tr, e)
			}
		}
	case 5, 6:
		x.end(x.r.IntN(3) == 0)
	case 7:
		x.pass(time.Duration(x.r.IntN(3000)) * time.Millisecond)
	}
	if x.r.IntN(200) == 0 {
		x.Forgive()
	}
}

// given accepts an entry, hands it back, or finds out that the transport is
// dead.
func (x *walk) given(tr *Transport, e *Entry) {
	switch x.r.IntN(20) {
	case 0:
		tr.Fail(Trouble{"4.3.0", "dead"})
		x.Return(e)
	case 1:
		x.Return(e)
	default:
		tr.Accepted()
		x.busy = append(x.busy, e)
	}
}

func (x *walk) end(fail bool) {
	if len(x.busy) == 0 {
		return
	}
	i := x.r.IntN(len(x.busy))
	e := x.busy[i]
	x.busy = append(x.busy[:i], x.busy[i+1:]...)
	x.delivered += len(e.Recipients)
	if fail {
		x.fail(e)
	} else {
		x.succeed(e)
	}
}

// finish brings the walk to its end.
func (x *walk) finish() {
	if len(x.busy) > 0 {
		x.end(false)
		return
	}
	if tr := x.Ready(); tr != nil {
		if e := tr.Next(); e != nil {
			tr.Accepted()
			x.busy = append(x.busy, e)
		}
		return
	}
	x.pass(time.Second)
}

// read adds recipients of a message, at most n.
func (x *walk) read(m *Message, n int) {
	n = min(n, x.rest[m])
	x.rest[m] -= n
	x.Hold(m)
	x.SetUnread(m, x.rest[m])
	for range n {
		x.added++
		d := fmt.Sprint("d", x.r.IntN(6))
		r := Recipient{Address: d}
		name := []string{"fast", "fast", "slow"}[x.r.IntN(3)]
		if why := x.Add(m, x.Transport(name), d, d, r); why != nil {
			x.rejected = append(x.rejected, d)
		}
	}
	x.Release(m)
}

func (x *walk) done(m *Message) {
	if x.rest[m] > 0 {
		x.read(m, x.Room())
		return
	}
	x.Forget(m)
	delete(x.rest, m)
	x.messages--
}
