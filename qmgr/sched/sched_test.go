package sched

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// A world is a scheduler with a clock that the test moves.
type world struct {
	*Scheduler
	t        *testing.T
	now      time.Time
	limits   map[string]Limits
	done     []string
	rejected []string
	refill   func(m *Message, n int)
}

func defaults() Limits {
	return Limits{
		Concurrency: 20, Initial: 5, Positive: Whole, Negative: Whole, FailedCohorts: 1,
		EntryRecipients: 50, Recipients: 20000, ExtraRecipients: 1000, RefillLimit: 100, RefillDelay: 5 * time.Second,
		SlotCost: 5, SlotLoan: 3, SlotDiscount: 50, MinimumSlots: 3, PendingDeliveries: 1 << 30,
	}
}

func newWorld(t *testing.T, limits map[string]Limits) *world {
	w := &world{t: t, now: time.Unix(1e9, 0), limits: limits}
	w.Scheduler = New(Options{
		Now: func() time.Time { return w.now },
		Transport: func(name string) Limits {
			if l, ok := w.limits[name]; ok {
				return l
			}
			return defaults()
		},
		Recipients: 20000, MessageRecipients: 10,
		DestinationRetry: 300 * time.Second, TransportRetry: 60 * time.Second, DeadLimit: 3,
		Refill: func(m *Message, n int) { w.refill(m, n) },
		Reject: func(m *Message, rcpts []Recipient, why Trouble) {
			for _, r := range rcpts {
				w.rejected = append(w.rejected, r.Address+": "+why.Reason)
			}
		},
		Done: func(m *Message) { w.done = append(w.done, m.Mail.(string)); w.Forget(m) },
	})
	return w
}

func (w *world) pass(d time.Duration) {
	w.now = w.now.Add(d)
	w.Run()
}

// message adds a message with n recipients at each destination.
func (w *world) message(name, transport string, n int, domains ...string) *Message {
	m := &Message{Mail: name, Queued: w.now}
	w.Hold(m)
	for i := range n {
		for _, d := range domains {
			r := Recipient{Address: fmt.Sprintf("%s%d@%s", name, i, d)}
			if why := w.Add(m, w.Transport(transport), d, d, r); why != nil {
				w.rejected = append(w.rejected, r.Address+": "+why.Reason)
			}
		}
	}
	w.Release(m)
	return m
}

// take gives out all that may be delivered now.
func (w *world) take() []*Entry {
	var all []*Entry
	for t := w.Ready(); t != nil; t = w.Ready() {
		e := t.Next()
		if e == nil {
			break
		}
		t.Accepted()
		all = append(all, e)
	}
	return all
}

func (w *world) succeed(list ...*Entry) {
	for _, e := range list {
		e.Destination.Succeeded()
		w.Done(e)
	}
}

func (w *world) fail(list ...*Entry) {
	for _, e := range list {
		e.Destination.Failed(Trouble{"4.4.1", "connection refused"})
		w.Done(e)
	}
}

// TestSlowStart: S1.7, S4.4.2. Deliveries to a destination double up to the
// limit as long as they succeed.
func TestSlowStart(t *testing.T) {
	for _, test := range []struct {
		positive string
		want     []int
	}{
		{"1", []int{5, 10, 20, 20}},
		{"1/concurrency", []int{5, 6, 7, 8}},
		{"0.5", []int{5, 7, 11, 16}},
		{"1 / sqrt_concurrency", []int{5, 7, 9, 12}},
		{"0", []int{5, 5, 5, 5}},
	} {
		l := defaults()
		l.Positive, _ = ParseFeedback(test.positive)
		w := newWorld(t, map[string]Limits{"smtp": l})
		for range 200 {
			w.message("m", "smtp", 1, "example.com")
		}
		var got []int
		list := w.take()
		for range test.want {
			got = append(got, len(list))
			var next []*Entry
			for _, e := range list {
				w.succeed(e)
				next = append(next, w.take()...)
			}
			list = next
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("feedback %s: %d deliveries at a time, want %d", test.positive, got, test.want)
		}
	}
}

// TestShrink: S1.7. Trouble makes the window smaller at the start of a run of
// failures.
func TestShrink(t *testing.T) {
	for _, test := range []struct {
		negative string
		want     []int
	}{
		{"1", []int{19, 18, 17, 16, 15, 14}},
		{"1/3", []int{19, 19, 19, 18, 18, 18}},
		{"0", []int{20, 20, 20, 20, 20, 20}},
	} {
		l := defaults()
		l.FailedCohorts = 10
		l.Negative, _ = ParseFeedback(test.negative)
		win := window{size: 20}
		for i, want := range test.want {
			if win.fail(&l) {
				t.Fatalf("feedback %s: dead", test.negative)
			}
			if win.size != want {
				t.Errorf("feedback %s, failure %d: window %d, want %d", test.negative, i+1, win.size, want)
			}
		}
	}
}

func TestParseFeedback(t *testing.T) {
	for _, bad := range []string{"", "2", "-1", "x", "1/0", "1/x", "3 / 2", "NaN"} {
		if f, err := ParseFeedback(bad); err == nil || f != Whole {
			t.Errorf("ParseFeedback(%q) = %v, %v", bad, f, err)
		}
	}
	f, err := ParseFeedback(" 1 / 4 ")
	if err != nil || f.at(7) != 0.25 {
		t.Errorf("1 / 4: %v, %v", f, err)
	}
}

// TestDeadSite: S1.10. After a windowful of failures a destination is left
// alone; what waits for it comes back; others go on; later it has another
// chance.
func TestDeadSite(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 10 {
		w.message(fmt.Sprint("m", i), "smtp", 1, "dead.example")
	}
	first := w.take()
	if len(first) != 5 {
		t.Fatalf("%d deliveries, want 5", len(first))
	}
	w.fail(first...)
	if len(w.rejected) != 5 || w.rejected[0] != "m50@dead.example: connection refused" {
		t.Errorf("rejected: %q", w.rejected)
	}
	if len(w.done) != 10 {
		t.Errorf("done: %q", w.done)
	}
	w.message("new", "smtp", 1, "dead.example")
	w.message("other", "smtp", 1, "live.example")
	if len(w.rejected) != 6 {
		t.Errorf("mail for a dead destination was taken: %q", w.rejected)
	}
	list := w.take()
	if len(list) != 1 || list[0].Destination.Key != "live.example" {
		t.Errorf("deliveries: %v", list)
	}
	w.pass(299 * time.Second)
	if w.Transport("smtp").Destination("dead.example").Trouble() == nil {
		t.Error("not dead any more after 299 seconds")
	}
	w.pass(time.Second)
	w.message("later", "smtp", 1, "dead.example")
	if list := w.take(); len(list) != 1 {
		t.Errorf("after 300 seconds: %d deliveries", len(list))
	}
}

// TestDeadLimit: S1.10. The list of dead destinations is bounded.
func TestDeadLimit(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 5 {
		d := fmt.Sprint("d", i)
		for range 5 {
			w.message("m", "smtp", 1, d)
		}
		w.fail(w.take()...)
	}
	if n := w.troubled.Len(); n != 3 {
		t.Errorf("%d dead destinations, want 3", n)
	}
	if w.Transport("smtp").Destination("d0") != nil {
		t.Error("the longest dead is still there")
	}
	w.Forgive()
	if w.troubled.Len() != 0 || len(w.Transport("smtp").destinations) != 0 {
		t.Error("not all forgiven")
	}
}

// TestTroubleRemembered: S1.10. Failures add up though no mail waits in
// between.
func TestTroubleRemembered(t *testing.T) {
	w := newWorld(t, nil)
	tried := 0
	for range 12 {
		w.message("m", "smtp", 1, "d")
		list := w.take()
		tried += len(list)
		w.fail(list...)
		w.pass(10 * time.Second)
	}
	if tried != 4 {
		t.Errorf("%d attempts, want 4", tried)
	}
	w.pass(300 * time.Second)
	w.message("m", "smtp", 1, "d")
	w.succeed(w.take()...)
	if w.Transport("smtp").Destination("d") != nil {
		t.Error("a destination without trouble or work is remembered")
	}
}

func TestSuccessRevives(t *testing.T) {
	w := newWorld(t, nil)
	for range 5 {
		w.message("m", "smtp", 1, "d")
	}
	list := w.take()
	w.fail(list[:4]...)
	if w.Transport("smtp").Destination("d").Trouble() == nil {
		t.Fatal("not dead")
	}
	w.succeed(list[4])
	if w.Transport("smtp").Destination("d") != nil {
		t.Error("still dead after a success")
	}
}

// TestTransportDead: S4.5.5. What waits for a dead transport comes back, and
// it is tried again after the retry time.
func TestTransportDead(t *testing.T) {
	w := newWorld(t, nil)
	w.message("m", "smtp", 1, "a", "b", "c")
	tr := w.Ready()
	e := tr.Next()
	tr.Fail(Trouble{"4.3.0", "mail transport unavailable"})
	w.Return(e)
	if len(w.rejected) != 3 || len(w.done) != 1 {
		t.Errorf("rejected %q, done %q", w.rejected, w.done)
	}
	if w.message("n", "smtp", 1, "a"); len(w.rejected) != 4 {
		t.Error("mail for a dead transport was taken")
	}
	w.pass(60 * time.Second)
	if w.message("o", "smtp", 1, "a"); len(w.take()) != 1 {
		t.Error("transport is still dead")
	}
}

// TestSmallPassesLarge: S1.7, fairness. Ten messages with one recipient do not
// wait for one with 10000.
func TestSmallPassesLarge(t *testing.T) {
	l := defaults()
	l.EntryRecipients, l.Concurrency, l.Initial = 1, 1, 1
	w := newWorld(t, map[string]Limits{"local": l})
	large := &Message{Mail: "large", Queued: w.now}
	w.Hold(large)
	for i := range 10000 {
		a := fmt.Sprint("user", i)
		w.Add(large, w.Transport("local"), a, "host", Recipient{Address: a})
	}
	w.Release(large)
	w.pass(time.Second)
	for i := range 10 {
		w.message(fmt.Sprint("small", i), "local", 1, fmt.Sprint("user", 20000+i))
	}
	var order []int // positions of small ones
	for n := 1; len(order) < 10; n++ {
		if n > 10000 {
			t.Fatalf("small messages at %v", order)
		}
		tr := w.Ready()
		e := tr.Next()
		tr.Accepted()
		if e.Message != large {
			order = append(order, n)
		}
		w.succeed(e)
	}
	if order[0] > 2 || order[9] > 50 {
		t.Errorf("small messages came at %v", order)
	}
	// The large one is slowed by a fifth at most, plus what was borrowed.
	if gaps := order[9] - order[5]; gaps < 4*4 {
		t.Errorf("too many passed: %v", order)
	}
}

// TestPassing follows the example of Postfix's SCHEDULER_README: mail for ten
// recipients, then two for two, slot cost 2 and a discount of half.
func TestPassing(t *testing.T) {
	for _, test := range []struct {
		discount int
		want     string
	}{
		{0, "11112211113311"},
		{50, "11221111331111"},
		{100, "22111133111111"},
	} {
		l := defaults()
		l.EntryRecipients, l.SlotCost, l.SlotLoan, l.SlotDiscount = 1, 2, 0, test.discount
		w := newWorld(t, map[string]Limits{"x": l})
		w.limits["x"] = l
		for i, n := range []int{10, 2, 2} {
			w.pass(time.Duration(i) * time.Millisecond)
			m := &Message{Mail: fmt.Sprint(i + 1), Queued: w.now}
			w.Hold(m)
			for k := range n {
				a := fmt.Sprint(i, ".", k)
				w.Add(m, w.Transport("x"), a, "x", Recipient{Address: a})
			}
			w.Release(m)
		}
		got := ""
		for tr := w.Ready(); tr != nil; tr = w.Ready() {
			e := tr.Next()
			got += e.Message.Mail.(string)
			w.succeed(e)
		}
		if got != test.want {
			t.Errorf("discount %d: %s, want %s", test.discount, got, test.want)
		}
	}
}

// TestOrder: messages go out in the order of their arrival, destinations of a
// message take turns, and a blocked job does not stop the others.
func TestOrder(t *testing.T) {
	l := defaults()
	l.Initial, l.EntryRecipients = 1, 1
	w := newWorld(t, map[string]Limits{"x": l})
	w.message("a", "x", 2, "p", "q")
	w.pass(time.Second)
	w.message("b", "x", 1, "p", "r")
	var got []string
	for _, e := range w.take() {
		got = append(got, e.Message.Mail.(string)+e.Destination.Key)
	}
	if want := []string{"ap", "aq", "br"}; !slices.Equal(got, want) {
		t.Errorf("first round: %q, want %q", got, want)
	}
}

// TestRoundRobin: transports take turns.
func TestRoundRobin(t *testing.T) {
	w := newWorld(t, nil)
	for range 3 {
		w.message("m", "smtp", 1, "a")
		w.message("n", "local", 1, "b")
	}
	got := ""
	for _, e := range w.take() {
		got += e.Destination.Key
	}
	if got != "ababab" {
		t.Errorf("order %s", got)
	}
}

// TestGrouping: S4.4.3. Recipients for one destination travel together, up to
// the limit; a message for VERP sends each alone.
func TestGrouping(t *testing.T) {
	for _, test := range []struct {
		limit  int
		single bool
		want   []int
	}{
		{2, false, []int{2, 2, 1}}, {0, false, []int{5}}, {50, true, []int{1, 1, 1, 1, 1}},
	} {
		l := defaults()
		l.EntryRecipients = test.limit
		w := newWorld(t, map[string]Limits{"x": l})
		m := &Message{Mail: "m", Queued: w.now, Single: test.single}
		for i := range 5 {
			w.Add(m, w.Transport("x"), "d", "d", Recipient{Address: fmt.Sprint(i)})
		}
		var got []int
		for _, e := range w.take() {
			got = append(got, len(e.Recipients))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("limit %d, single %v: %v, want %v", test.limit, test.single, got, test.want)
		}
	}
}

func TestDestinationDelay(t *testing.T) {
	l := defaults()
	l.DestinationDelay = 2 * time.Second
	w := newWorld(t, map[string]Limits{"slow": l})
	for range 3 {
		w.message("m", "slow", 1, "a")
	}
	for i := range 3 {
		list := w.take()
		if len(list) != 1 {
			t.Fatalf("delivery %d: %d at a time", i, len(list))
		}
		w.succeed(list...)
		if w.pass(1999 * time.Millisecond); w.Ready() != nil {
			t.Fatal("no pause")
		}
		w.pass(time.Millisecond)
	}
	if n := len(w.Transport("slow").destinations); n != 0 {
		t.Errorf("%d destinations left", n)
	}
}

func TestTransportDelay(t *testing.T) {
	l := defaults()
	l.TransportDelay = 20 * time.Second
	w := newWorld(t, map[string]Limits{"slow": l})
	w.message("m", "slow", 1, "a", "b")
	if n := len(w.take()); n != 1 {
		t.Fatalf("%d deliveries", n)
	}
	if at := w.Wake(); at != w.now.Add(20*time.Second) {
		t.Errorf("wakes at %v", at)
	}
	w.pass(20 * time.Second)
	if n := len(w.take()); n != 1 {
		t.Errorf("after the delay: %d deliveries", n)
	}
}

func TestPending(t *testing.T) {
	l := defaults()
	l.PendingDeliveries = 2
	w := newWorld(t, map[string]Limits{"x": l})
	for range 5 {
		w.message("m", "x", 1, "a")
	}
	tr := w.Transport("x")
	tr.Next()
	tr.Next()
	if w.Ready() != nil || tr.Next() != nil {
		t.Error("a third request while two are pending")
	}
	tr.Accepted()
	if tr.Next() == nil {
		t.Error("no request after one was accepted")
	}
}

// TestPortions: S4.5.2. A message with 1000 recipients never has more in memory
// than the limits allow, and all are delivered.
func TestPortions(t *testing.T) {
	l := defaults()
	l.EntryRecipients, l.Recipients, l.RefillLimit = 1, 40, 10
	w := newWorld(t, map[string]Limits{"x": l})
	w.opts.Recipients = 20
	const all = 1000
	next, most := 0, 0
	m := &Message{Mail: "m", Queued: w.now}
	read := func(m *Message, n int) {
		w.Hold(m)
		w.SetUnread(m, all-next-min(n, all-next))
		for ; n > 0 && next < all; n-- {
			a := fmt.Sprint("u", next)
			w.Add(m, w.Transport("x"), a, a, Recipient{Address: a})
			next++
		}
		most = max(most, m.recipients)
		w.Release(m)
	}
	w.refill = read
	read(m, w.Room())
	delivered := map[string]bool{}
	for next < all || len(delivered) < all {
		list := w.take()
		if len(list) == 0 {
			if next == all {
				t.Fatalf("%d delivered", len(delivered))
			}
			read(m, w.Room())
			continue
		}
		for _, e := range list {
			delivered[e.Recipients[0].Address] = true
		}
		w.succeed(list...)
		w.pass(time.Millisecond)
	}
	if most > 50 {
		t.Errorf("%d recipients in memory at a time", most)
	}
	if w.Recipients() != 0 || w.Transport("x").recipients != 0 || len(w.Transport("x").unread) != 0 {
		t.Errorf("counts left over: %d", w.Recipients())
	}
}

func TestConnectionCaching(t *testing.T) {
	l := defaults()
	l.Initial, l.Concurrency = 1, 1
	w := newWorld(t, map[string]Limits{"smtp": l})
	for range 3 {
		w.message("m", "smtp", 1, "a")
	}
	first := w.take()[0]
	w.succeed(first)
	second := w.take()[0]
	w.succeed(second)
	w.pass(3 * time.Second)
	third := w.take()[0]
	got := []bool{first.Load, first.Store, second.Load, second.Store, third.Load, third.Store}
	if want := []bool{false, false, true, true, true, false}; !slices.Equal(got, want) {
		t.Errorf("load and store: %v, want %v", got, want)
	}
}

// TestRenumber lets so many jobs pass that labels run out.
func TestRenumber(t *testing.T) {
	w := newWorld(t, nil)
	tr := w.Transport("x")
	m := w.message("big", "x", 1, "a", "b", "c")
	for i := range 100 {
		j := tr.job(w.message(fmt.Sprint(i), "x", 1, "d"))
		tr.moveBefore(j, m.jobs[0])
	}
	last := uint64(0)
	for j := tr.first; j != nil; j = j.next {
		if j.label <= last {
			t.Fatalf("label %d after %d", j.label, last)
		}
		last = j.label
	}
	if tr.available[0].waiting[0].job != tr.first {
		t.Error("heap and list disagree")
	}
}

func BenchmarkOneRecipient(b *testing.B) {
	w := newWorld(nil, nil)
	for i := range b.N {
		w.message("m", "smtp", 1, []string{"a", "b", "c", "d"}[i%4])
		w.succeed(w.take()...)
		w.done = w.done[:0]
	}
}

func BenchmarkBacklog(b *testing.B) {
	w := newWorld(nil, nil)
	for i := range 20000 {
		w.message("m", "smtp", 1, []string{"a", "b", "c", "d"}[i%4])
	}
	list := w.take()
	for b.Loop() {
		e := list[0]
		w.succeed(e)
		w.message("m", "smtp", 1, e.Destination.Key)
		list = append(list[1:], w.take()...)
		w.done = w.done[:0]
	}
}
