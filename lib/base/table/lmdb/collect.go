package lmdb

import (
	"cmp"
	"hash/maphash"
	"iter"
	"slices"
	"strings"
)

// A collection holds entries until they are written, a million of them in little
// more memory than their text: keys and values stand one behind the other in
// large pieces, and all that refers to them are numbers, which the garbage
// collector need not look at.
type collection struct {
	texts  []*strings.Builder
	list   []collected
	places []place // hash table
	seed   maphash.Seed
}

// A collected entry is where its key stands, with the value behind it.
type collected struct {
	text, at uint32
	value    uint32 // length
	key      uint16 // length, with the NUL at the end
	suffix   uint8  // length of what the key has at its end beside the key itself
	gone     bool
}

// A place of the hash table is 0 when it is free. Otherwise one half of it is 1 + the
// index in the list, and the other one a part of the hash, so that the text is
// looked at only when it is likely to be the right one.
type place uint64

func newPlace(hash uint64, index int) place { return place(hash&^(1<<32-1) | uint64(index+1)) }
func (p place) index() int                  { return int(uint32(p)) - 1 }

// piece is how much text is kept together.
const piece = 1 << 20

func (c *collection) key(e *collected) string {
	return c.texts[e.text].String()[e.at : e.at+uint32(e.key)]
}

func (c *collection) value(e *collected) string {
	begin := e.at + uint32(e.key)
	return c.texts[e.text].String()[begin : begin+e.value]
}

// find returns the entry with a key, or nil and the hash of the key.
func (c *collection) find(key string) (e *collected, hash uint64) {
	if len(c.places) == 0 {
		c.seed, c.places = maphash.MakeSeed(), make([]place, 1024)
	}
	hash = maphash.String(c.seed, key)
	mask := uint64(len(c.places) - 1)
	for i := hash & mask; c.places[i] != 0; i = (i + 1) & mask {
		if p := c.places[i]; p == newPlace(hash, p.index()) {
			e = &c.list[p.index()]
			if stored := c.key(e); stored[:len(stored)-int(e.suffix)] == key {
				return e, hash
			}
		}
	}
	return nil, hash
}

// enter puts an entry into the hash table.
func (c *collection) enter(hash uint64, index int) {
	mask := uint64(len(c.places) - 1)
	i := hash & mask
	for c.places[i] != 0 {
		i = (i + 1) & mask
	}
	c.places[i] = newPlace(hash, index)
}

// set adds an entry, or replaces one unless keep is set. The suffix goes behind key
// and value. It returns false when it has kept an old entry.
func (c *collection) set(key, value, suffix string, keep bool) bool {
	e, hash := c.find(key)
	switch {
	case e == nil:
		if 2*len(c.list) >= len(c.places) {
			c.grow()
		}
		c.enter(hash, len(c.list))
		c.list = append(c.list, collected{})
		e = &c.list[len(c.list)-1]
	case keep && !e.gone:
		return false
	}
	need := len(key) + len(value) + 2*len(suffix)
	if n := len(c.texts); n == 0 || c.texts[n-1].Len()+need > c.texts[n-1].Cap() {
		text := new(strings.Builder)
		text.Grow(max(piece, need))
		c.texts = append(c.texts, text)
	}
	last := len(c.texts) - 1
	text := c.texts[last]
	*e = collected{text: uint32(last), at: uint32(text.Len()), value: uint32(len(value) + len(suffix)),
		key: uint16(len(key) + len(suffix)), suffix: uint8(len(suffix))}
	for _, s := range []string{key, suffix, value, suffix} {
		text.WriteString(s)
	}
	return true
}

func (c *collection) remove(key string) (found bool) {
	e, _ := c.find(key)
	found = e != nil && !e.gone
	if found {
		e.gone = true
	}
	return found
}

// grow makes the hash table twice as large. Half of each hash is gone, so they are
// taken again.
func (c *collection) grow() {
	c.places = make([]place, 2*len(c.places))
	for i := range c.list {
		stored := c.key(&c.list[i])
		c.enter(maphash.String(c.seed, stored[:len(stored)-int(c.list[i].suffix)]), i)
	}
}

// sorted gives all entries in the order of their keys. Nothing can be added
// afterwards.
func (c *collection) sorted() iter.Seq2[string, string] {
	c.places = nil
	order := make([]sortKey, 0, len(c.list))
	for i := range c.list {
		if !c.list[i].gone {
			order = append(order, sortKey{entry: uint32(i)})
		}
	}
	c.sort(order, 0)
	return func(yield func(string, string) bool) {
		for _, o := range order {
			if e := &c.list[o.entry]; !yield(c.key(e), c.value(e)) {
				return
			}
		}
	}
}

// A sortKey is an entry with the next eight bytes of its key as a number: most
// comparisons need not look at the text, which is anywhere in memory.
type sortKey struct {
	next  uint64
	entry uint32
}

// few is how many keys are compared as a whole.
const few = 16

// sort sorts entries whose keys are equal in their first bytes, up to depth.
func (c *collection) sort(list []sortKey, depth int) {
	if len(list) <= few {
		slices.SortFunc(list, func(a, b sortKey) int {
			return strings.Compare(c.key(&c.list[a.entry])[depth:], c.key(&c.list[b.entry])[depth:])
		})
		return
	}
	for i := range list {
		list[i].next = eight(c.key(&c.list[list[i].entry])[depth:])
	}
	slices.SortFunc(list, func(a, b sortKey) int {
		if a.next != b.next {
			return cmp.Compare(a.next, b.next)
		}
		// Of keys that end here the shorter one comes first.
		return cmp.Compare(min(c.list[a.entry].key, uint16(depth+8)), min(c.list[b.entry].key, uint16(depth+8)))
	})
	for begin := 0; begin < len(list); {
		end := begin + 1
		for end < len(list) && list[end].next == list[begin].next {
			end++
		}
		for begin < end && int(c.list[list[begin].entry].key) < depth+8 {
			begin++ // ends here
		}
		if end-begin > 1 {
			c.sort(list[begin:end], depth+8)
		}
		begin = end
	}
}

// eight returns the first bytes of s as a number; what is missing counts as NUL.
func eight(s string) (n uint64) {
	for i := range min(8, len(s)) {
		n |= uint64(s[i]) << (56 - 8*i)
	}
	return n
}
