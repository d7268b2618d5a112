package lmdb

import (
	"fmt"
	"os"
	"sort"
)

// maxDepth is more than any file can have; a loop in a damaged one ends there.
const maxDepth = 40

// A snapshot is what the file says at one time. It is good as long as the file is
// locked.
type snapshot struct {
	meta
	f *os.File
}

func (s *snapshot) page(number uint64) (*page, error) { return readPage(s.f, &s.meta, number) }

// search returns the index of the first node of p whose key is not before key.
func (p *page) search(r *root, key string) (i int, found bool) {
	i = sort.Search(len(p.nodes), func(i int) bool { return r.compare(p.nodes[i].key, key) >= 0 })
	return i, i < len(p.nodes) && p.nodes[i].key == key
}

// child returns the index of the node of a branch that leads to key.
func (p *page) child(r *root, key string) int {
	return sort.Search(len(p.nodes)-1, func(i int) bool { return r.compare(p.nodes[i+1].key, key) > 0 })
}

// find returns the value of key. It takes no page apart that is only on the way.
func (s *snapshot) find(key string) (data []byte, found bool, err error) {
	number := s.main.page
	b := make([]byte, s.free.pad)
	for range maxDepth {
		if number == noPage {
			return nil, false, nil
		}
		v, leaf, err := readView(s.f, &s.meta, number, b)
		if err != nil {
			return nil, false, err
		}
		i, equal := v.search(key)
		if leaf {
			if !equal {
				return nil, false, nil
			}
			n, ok := parseNode(v.b, v.at(i), true)
			if !ok {
				return nil, false, errDamaged
			}
			data, err := value(s.f, &s.meta, &n)
			return data, err == nil, err
		}
		if !equal || i == v.n {
			i--
		}
		n, ok := parseNode(v.b, v.at(max(i, 0)), false)
		if !ok {
			return nil, false, errDamaged
		}
		number = n.child
	}
	return nil, false, errDamaged
}

// A view is a page as it is in the file. Its nodes must be looked at with care:
// the file may be damaged.
type view struct {
	b []byte
	n int // how many nodes
}

func readView(f *os.File, m *meta, number uint64, b []byte) (v view, leaf bool, err error) {
	if number < 2 || number > m.last {
		return v, false, errDamaged
	}
	if _, err := f.ReadAt(b, int64(number)*int64(len(b))); err != nil {
		return v, false, fmt.Errorf("read page %d: %w", number, err)
	}
	flags, lower := le.Uint16(b[10:]), int(le.Uint16(b[12:]))
	v = view{b, (lower - headSize) / 2}
	leaf = flags&leafPage != 0
	if flags&(branchPage|leafPage) == 0 || flags&leaf2Page != 0 || lower < headSize || lower > len(b) ||
		le.Uint64(b) != number || !leaf && v.n == 0 {
		return v, false, errDamaged
	}
	return v, leaf, nil
}

func (v view) at(i int) int { return int(le.Uint16(v.b[headSize+2*i:])) }

// key returns the key of a node, or nothing when the page is damaged.
func (v view) key(i int) []byte {
	at := v.at(i)
	if at+nodeHead > len(v.b) {
		return nil
	}
	end := at + nodeHead + int(le.Uint16(v.b[at+6:]))
	return v.b[at+nodeHead : min(end, len(v.b))]
}

// search returns the index of the first node whose key is not before key.
func (v view) search(key string) (i int, equal bool) {
	low, high := 0, v.n
	for low < high {
		middle := (low + high) / 2
		if string(v.key(middle)) < key {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < v.n && string(v.key(low)) == key
}

// after returns the rest of the first leaf that has keys behind key; all of the
// first leaf when first is true. There are no nodes when key is the last.
func (s *snapshot) after(key string, first bool) (nodes []node, err error) {
	number, bound, bounded := s.main.page, "", false
	for range maxDepth {
		if number == noPage {
			return nil, nil
		}
		p, err := s.page(number)
		if err != nil {
			return nil, err
		}
		if !p.leaf {
			i := 0
			if !first {
				i = p.child(&s.main, key)
			}
			if i+1 < len(p.nodes) {
				bound, bounded = p.nodes[i+1].key, true
			}
			number = p.nodes[i].child
			continue
		}
		i := 0
		if !first {
			var found bool
			if i, found = p.search(&s.main, key); found {
				i++
			}
		}
		switch {
		case i < len(p.nodes):
			return p.nodes[i:], nil
		case !bounded || !first && s.main.compare(bound, key) <= 0:
			return nil, nil
		}
		return s.from(bound)
	}
	return nil, errDamaged
}

// from returns the nodes from key on that are in the leaf where it belongs.
func (s *snapshot) from(key string) ([]node, error) {
	number := s.main.page
	for range maxDepth {
		p, err := s.page(number)
		if err != nil {
			return nil, err
		}
		if p.leaf {
			i, _ := p.search(&s.main, key)
			return p.nodes[i:], nil
		}
		number = p.nodes[p.child(&s.main, key)].child
	}
	return nil, errDamaged
}

// each calls f for the pages of a tree, parents before their children.
func (s *snapshot) each(number uint64, depth int, f func(*page) error) error {
	if number == noPage {
		return nil
	}
	if depth == maxDepth {
		return errDamaged
	}
	p, err := s.page(number)
	if err != nil {
		return err
	}
	if err := f(p); err != nil {
		return err
	}
	if p.leaf {
		return nil
	}
	for i := range p.nodes {
		if err := s.each(p.nodes[i].child, depth+1, f); err != nil {
			return err
		}
	}
	return nil
}
