package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/table"
	_ "postrider/lib/base/table/memory"
	"postrider/lib/service/verify"
)

const day = 24 * time.Hour

// A bench is a cache with a clock of its own that sends its probes nowhere.
type bench struct {
	*cache
	t      *testing.T
	at     time.Time
	probes chan string
	fail   error
}

func newBench(t *testing.T) *bench {
	m, err := table.Open("internal:"+t.Name(), table.Writable)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, at: time.Unix(1_800_000_000, 0), probes: make(chan string, 10)}
	b.cache = &cache{table: m.(table.Updater), negative: true, ages: ages{31 * day, 7 * day, 3 * day, 3 * time.Hour},
		now: func() time.Time { return b.at }, probe: func(address string) error {
			b.probes <- address
			return b.fail
		}}
	return b
}

// ask checks the answer to a question, and whether it starts a probe.
func (b *bench) ask(address string, want verify.RecipientStatus, reason string, probe bool) {
	b.t.Helper()
	e, err := b.query(address)
	if err != nil || e.status != want || e.text != reason {
		b.t.Errorf("%s: %d %q, %v; want %d %q", address, e.status, e.text, err, want, reason)
	}
	if probe {
		select {
		case got := <-b.probes:
			if got != address {
				b.t.Errorf("a probe for %s", got)
			}
		case <-time.After(5 * time.Second):
			b.t.Errorf("no probe for %s", address)
		}
	}
}

// quiet checks that no probe was sent that was not asked for.
func (b *bench) quiet() {
	b.t.Helper()
	if len(b.probes) > 0 {
		b.t.Errorf("an unexpected probe for %s", <-b.probes)
	}
}

func (b *bench) stored(address, want string) {
	b.t.Helper()
	if got, _, _ := b.table.Lookup(address); got != want {
		b.t.Errorf("stored for %s: %q, want %q", address, got, want)
	}
}

// A good result is refreshed after a week and forgotten after a month; failed
// probes do not touch it before.
func TestPositive(t *testing.T) {
	b := newBench(t)
	b.ask("joe@a", verify.InProgress, inProgress, true)
	b.stored("joe@a", "3:1800000000:0:"+inProgress)
	b.ask("joe@a", verify.InProgress, inProgress, false)
	b.update("joe@a", verify.Deliverable, "250 ok")
	b.stored("joe@a", "0:0:1800000000:250 ok")
	b.at = b.at.Add(7 * day)
	b.ask("joe@a", verify.Deliverable, "250 ok", false)
	b.at = b.at.Add(time.Second)
	b.ask("joe@a", verify.Deliverable, "250 ok", true)
	b.ask("joe@a", verify.Deliverable, "250 ok", false)
	b.update("joe@a", verify.Undeliverable, "550 no")
	b.ask("joe@a", verify.Deliverable, "250 ok", false)
	b.at = b.at.Add(1001 * time.Second) // the probe counts as lost
	b.ask("joe@a", verify.Deliverable, "250 ok", true)
	b.at = b.at.Add(24 * day)
	b.ask("joe@a", verify.InProgress, inProgress, true)
	b.update("joe@a", verify.Undeliverable, "550 no")
	b.ask("joe@a", verify.Undeliverable, "550 no", false)
	b.quiet()
}

// Bad results are refreshed after three hours and forgotten after three days.
func TestNegative(t *testing.T) {
	b := newBench(t)
	b.update("joe@a", verify.Undeliverable, "550: no")
	b.stored("joe@a", "2:0:1800000000:550: no")
	b.at = b.at.Add(3 * time.Hour)
	b.ask("joe@a", verify.Undeliverable, "550: no", false)
	b.at = b.at.Add(time.Second)
	b.ask("joe@a", verify.Undeliverable, "550: no", true)
	b.update("joe@a", verify.Deferred, "450 wait")
	b.ask("joe@a", verify.Deferred, "450 wait", false)
	b.at = b.at.Add(3*day + time.Second)
	b.ask("joe@a", verify.InProgress, inProgress, true)
	b.update("joe@a", verify.Deliverable, "250 ok")
	b.ask("joe@a", verify.Deliverable, "250 ok", false)
	b.quiet()
}

// Without negative cache an address that is not known to be good leaves no trace,
// and each question starts a probe.
func TestNoNegativeCache(t *testing.T) {
	b := newBench(t)
	b.negative = false
	for range 2 {
		b.ask("joe@a", verify.InProgress, inProgress, true)
		b.stored("joe@a", "")
	}
	b.update("joe@a", verify.Deliverable, "250 ok")
	b.at = b.at.Add(32 * day)
	b.ask("joe@a", verify.InProgress, inProgress, true)
	b.stored("joe@a", "")
	b.quiet()
}

// A probe that could not be sent is not waited for, and the next question sends
// another.
func TestProbeFails(t *testing.T) {
	b := newBench(t)
	b.fail = fmt.Errorf("no cleanup here")
	gone := func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		_, found, _ := b.table.Lookup("joe@a")
		return !found
	}
	for range 2 {
		b.ask("joe@a", verify.InProgress, inProgress, true)
		for end := time.Now().Add(5 * time.Second); !gone(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the mark stays")
			}
		}
	}
	b.quiet()
}

// A colon is an underscore in the table, and nowhere else; nonsense in the table
// is nothing known.
func TestKeys(t *testing.T) {
	b := newBench(t)
	b.ask(`"a:b"@c`, verify.InProgress, inProgress, true)
	b.update(`"a:b"@c`, verify.Deliverable, "ok")
	b.stored(`"a_b"@c`, "0:0:1800000000:ok")
	for _, value := range []string{"", "x", "0:0:0", "9:0:1:x", "-1:0:1:x", "0:x:1:x", "0:0:-5:x", "99999999999:0:1:x"} {
		b.table.Update("bad@c", value)
		b.ask("bad@c", verify.InProgress, inProgress, true)
	}
	b.quiet()
}

// The cleanup removes what is expired or makes no sense, and notes its time.
func TestClean(t *testing.T) {
	b := newBench(t)
	now := b.at.Unix()
	ago := func(d time.Duration) int64 { return now - int64(d/time.Second) }
	for name, e := range map[string]entry{
		"good":    {verify.Deliverable, 0, ago(30 * day), "ok"},
		"old":     {verify.Deliverable, 0, ago(32 * day), "ok"},
		"bad":     {verify.Undeliverable, 0, ago(2 * day), "no"},
		"old-bad": {verify.Undeliverable, 0, ago(4 * day), "no"},
		"probed":  {verify.InProgress, ago(time.Minute), 0, inProgress},
		"lost":    {verify.InProgress, ago(time.Hour), 0, inProgress},
	} {
		b.table.Update(name, e.String())
	}
	b.table.Update("nonsense", "x")
	list := b.table.(table.Sequencer)
	b.clean(list)
	var left []string
	for name := range list.All() {
		left = append(left, name)
	}
	if got := strings.Join(left, " "); got != "_LAST_CACHE_CLEANUP_COMPLETED_ bad good probed" {
		t.Errorf("left: %s", got)
	}
	b.stored(cleanedKey, fmt.Sprint(now))
	conf.CleanupInterval = 12 * time.Hour
	b.at = b.at.Add(5 * time.Hour)
	if d := b.untilClean(); d != 7*time.Hour {
		t.Errorf("the next one is in %v", d)
	}
}

// The answers of the service, those to nonsense as of stock Postfix.
func TestAnswer(t *testing.T) {
	b := newBench(t)
	for _, test := range []struct {
		list string // name=value, ...
		want any
	}{
		{"request=foo address=a@b", verify.Reply{Status: verify.Bad}},
		{"request=query", verify.Reply{Status: verify.Bad}},
		{"request=update address=a@b recipient_status=7 reason=x", verify.Reply{Status: verify.Bad}},
		{"request=update address=a@b recipient_status=3 reason=x", verify.Reply{Status: verify.Bad}},
		{"request=update address=a@b recipient_status=2 reason=some:thing", verify.Reply{Status: verify.OK}},
		{"request=query address=a@b", verify.QueryReply{Status: verify.OK, RecipientStatus: verify.Undeliverable, Reason: "some:thing"}},
	} {
		var list attr.List
		for word := range strings.FieldsSeq(test.list) {
			name, value, _ := strings.Cut(word, "=")
			list = append(list, attr.Attr{Name: name, Value: value})
		}
		if got := answer(b.cache, list); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.list, got, test.want)
		}
	}
	b.quiet()
}
