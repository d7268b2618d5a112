package lmdb

import (
	"bytes"
	"fmt"
	"os"
)

// A node is an entry of a page: in a leaf a key with its value, in a branch the
// page with the keys from this one on. The first key of a branch is not used.
type node struct {
	key   string
	child uint64 // in a branch
	flags uint16
	data  []byte // the value; with bigData the number of its first page
	size  int    // length of the value
}

func (n *node) big() bool { return n.flags&bigData != 0 }

// length is how much room the node takes in a page, with its place in the index.
func (n *node) length() int { return 2 + (nodeHead+len(n.key)+len(n.data)+1)&^1 }

// A page is a page of a tree, taken apart.
type page struct {
	number uint64
	leaf   bool
	nodes  []node
}

func (p *page) length() int {
	size := headSize
	for i := range p.nodes {
		size += p.nodes[i].length()
	}
	return size
}

// readPage reads a page of a tree, and takes it apart.
func readPage(f *os.File, m *meta, number uint64) (*page, error) {
	v, leaf, err := readView(f, m, number, make([]byte, m.free.pad))
	if err != nil {
		return nil, err
	}
	p := &page{number: number, leaf: leaf, nodes: make([]node, v.n)}
	for i := range p.nodes {
		n, ok := parseNode(v.b, v.at(i), leaf)
		if !ok {
			return nil, errDamaged
		}
		p.nodes[i] = n
	}
	return p, nil
}

func parseNode(b []byte, at int, leaf bool) (n node, ok bool) {
	if at < headSize || at+nodeHead > len(b) {
		return n, false
	}
	low, high, flags := le.Uint16(b[at:]), le.Uint16(b[at+2:]), le.Uint16(b[at+4:])
	keyEnd := at + nodeHead + int(le.Uint16(b[at+6:]))
	if keyEnd > len(b) {
		return n, false
	}
	n.key = string(b[at+nodeHead : keyEnd])
	if !leaf {
		n.child = uint64(low) | uint64(high)<<16 | uint64(flags)<<32
		return n, true
	}
	n.flags, n.size = flags, int(low)|int(high)<<16
	length := n.size
	if n.big() {
		length = 8
	}
	if flags&^bigData != 0 || keyEnd+length > len(b) {
		return n, false
	}
	n.data = b[keyEnd : keyEnd+length]
	return n, true
}

// encode returns the bytes of a page. Nodes fill it from the end.
func (p *page) encode(size int) []byte {
	b := make([]byte, size)
	le.PutUint64(b, p.number)
	kind := uint16(branchPage)
	if p.leaf {
		kind = leafPage
	}
	le.PutUint16(b[10:], kind)
	end := size
	for i := range p.nodes {
		n := &p.nodes[i]
		end -= n.length() - 2
		le.PutUint16(b[headSize+2*i:], uint16(end))
		n.put(b[end:], p.leaf)
	}
	le.PutUint16(b[12:], uint16(headSize+2*len(p.nodes)))
	le.PutUint16(b[14:], uint16(end))
	return b
}

func (n *node) put(b []byte, leaf bool) {
	low, flags := uint32(n.size), n.flags
	if !leaf {
		low, flags = uint32(n.child), uint16(n.child>>32)
	}
	le.PutUint32(b, low)
	le.PutUint16(b[4:], flags)
	le.PutUint16(b[6:], uint16(len(n.key)))
	copy(b[nodeHead:], n.key)
	copy(b[nodeHead+len(n.key):], n.data)
}

// value returns the value of a node of a leaf.
func value(f *os.File, m *meta, n *node) ([]byte, error) {
	if !n.big() {
		return n.data, nil
	}
	first, pages := le.Uint64(n.data), pagesFor(n.size, int(m.free.pad))
	if first < 2 || first > m.last || first+pages-1 > m.last {
		return nil, errDamaged
	}
	if info, err := f.Stat(); err != nil || info.Size() < int64(n.size) {
		return nil, errDamaged
	}
	b := make([]byte, headSize+n.size)
	if _, err := f.ReadAt(b, int64(first)*int64(m.free.pad)); err != nil {
		return nil, fmt.Errorf("read page %d: %w", first, err)
	}
	if le.Uint16(b[10:])&overflowPage == 0 {
		return nil, errDamaged
	}
	return b[headSize:], nil
}

// pagesFor is how many pages a value of n bytes needs that has pages of its own.
func pagesFor(n, size int) uint64 { return uint64((headSize + n + size - 1) / size) }

// encodeBig returns the pages of a large value.
func encodeBig(number uint64, data []byte, size int) []byte {
	pages := pagesFor(len(data), size)
	b := make([]byte, int(pages)*size)
	le.PutUint64(b, number)
	le.PutUint16(b[10:], overflowPage)
	le.PutUint32(b[12:], uint32(pages))
	copy(b[headSize:], data)
	return b
}

// compare orders keys: as numbers in the tree of free pages.
func (r *root) compare(a, b string) int {
	if r.flags&integerKeys != 0 && len(a) == 8 && len(b) == 8 {
		x, y := le.Uint64([]byte(a)), le.Uint64([]byte(b))
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	return bytes.Compare([]byte(a), []byte(b))
}
