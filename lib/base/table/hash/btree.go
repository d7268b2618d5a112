package hash

import (
	"bytes"
	"iter"
)

// A btree is a file of the kind btree: sorted keys, in leaves that are linked.
type btree struct {
	*pages
	root uint32
	err  error
}

// The kinds of page.
const (
	internalPage = 3
	leafPage     = 5
)

// maxDepth is more than a file of this kind can have.
const maxDepth = 64

func newBtree(p *pages) *btree { return &btree{pages: p, root: p.order.Uint32(p.meta[88:])} }

func (b *btree) find(key string) (value []byte, found bool, err error) {
	g, err := b.leaf([]byte(key))
	if err != nil {
		return nil, false, err
	}
	for i := 0; i+1 < g.entries(); i += 2 {
		k, deleted, err := b.item(g, i)
		if err != nil {
			return nil, false, err
		}
		if !deleted && string(k) == key {
			value, _, err := b.item(g, i+1)
			return value, err == nil, err
		}
	}
	return nil, false, nil
}

// leaf returns the leaf where key would be; nil is before all keys.
func (b *btree) leaf(key []byte) (page, error) {
	number := b.root
	for range maxDepth {
		g, err := b.page(number)
		if err != nil || g.kind() == leafPage {
			return g, err
		}
		if g.kind() != internalPage || g.entries() == 0 {
			return g, errDamaged
		}
		if number, err = b.child(g, key); err != nil {
			return g, err
		}
	}
	return page{}, errDamaged
}

// child returns the page below g whose first key is not after key. The first key
// of g itself does not count: it is before all others.
func (b *btree) child(g page, key []byte) (number uint32, err error) {
	for i := range g.entries() {
		start := g.offset(i)
		if start < atIndex || start+12 > len(g.data) {
			return 0, errDamaged
		}
		item := g.data[start:]
		if i > 0 {
			first, err := b.internalKey(item)
			if err != nil {
				return 0, err
			}
			if bytes.Compare(first, key) > 0 {
				break
			}
		}
		number = b.order.Uint32(item[4:])
	}
	return number, nil
}

func (b *btree) internalKey(item []byte) ([]byte, error) {
	length := int(b.order.Uint16(item))
	if 12+length > len(item) {
		return nil, errDamaged
	}
	if item[2]&0x7f == 3 {
		return b.reference(item[12 : 12+length])
	}
	return item[12 : 12+length], nil
}

// item returns a key or value of a leaf.
func (b *btree) item(g page, i int) (data []byte, deleted bool, err error) {
	start := g.offset(i)
	if start < atIndex || start+3 > len(g.data) {
		return nil, false, errDamaged
	}
	item := g.data[start:]
	deleted = item[2]&0x80 != 0
	switch length := int(b.order.Uint16(item)); {
	case item[2]&0x7f == 3:
		data, err = b.reference(item)
		return data, deleted, err
	case item[2]&0x7f == 1 && 3+length <= len(item):
		return item[3 : 3+length], deleted, nil
	}
	return nil, false, errDamaged
}

func (b *btree) all() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		g, err := b.leaf(nil)
		for seen := uint32(0); err == nil && seen < b.count; seen++ {
			for i := 0; i+1 < g.entries(); i += 2 {
				key, deleted, err1 := b.item(g, i)
				value, _, err2 := b.item(g, i+1)
				if err = firstError(err1, err2); err != nil {
					break
				}
				if !deleted && !yield(key, value) {
					return
				}
			}
			if err != nil || g.next() == 0 {
				break
			}
			g, err = b.page(g.next())
		}
		b.err = err
	}
}

func (b *btree) failure() error { return b.err }
