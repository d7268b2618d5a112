package sched

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Feedback is how much one delivery counts for or against the window of its
// destination: a number from 0 to 1, perhaps divided by the window or by its
// square root. A window changes by one when the sum reaches one.
type Feedback struct {
	amount float64
	by     divisor
}

type divisor int

const (
	byOne divisor = iota
	byWindow
	byRoot
)

// Whole is the feedback of the year 2000: each delivery counts fully.
var Whole = Feedback{amount: 1}

// ParseFeedback reads "number", "number / number", "number / concurrency" or
// "number / sqrt_concurrency".
func ParseFeedback(text string) (Feedback, error) {
	above, below, divided := strings.Cut(text, "/")
	above, below = strings.TrimSpace(above), strings.TrimSpace(below)
	amount, err := strconv.ParseFloat(above, 64)
	f := Feedback{amount: amount}
	switch {
	case err != nil:
	case !divided:
	case below == "concurrency":
		f.by = byWindow
	case below == "sqrt_concurrency":
		f.by = byRoot
	default:
		var number float64
		number, err = strconv.ParseFloat(below, 64)
		f.amount /= number
	}
	if err != nil || !(f.amount >= 0 && f.amount <= 1) {
		return Whole, fmt.Errorf("feedback %q: want a number from 0 to 1, that number divided by another, by concurrency, or by sqrt_concurrency", text)
	}
	return f, nil
}

func (f Feedback) at(window int) float64 {
	switch f.by {
	case byWindow:
		return f.amount / float64(window)
	case byRoot:
		return f.amount / math.Sqrt(float64(window))
	}
	return f.amount
}

// A window is how many deliveries to a destination may be under way. It is
// slow to grow, at the end of a run of successes, and quick to shrink, at the
// start of a run of failures.
type window struct {
	size    int
	success float64 // part of the next step up
	failure float64 // what is left until the next step down
	cohorts float64 // windowfuls of failures without a success
}

// succeed counts a delivery that reached the destination, while busy are under
// way. A window that is not used does not grow.
func (w *window) succeed(l *Limits, busy int) {
	w.cohorts = 0
	limit := l.Concurrency
	if limit > 0 && w.size >= limit || w.size >= busy+l.Initial {
		return
	}
	w.success += l.Positive.at(w.size)
	for w.success >= 1-rounding {
		w.success--
		w.size++
		w.failure = 0
	}
	if limit > 0 && w.size > limit {
		w.size = limit
	}
}

// fail counts a delivery that did not reach the destination, and says whether
// it is dead now.
func (w *window) fail(l *Limits) (dead bool) {
	w.cohorts += 1 / float64(w.size)
	if l.FailedCohorts > 0 && w.cohorts >= l.FailedCohorts-rounding {
		return true
	}
	if w.size == 1 {
		return false
	}
	w.failure -= l.Negative.at(w.size)
	for w.failure < -rounding && w.size > 1 {
		w.size--
		w.failure++
		w.success = 0
	}
	return false
}

// rounding lets three thirds be a whole.
const rounding = 1e-9
