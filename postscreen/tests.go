package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A test is one of the tests, in the order of the fields of a cache entry.
type test int

const (
	pregreet test = iota
	blocklists
	pipelining
	nonSMTP
	bareNewline
	testCount
)

// tests are a set of tests.
type tests uint8

func (t test) set() tests            { return 1 << t }
func (s tests) has(t test) bool      { return s&t.set() != 0 }
func (s *tests) add(t test)          { *s |= t.set() }
func (s *tests) remove(others tests) { *s &^= others }

const (
	early    = tests(1<<pregreet | 1<<blocklists)
	allTests = tests(1<<testCount - 1)
)

// stamps say until when a client has passed each test, in seconds since 1970.
type stamps [testCount]int64

// What a stamp says instead of a time.
const (
	unknown = 0 // the client has not passed the test
	unused  = 1 // the test was not in use
)

// String is the form of a cache entry.
func (s stamps) String() string {
	var b strings.Builder
	for i, n := range s {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString(strconv.FormatInt(n, 10))
	}
	return b.String()
}

// parseStamps reads a cache entry. Entries of old releases have fewer tests.
func parseStamps(text string) (s stamps, ok bool) {
	i := 0
	for field := range strings.SplitSeq(text, ";") {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil || n < 0 || i == len(s) {
			return stamps{}, false
		}
		s[i] = n
		i++
	}
	return s, true
}

// latest is when the last of them ends.
func (s stamps) latest() int64 {
	var last int64
	for _, n := range s {
		last = max(last, n)
	}
	return last
}

// due are the tests that are in use and not passed.
func (s stamps) due(inUse tests, now time.Time) (due tests) {
	for t := range testCount {
		if inUse.has(t) && s[t] <= now.Unix() {
			due.add(t)
		}
	}
	return due
}

// firstStamps are those of a client that nobody knows.
func firstStamps(inUse tests) (s stamps) {
	for t := range testCount {
		if !inUse.has(t) {
			s[t] = unused
		}
	}
	return s
}

// An action is what happens to clients that fail a test.
type action int

const (
	ignore  action = iota // it is logged, and the test comes again the next time
	enforce               // mail is refused, with the client's words in the log
	drop                  // the connection ends
)

func parseAction(name, value string) (action, error) {
	switch value {
	case "ignore", "continue":
		return ignore, nil
	case "enforce":
		return enforce, nil
	case "drop":
		return drop, nil
	}
	return 0, fmt.Errorf("parameter %s: %q: want ignore, enforce or drop", name, value)
}
