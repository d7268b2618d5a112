package audit

import (
	"strings"

	"postrider/lib/mail/param"
)

// similar proposes a name for one that is perhaps a typing error; "" when none is
// near enough.
func (a *audit) similar(name string) string {
	names := a.names.Sorted()
	for _, b := range param.Builtins() {
		names = append(names, strings.Fields(b.Old)...)
	}
	return similarTo(name, names)
}

func similarTo(name string, names []string) string {
	best, distance := "", 1+max(1, min(3, len(name)/5))
	for _, other := range names {
		if abs(len(other)-len(name)) >= distance {
			continue
		}
		if d := edits(strings.ToLower(name), strings.ToLower(other), distance); d < distance {
			best, distance = other, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// edits counts how many letters must be changed, added, left out or swapped with
// their neighbour to make one word of the other. It stops counting at limit.
func edits(a, b string, limit int) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		best := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			best = min(best, row[j])
		}
		if best >= limit {
			return limit
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func abs(n int) int { return max(n, -n) }
