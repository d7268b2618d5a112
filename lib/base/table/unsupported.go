package table

import (
	"fmt"
	"strings"
)

// notBuiltIn are types that others have, with what to use instead.
var notBuiltIn = map[string]string{
	"dbm":     "use cdb or lmdb",
	"sdbm":    "use cdb or lmdb",
	"mongodb": "ask the database through a socketmap server",
	"nis":     "use unix:passwd.byname, or make a cdb table from ypcat(1)",
	"nisplus": "NIS+ is no more",
	"netinfo": "NetInfo is no more",
}

// unsupported is the error for a type that there is not.
func unsupported(kind string) error {
	types := Types()
	if advice, known := notBuiltIn[kind]; known {
		return fmt.Errorf("unsupported dictionary type: %s (not built in: %s)", kind, advice)
	}
	if guess := nearest(kind, types); guess != "" {
		return fmt.Errorf("unsupported dictionary type: %s (did you mean %s?)", kind, guess)
	}
	return fmt.Errorf("unsupported dictionary type: %s (there are: %s)", kind, strings.Join(types, " "))
}

// nearest returns the word that a typing error may have been meant to be, or "".
func nearest(word string, words []string) string {
	best, distance := "", 3
	for _, w := range words {
		if strings.HasPrefix(w, word) && len(word) > 2 {
			return w
		}
		if d := edits(word, w); d < distance && d < len(w) && 2*d <= len(word) {
			best, distance = w, d
		}
	}
	return best
}

// edits returns how many letters must be changed, added, removed or exchanged with
// their neighbour to make b of a.
func edits(a, b string) int {
	var before, last, row []int
	for j := range len(b) + 1 {
		row = append(row, j)
	}
	for i := range len(a) {
		before, last, row = last, row, []int{i + 1}
		for j := range len(b) {
			cost := min(last[j+1]+1, row[j]+1)
			if a[i] == b[j] {
				cost = min(cost, last[j])
			} else {
				cost = min(cost, last[j]+1)
			}
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				cost = min(cost, before[j-1]+1)
			}
			row = append(row, cost)
		}
	}
	return row[len(b)]
}
