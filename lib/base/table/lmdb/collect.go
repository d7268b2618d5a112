package lmdb

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"postrider/lib/base/table"
)

// A collection holds what is done to a table that begins empty until it is
// written, a million entries in little more memory than their text. Edits come
// in pieces that the cache of a processor can hold. A piece that is full is
// sorted by a second goroutine into a run; the runs are merged at the end.
//
// While there is one piece only, the collection knows its keys and says at once
// that one is there already. For others this comes out in the merge.
type collection struct {
	now    *piece
	seen   map[string]bool // the keys of the first piece; nil when there are more
	n      uint32          // edits so far
	full   chan *piece     // to be sorted; nil while there is no second goroutine
	empty  chan *piece     // to be filled again
	runs   []run           // the second goroutine's, until sorted is closed
	sorted chan struct{}
}

// An edit is what one call did to a key.
type edit struct {
	kind   kind
	suffix uint8 // length of what the key has at its end beside the key itself
	key    uint16
	value  uint32 // length
	at     uint32 // where the key stands, with the value behind it
	number uint32 // of the edit
}

type kind uint8

const (
	add     kind = iota // unless the key is there
	replace             // or add
	remove
)

// A piece is edits in the order in which they came.
type piece struct {
	text    []byte
	edits   []edit
	ordered bool // the keys came in order
	order   []sortKey
}

// pieceSize is how much text a piece has. Two of them are in the cache.
const pieceSize = 1 << 20

func newPiece() *piece { return &piece{ordered: true} }

func (p *piece) key(c *edit) []byte { return p.text[c.at : c.at+uint32(c.key)] }

// set adds an entry, or replaces one unless keep is set. The suffix goes behind key
// and value. It returns table.ErrDuplicate when it knows that the key is there and
// stays.
func (c *collection) set(key, value, suffix string, keep bool) error {
	kind := replace
	if keep {
		kind = add
	}
	if c.n == 0 {
		c.now, c.seen = newPiece(), make(map[string]bool)
	}
	if c.seen != nil {
		if keep && c.seen[key] {
			return table.ErrDuplicate
		}
		c.seen[key] = true
	}
	c.put(kind, key, value, suffix)
	return nil
}

// remove removes an entry.
func (c *collection) remove(key string) (found bool) {
	if c.n == 0 {
		return false
	}
	if found = c.has(key); found {
		c.put(remove, key, "", "")
		delete(c.seen, key)
	}
	return found
}

// has says whether there is a key. It reads all when there is more than one piece.
func (c *collection) has(key string) (found bool) {
	if c.seen != nil {
		return c.seen[key]
	}
	if len(c.now.edits) > 0 {
		c.pass()
	}
	c.arrive()
	for entry := range merged(c.runs, nil) {
		if string(entry.bare()) == key {
			return true
		}
	}
	return false
}

// put appends an edit to the piece.
func (c *collection) put(kind kind, key, value, suffix string) {
	need := len(key) + len(value) + 2*len(suffix)
	p := c.now
	if len(p.text) > 0 && len(p.text)+need > pieceSize {
		c.pass()
		c.seen, p = nil, c.now
	}
	at := uint32(len(p.text))
	p.text = append(append(append(append(p.text, key...), suffix...), value...), suffix...)
	c.n++
	p.edits = append(p.edits, edit{
		kind: kind, suffix: uint8(len(suffix)), key: uint16(len(key) + len(suffix)),
		value: uint32(len(value) + len(suffix)), at: at, number: c.n,
	})
	if n := len(p.edits); n > 1 && p.ordered {
		p.ordered = bytes.Compare(p.key(&p.edits[n-2]), p.key(&p.edits[n-1])) <= 0
	}
}

// pass gives the piece to the second goroutine, and begins another.
func (c *collection) pass() {
	if c.full == nil {
		c.full, c.empty, c.sorted = make(chan *piece), make(chan *piece, 1), make(chan struct{})
		c.empty <- newPiece()
		go c.sortAll()
	}
	c.full <- c.now
	c.now = <-c.empty
}

// sortAll is the second goroutine.
func (c *collection) sortAll() {
	defer close(c.sorted)
	for p := range c.full {
		c.runs = append(c.runs, p.run())
		p.text, p.edits, p.ordered = p.text[:0], p.edits[:0], true
		c.empty <- p
	}
}

// arrive waits until all pieces that were passed are sorted, and ends the second
// goroutine.
func (c *collection) arrive() {
	if c.full != nil {
		close(c.full)
		<-c.sorted
		c.full = nil
	}
}

// finish returns all runs. Nothing can be added afterwards.
func (c *collection) finish() []run {
	c.arrive()
	if c.n > 0 && len(c.now.edits) > 0 {
		c.runs = append(c.runs, c.now.run())
	}
	c.now, c.seen = nil, nil
	return c.runs
}

// A run is the edits of a piece in the order of their keys, and those of one key
// in the order in which they came. Each is a head of headLength bytes, the key and
// the value.
type run struct {
	data        []byte
	first, last []byte // keys
}

const headLength = 12

func (p *piece) run() run {
	p.order = p.order[:0]
	for i := range p.edits {
		p.order = append(p.order, sortKey{entry: uint32(i)})
	}
	if !p.ordered {
		p.sort(p.order, p.common())
	}
	data := make([]byte, 0, len(p.text)+headLength*len(p.edits))
	for _, o := range p.order {
		c := &p.edits[o.entry]
		data = binary.LittleEndian.AppendUint32(data, c.number)
		data = binary.LittleEndian.AppendUint32(data, c.value)
		data = append(data, byte(c.key), byte(c.key>>8), byte(c.kind), c.suffix)
		data = append(data, p.text[c.at:c.at+uint32(c.key)+c.value]...)
	}
	begin := cursor{data: data}
	begin.next()
	last := &p.edits[p.order[len(p.order)-1].entry]
	return run{data, begin.key, bytes.Clone(p.key(last))}
}

// common returns how many bytes all keys begin with.
func (p *piece) common() int {
	first := p.key(&p.edits[0])
	n := len(first)
	for i := range p.edits {
		n = commonPrefix(first[:n], p.key(&p.edits[i]))
	}
	return n
}

func commonPrefix(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// A sortKey is an edit with the next eight bytes of its key as a number: most
// comparisons need not look at the text.
type sortKey struct {
	next  uint64
	entry uint32
}

// few is how many keys are compared as a whole.
const few = 16

// sort sorts edits whose keys are equal in their first bytes, up to depth.
func (p *piece) sort(list []sortKey, depth int) {
	if len(list) <= few {
		slices.SortFunc(list, func(a, b sortKey) int {
			x, y := p.key(&p.edits[a.entry]), p.key(&p.edits[b.entry])
			return cmp.Or(bytes.Compare(x[depth:], y[depth:]), cmp.Compare(a.entry, b.entry))
		})
		return
	}
	for i := range list {
		list[i].next = eight(p.key(&p.edits[list[i].entry])[depth:])
	}
	slices.SortFunc(list, func(a, b sortKey) int {
		if a.next != b.next {
			return cmp.Compare(a.next, b.next)
		}
		// Of keys that end here the shorter one comes first.
		x, y := min(p.edits[a.entry].key, uint16(depth+8)), min(p.edits[b.entry].key, uint16(depth+8))
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(a.entry, b.entry))
	})
	for begin := 0; begin < len(list); {
		end := begin + 1
		for end < len(list) && list[end].next == list[begin].next {
			end++
		}
		for begin < end && int(p.edits[list[begin].entry].key) < depth+8 {
			begin++ // ends here
		}
		if end-begin > 1 {
			p.sort(list[begin:end], depth+8)
		}
		begin = end
	}
}

// eight returns the first bytes of s as a number; what is missing counts as NUL.
func eight(s []byte) (n uint64) {
	if len(s) >= 8 {
		return binary.BigEndian.Uint64(s)
	}
	for i := range s {
		n |= uint64(s[i]) << (56 - 8*i)
	}
	return n
}
