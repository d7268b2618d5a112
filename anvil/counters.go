package main

import (
	"fmt"
	"time"

	"postrider/lib/base/msg"
)

// An event is what is counted per time unit.
type event int

const (
	connections event = iota
	messages
	recipients
	newTLS
	logins
	events
)

// eventNames are the words of the statistics.
var eventNames = [events]string{"connection", "message", "recipient", "newtls", "auth"}

// A remote is one client of one service.
type remote struct {
	count int         // simultaneous connections
	rates [events]int // in the time unit that began at start
	start time.Time
}

// A maximum is the highest number of its kind since the last report.
type maximum struct {
	value int
	ident string
	at    time.Time
}

// note remembers a value that is higher than all before.
func (m *maximum) note(value int, ident string, now time.Time) {
	if value > m.value {
		*m = maximum{value, ident, now}
	}
}

// counters are what anvil knows. One goroutine at a time uses them.
type counters struct {
	unit    time.Duration
	now     func() time.Time
	remotes map[string]*remote

	maxRate  [events]maximum
	maxCount maximum
	maxCache maximum
	log      func(format string, args ...any)
}

func newCounters(unit time.Duration) *counters {
	return &counters{unit: unit, now: time.Now, remotes: make(map[string]*remote), log: msg.Info}
}

// at returns the counters of a client. Rates of a time unit that is over are 0.
func (c *counters) at(ident string, make bool) *remote {
	now := c.now()
	r := c.remotes[ident]
	if r == nil {
		if !make {
			return &remote{}
		}
		r = &remote{start: now}
		c.remotes[ident] = r
		c.maxCache.note(len(c.remotes), "", now)
	}
	if now.Sub(r.start) > c.unit {
		r.rates, r.start = [events]int{}, now
	}
	return r
}

// connect counts a new connection.
func (c *counters) connect(ident string) (count, rate int) {
	r := c.at(ident, true)
	r.count++
	r.rates[connections]++
	c.maxCount.note(r.count, ident, c.now())
	c.maxRate[connections].note(r.rates[connections], ident, c.now())
	return r.count, r.rates[connections]
}

// disconnect counts the end of a connection.
func (c *counters) disconnect(ident string) {
	if r := c.remotes[ident]; r != nil && r.count > 0 {
		r.count--
	}
}

// happened counts an event of a client.
func (c *counters) happened(e event, ident string) (rate int) {
	r := c.at(ident, true)
	r.rates[e]++
	c.maxRate[e].note(r.rates[e], ident, c.now())
	return r.rates[e]
}

// sweep forgets the clients that are gone and whose time unit is over.
func (c *counters) sweep() {
	now := c.now()
	for ident, r := range c.remotes {
		if r.count == 0 && now.Sub(r.start) > c.unit {
			delete(c.remotes, ident)
		}
	}
}

// logMaxima writes the statistics, whose form is fixed, and begins anew.
func (c *counters) logMaxima() {
	unit := fmt.Sprintf("%ds", int(c.unit/time.Second))
	rate := func(e event) {
		if m := &c.maxRate[e]; m.value > 0 {
			c.log("statistics: max %s rate %d/%s for (%s) at %s", eventNames[e], m.value, unit, m.ident, m.at.Format(time.Stamp))
			*m = maximum{}
		}
	}
	rate(connections)
	if m := &c.maxCount; m.value > 0 {
		c.log("statistics: max connection count %d for (%s) at %s", m.value, m.ident, m.at.Format(time.Stamp))
		*m = maximum{}
	}
	for e := messages; e < events; e++ {
		rate(e)
	}
	if m := &c.maxCache; m.value > 0 {
		c.log("statistics: max cache size %d at %s", m.value, m.at.Format(time.Stamp))
		*m = maximum{}
	}
}
