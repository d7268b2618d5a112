package lmdb

import (
	"bytes"
	"encoding/binary"
	"iter"
)

// A cursor is a place in runs that follow each other in order: a table whose
// source is sorted has only one. What stands at its place is its item.
type cursor struct {
	item
	data  []byte // from the next item on
	more  [][]byte
	next8 uint64 // of the key, behind what all keys begin with
}

// An item is what the bytes at the place of a cursor say.
type item struct {
	key, value []byte
	number     uint32
	kind       kind
	suffix     uint8
	end        bool // there is none
}

// bare is the key as the caller knows it.
func (e *item) bare() []byte { return e.key[:len(e.key)-int(e.suffix)] }

// next goes to the next item.
func (c *cursor) next() {
	if len(c.data) == 0 {
		if len(c.more) == 0 {
			c.end = true
			return
		}
		c.data, c.more = c.more[0], c.more[1:]
	}
	d := c.data
	c.number = binary.LittleEndian.Uint32(d)
	c.kind, c.suffix = kind(d[10]), d[11]
	key := headLength + int(binary.LittleEndian.Uint16(d[8:]))
	end := key + int(binary.LittleEndian.Uint32(d[4:]))
	c.key, c.value, c.data = d[headLength:key:key], d[key:end:end], d[end:]
}

// A tournament finds the smallest item of several cursors with few comparisons:
// each pair of cursors has a winner, each pair of winners too, and so on.
type tournament struct {
	cursors []cursor
	winners []int // [1] is the smallest; the children of n are 2n and 2n+1
	common  int   // how many bytes all keys begin with
}

func newTournament(runs []run) *tournament {
	t := &tournament{}
	var last []byte
	low, high := runs[0].first, runs[0].last
	for i, r := range runs {
		if i > 0 && bytes.Compare(last, r.first) <= 0 {
			c := &t.cursors[len(t.cursors)-1]
			c.more = append(c.more, r.data)
		} else {
			t.cursors = append(t.cursors, cursor{data: r.data})
		}
		last = r.last
		if bytes.Compare(r.first, low) < 0 {
			low = r.first
		}
		if bytes.Compare(r.last, high) > 0 {
			high = r.last
		}
	}
	t.common = commonPrefix(low, high)
	t.winners = make([]int, 2*len(t.cursors))
	for i := range t.cursors {
		t.advance(i)
		t.winners[len(t.cursors)+i] = i
	}
	for n := len(t.cursors) - 1; n > 0; n-- {
		t.winners[n] = t.play(t.winners[2*n], t.winners[2*n+1])
	}
	return t
}

// advance goes to the next item of a cursor.
func (t *tournament) advance(i int) {
	c := &t.cursors[i]
	c.next()
	if !c.end {
		c.next8 = eight(c.key[t.common:])
	}
}

// play returns which of two cursors has the smaller key; of equal ones, that which
// came first.
func (t *tournament) play(i, j int) int {
	a, b := &t.cursors[i], &t.cursors[j]
	switch {
	case a.end || b.end:
		if a.end {
			return j
		}
		return i
	case a.next8 != b.next8:
		if a.next8 < b.next8 {
			return i
		}
		return j
	}
	order := bytes.Compare(a.key, b.key)
	if order < 0 || order == 0 && i < j {
		return i
	}
	return j
}

// pop goes on behind the smallest item.
func (t *tournament) pop() {
	i := t.winners[1]
	t.advance(i)
	for n := (len(t.cursors) + i) / 2; n > 0; n /= 2 {
		t.winners[n] = t.play(t.winners[2*n], t.winners[2*n+1])
	}
}

// merged gives the entries that are left of the edits in runs, in the order of
// their keys. It calls late, if not nil, for those that came while their key was
// there.
func merged(runs []run, late func(number uint32, key []byte)) iter.Seq[*item] {
	return func(yield func(*item) bool) {
		if len(runs) == 0 {
			return
		}
		t := newTournament(runs)
		var now item
		now.kind = remove
		for {
			next := &t.cursors[t.winners[1]].item
			same := !next.end && now.key != nil && bytes.Equal(next.bare(), now.bare())
			switch {
			case !same:
				if now.kind != remove && !yield(&now) || next.end {
					return
				}
				now = *next
			case next.number < now.number:
				// An entry with a suffix comes behind one without, although it
				// is older: it was replaced.
			case next.kind != add || now.kind == remove:
				now = *next
			case late != nil:
				late(next.number, next.bare())
			}
			t.pop()
		}
	}
}
