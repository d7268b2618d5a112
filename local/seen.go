package main

import (
	"fmt"

	"postrider/lib/base/text"
)

// A seen remembers what a message was already delivered to, so that somebody
// who is on a list twice gets it once. What is beyond the limit is not
// remembered.
type seen struct {
	limit int // 0 means no limit
	keys  map[string]bool
}

func newSeen(limit int) *seen { return &seen{limit, map[string]bool{}} }

// before reports whether the same was asked before, and remembers it.
func (s *seen) before(format string, args ...any) bool {
	key := text.Fold(fmt.Sprintf(format, args...))
	if s.keys[key] {
		return true
	}
	if s.limit == 0 || len(s.keys) < s.limit {
		s.keys[key] = true
	}
	return false
}

// has is before without remembering.
func (s *seen) has(format string, args ...any) bool {
	return s.keys[text.Fold(fmt.Sprintf(format, args...))]
}
