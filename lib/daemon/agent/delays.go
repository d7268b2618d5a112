package agent

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"postrider/lib/service/deliver"
)

// Delays is the part of a log line that says how long a message took: in all,
// and before the queue manager, in it, for the connection, for the transfer.
func Delays(t deliver.Times, now time.Time, resolution int) string {
	if !t.Done.IsZero() {
		now = t.Done
	}
	if t.Arrival.IsZero() {
		t.Arrival = now
	}
	var before, in, connect, transfer time.Duration
	switch {
	case t.Active.IsZero(): // never reached the queue manager
		before = now.Sub(t.Arrival)
	case t.Handoff.IsZero(): // never reached an agent
		before, in = t.Active.Sub(t.Arrival), now.Sub(t.Active)
	default:
		before, in = t.Active.Sub(t.Arrival), t.Handoff.Sub(t.Active)
		start := t.Handoff
		if !t.Connected.IsZero() {
			connect, start = t.Connected.Sub(t.Handoff), t.Connected
		}
		transfer = now.Sub(start)
	}
	f := func(d time.Duration) string { return Seconds(d, resolution) }
	return fmt.Sprintf(", delay=%s, delays=%s/%s/%s/%s", f(now.Sub(t.Arrival)), f(before), f(in), f(connect), f(transfer))
}

// Seconds prints a delay with two significant digits, at best with resolution
// digits behind the point, without trailing zeros.
func Seconds(d time.Duration, resolution int) string {
	s := d.Seconds()
	if s <= 0 {
		return "0"
	}
	digits := 0
	switch {
	case s >= 9.95:
	case s >= 0.995:
		digits = 1
	default:
		digits = 1 - int(math.Floor(math.Log10(s)))
	}
	digits = min(digits, resolution)
	scale := math.Pow10(digits)
	s = math.Floor(s*scale+0.5) / scale
	return strconv.FormatFloat(s, 'f', -1, 64)
}
