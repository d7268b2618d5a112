package lmdb

import (
	"slices"
)

// The tree of free pages has for each transaction the pages that it had no use
// for: how many, then their numbers, the highest first. Those of the last
// transaction but one can be used; those of the last one must stay as they are,
// because it is what a crash would bring back.

// loadFree reads the tree. The pages that it takes itself become free: the
// transaction writes it anew.
func (t *transaction) loadFree() error {
	err := t.each(t.free.page, 0, func(p *page) error {
		t.freed = append(t.freed, p.number)
		if !p.leaf {
			return nil
		}
		for i := range p.nodes {
			if err := t.loadList(&p.nodes[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	all := slices.Concat(t.pool, t.waiting, t.freed)
	slices.Sort(all)
	if len(slices.Compact(all)) != len(t.pool)+len(t.waiting)+len(t.freed) {
		return errDamaged
	}
	slices.Sort(t.pool)
	slices.Reverse(t.pool)
	return nil
}

// loadList reads what one transaction left.
func (t *transaction) loadList(n *node) error {
	data, err := value(t.f, &t.meta, n)
	if err != nil {
		return err
	}
	if len(n.key) != 8 || len(data) < 8 || le.Uint64(data) > uint64(len(data)/8-1) {
		return errDamaged
	}
	list := &t.pool
	if le.Uint64([]byte(n.key)) >= t.txn {
		list = &t.waiting
	}
	for i := range le.Uint64(data) {
		number := le.Uint64(data[8+8*i:])
		if number < 2 || number > t.last {
			return errDamaged
		}
		*list = append(*list, number)
	}
	if n.big() {
		first := le.Uint64(n.data)
		pages, err := t.countBig(first)
		if err != nil {
			return err
		}
		for i := range pages {
			t.freed = append(t.freed, first+i)
		}
	}
	return nil
}

// allocate returns the first of n pages that follow each other.
func (t *transaction) allocate(n uint64) uint64 {
	run := uint64(0)
	for i := len(t.pool) - 1; i >= 0; i-- { // the lowest number first
		if run > 0 && t.pool[i] == t.pool[i+1]+1 {
			run++
		} else {
			run = 1
		}
		if run == n {
			first := t.pool[i] - n + 1
			t.pool = slices.Delete(t.pool, i, i+int(n))
			return first
		}
	}
	first := t.last + 1
	t.last += n
	return first
}

// release gives a page back that this transaction has allocated.
func (t *transaction) release(number uint64) {
	i, _ := slices.BinarySearchFunc(t.pool, number, func(a, b uint64) int {
		if a > b {
			return -1
		}
		return 1
	})
	t.pool = slices.Insert(t.pool, i, number)
}

// inlineFree is how many numbers stand in the leaf itself. Three lists must fit.
const inlineFree = 20

// saveFree writes the tree of free pages for the transaction next. Numbers of
// pages that are taken for it while it is written do not stand in it.
func (t *transaction) saveFree(next *meta) {
	next.free.depth, next.free.branches, next.free.leaves, next.free.overflow, next.free.entries = 0, 0, 0, 0, 0
	next.free.page = noPage
	if next.txn < 3 { // there is no older transaction
		t.freed = append(t.freed, t.pool...)
		t.pool = nil
	}
	if len(t.pool)+len(t.waiting)+len(t.freed) == 0 {
		return
	}
	leaf := &page{leaf: true}
	if len(t.waiting)+len(t.freed) == 0 { // the only list must not become empty
		t.last++
		leaf.number = t.last
	} else {
		leaf.number = t.allocate(1)
	}
	t.dirty[leaf.number] = leaf
	lists := []struct {
		txn   uint64
		pages *[]uint64
	}{{next.txn - 2, &t.pool}, {next.txn - 1, &t.waiting}, {next.txn, &t.freed}}
	slots := make([]uint64, len(lists))
	counts := make([]uint64, len(lists))
	for i := len(lists) - 1; i >= 0; i-- { // the pool at last: it becomes smaller
		if n := len(*lists[i].pages); n > inlineFree {
			counts[i] = pagesFor(8+8*n, t.size)
			slots[i] = t.allocate(counts[i])
			next.free.overflow += counts[i]
		}
	}
	for i, list := range lists {
		if len(*list.pages) == 0 && counts[i] == 0 {
			continue
		}
		data := encodeFree(*list.pages)
		n := node{key: string(le.AppendUint64(nil, list.txn)), data: data, size: len(data)}
		if counts[i] > 0 {
			t.values[slots[i]] = append(data, make([]byte, int(counts[i])*t.size-headSize-len(data))...)
			n.flags, n.data = bigData, le.AppendUint64(nil, slots[i])
		}
		leaf.nodes = append(leaf.nodes, n)
	}
	next.free.page, next.free.depth, next.free.leaves, next.free.entries = leaf.number, 1, 1, uint64(len(leaf.nodes))
}

func encodeFree(pages []uint64) []byte {
	slices.Sort(pages)
	slices.Reverse(pages)
	data := le.AppendUint64(nil, uint64(len(pages)))
	for _, number := range pages {
		data = le.AppendUint64(data, number)
	}
	return data
}
