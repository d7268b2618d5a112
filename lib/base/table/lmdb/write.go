package lmdb

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// A transaction changes a file. The file must be locked for writing from begin to
// commit. Until commit has written the last page, the file is what it was.
type transaction struct {
	snapshot
	size    int              // of a page
	dirty   map[uint64]*page // pages that are new
	values  map[uint64][]byte
	pool    []uint64 // pages that may be used, the highest number first
	waiting []uint64 // pages that become free with the transaction after this one
	freed   []uint64 // pages that this transaction has no use for
	changed bool
}

// begin begins a transaction.
func begin(f *os.File) (*transaction, error) {
	m, err := readMeta(f)
	if err != nil {
		return nil, err
	}
	t := &transaction{
		snapshot: snapshot{m, f}, size: int(m.free.pad),
		dirty: make(map[uint64]*page), values: make(map[uint64][]byte),
	}
	return t, t.loadFree()
}

// A step is a page on the way from the root to a leaf, and which node leads on.
type step struct {
	page  *page
	index int
}

func (t *transaction) page(number uint64) (*page, error) {
	if p := t.dirty[number]; p != nil {
		return p, nil
	}
	return t.snapshot.page(number)
}

// descend returns the way to key. The index in the leaf is where key is or should
// be.
func (t *transaction) descend(key string) (path []step, found bool, err error) {
	for number := t.main.page; number != noPage; {
		p, err := t.page(number)
		if err != nil || len(path) == maxDepth {
			return nil, false, fmt.Errorf("search: %w", orDamaged(err))
		}
		if p.leaf {
			i, found := p.search(&t.main, key)
			return append(path, step{p, i}), found, nil
		}
		i := p.child(&t.main, key)
		path = append(path, step{p, i})
		number = p.nodes[i].child
	}
	return nil, false, nil
}

func orDamaged(err error) error {
	if err == nil {
		return errDamaged
	}
	return err
}

// own makes the pages of a path new ones, which may be changed.
func (t *transaction) own(path []step) {
	t.changed = true
	for i := range path {
		t.touch(path[i].page)
		if i == 0 {
			t.main.page = path[i].page.number
		} else {
			path[i-1].page.nodes[path[i-1].index].child = path[i].page.number
		}
	}
}

func (t *transaction) touch(p *page) {
	if t.dirty[p.number] == nil {
		t.freed = append(t.freed, p.number)
		p.number = t.allocate(1)
		t.dirty[p.number] = p
	}
}

func (t *transaction) newPage(leaf bool, nodes []node) *page {
	p := &page{number: t.allocate(1), leaf: leaf, nodes: nodes}
	t.dirty[p.number] = p
	if leaf {
		t.main.leaves++
	} else {
		t.main.branches++
	}
	return p
}

// drop is the end of a page that own made.
func (t *transaction) drop(p *page) {
	delete(t.dirty, p.number)
	t.release(p.number)
	if p.leaf {
		t.main.leaves--
	} else {
		t.main.branches--
	}
}

// put writes an entry, in place of one that may be there.
func (t *transaction) put(key string, data []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	path, found, err := t.descend(key)
	if err != nil {
		return err
	}
	if path == nil {
		leaf := t.newPage(true, nil)
		t.main.page, t.main.depth = leaf.number, 1
		path = []step{{leaf, 0}}
	}
	t.own(path)
	last := path[len(path)-1]
	if found {
		if err := t.dropValue(&last.page.nodes[last.index]); err != nil {
			return err
		}
		last.page.nodes[last.index] = t.newNode(key, data)
	} else {
		last.page.nodes = slices.Insert(last.page.nodes, last.index, t.newNode(key, data))
		t.main.entries++
	}
	return t.split(path)
}

func checkKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("an lmdb table cannot have an empty key")
	case len(key) > maxKey:
		return fmt.Errorf("key %.30q... is too long for an lmdb table: %d bytes, of at most %d with the NUL at its end",
			strings.TrimRight(key, "\x00"), len(key), maxKey)
	}
	return nil
}

// newNode returns the node of a leaf. A large value gets pages of its own.
func (t *transaction) newNode(key string, data []byte) node {
	n := node{key: key, data: data, size: len(data)}
	if tooBig(len(key), len(data), t.size) {
		pages := pagesFor(len(data), t.size)
		first := t.allocate(pages)
		t.values[first] = data
		t.main.overflow += pages
		n.flags, n.data = bigData, le.AppendUint64(nil, first)
	}
	return n
}

// tooBig says whether a node would leave no room for a second one in its page.
func tooBig(key, data, size int) bool {
	return nodeHead+key+data > (size-headSize)/2&^1-2
}

// dropValue is the end of the pages of a value.
func (t *transaction) dropValue(n *node) error {
	if !n.big() {
		return nil
	}
	first := le.Uint64(n.data)
	pages := pagesFor(n.size, t.size)
	if _, mine := t.values[first]; mine {
		delete(t.values, first)
		for i := range pages {
			t.release(first + i)
		}
	} else {
		var err error
		if pages, err = t.countBig(first); err != nil {
			return err
		}
		for i := range pages {
			t.freed = append(t.freed, first+i)
		}
	}
	t.main.overflow -= pages
	return nil
}

// countBig returns how many pages a large value has.
func (t *transaction) countBig(first uint64) (uint64, error) {
	var head [headSize]byte
	if _, err := t.f.ReadAt(head[:], int64(first)*int64(t.size)); err != nil {
		return 0, err
	}
	n := uint64(le.Uint32(head[12:]))
	if le.Uint16(head[10:])&overflowPage == 0 || first < 2 || n == 0 || first+n-1 > t.last {
		return 0, errDamaged
	}
	return n, nil
}

// split makes two pages of each on the path that is too full.
func (t *transaction) split(path []step) error {
	for level := len(path) - 1; level >= 0; level-- {
		p := path[level].page
		if p.length() <= t.size {
			return nil
		}
		at := cut(p.nodes, t.size)
		if p.leaf && path[level].index == len(p.nodes)-1 {
			at = len(p.nodes) - 1 // keys come in order: leave the page full
		}
		right := t.newPage(p.leaf, slices.Clone(p.nodes[at:]))
		p.nodes = p.nodes[:at:at]
		separator := right.nodes[0].key
		if !p.leaf {
			right.nodes[0].key = ""
		}
		if level == 0 {
			top := t.newPage(false, []node{{child: p.number}, {key: separator, child: right.number}})
			t.main.page = top.number
			t.main.depth++
			return nil
		}
		parent := path[level-1]
		parent.page.nodes = slices.Insert(parent.page.nodes, parent.index+1, node{key: separator, child: right.number})
	}
	return nil
}

// cut returns where to divide nodes so that both parts fit and are alike.
func cut(nodes []node, size int) int {
	total := 0
	for i := range nodes {
		total += nodes[i].length()
	}
	best, distance, left := 1, total, 0
	for i := 1; i < len(nodes); i++ {
		left += nodes[i-1].length()
		right := total - left
		if d := max(left-right, right-left); left <= size-headSize && right <= size-headSize && d < distance {
			best, distance = i, d
		}
	}
	return best
}

// remove removes an entry.
func (t *transaction) remove(key string) (found bool, err error) {
	path, found, err := t.descend(key)
	if err != nil || !found {
		return false, err
	}
	t.own(path)
	last := path[len(path)-1]
	if err := t.dropValue(&last.page.nodes[last.index]); err != nil {
		return false, err
	}
	last.page.nodes = slices.Delete(last.page.nodes, last.index, last.index+1)
	t.main.entries--
	return true, t.join(path)
}

// join joins pages that have become small with their neighbours.
func (t *transaction) join(path []step) error {
	for level := len(path) - 1; level > 0; level-- {
		p := path[level].page
		if p.length() >= t.size/4 && (p.leaf || len(p.nodes) > 1) {
			return nil
		}
		fits, err := t.joinNeighbour(path[level-1], p)
		if err != nil {
			return err
		}
		if !fits {
			return t.split(path[:level])
		}
	}
	top := path[0].page
	switch {
	case top.leaf && len(top.nodes) == 0:
		t.drop(top)
		t.main.page, t.main.depth = noPage, 0
	case !top.leaf && len(top.nodes) == 1:
		t.main.page = top.nodes[0].child
		t.main.depth--
		t.drop(top)
	}
	return nil
}

// joinNeighbour puts the nodes of p and a page beside it into one page, or divides
// them again when they are too many.
func (t *transaction) joinNeighbour(parent step, p *page) (fits bool, err error) {
	siblings := parent.page.nodes
	at := max(parent.index, 1) // of the right one
	if len(siblings) < 2 {
		return false, errDamaged
	}
	other := at
	if at == parent.index {
		other = at - 1
	}
	q, err := t.page(siblings[other].child)
	if err != nil {
		return false, err
	}
	if q.leaf != p.leaf {
		return false, errDamaged
	}
	t.touch(q)
	siblings[other].child = q.number
	left, right := q, p
	if other == at {
		left, right = p, q
	}
	if !right.leaf {
		right.nodes[0].key = siblings[at].key
	}
	all := page{nodes: append(slices.Clone(left.nodes), right.nodes...)}
	if all.length() <= t.size {
		left.nodes = all.nodes
		t.drop(right)
		parent.page.nodes = slices.Delete(siblings, at, at+1)
		return true, nil
	}
	n := cut(all.nodes, t.size)
	left.nodes, right.nodes = all.nodes[:n:n], slices.Clone(all.nodes[n:])
	siblings[at].key = right.nodes[0].key
	if !right.leaf {
		right.nodes[0].key = ""
	}
	return false, nil
}

// commit brings the transaction to disk.
func (t *transaction) commit() error {
	if !t.changed {
		return nil
	}
	next := t.meta
	next.slot = 1 - t.slot
	next.txn++
	if next.txn&1 != next.slot {
		next.txn++
	}
	t.saveFree(&next)
	next.main, next.last = t.main, t.last
	next.mapSize = roundMap(max(next.mapSize, (next.last+1)*uint64(t.size)))
	if err := t.writePages(); err != nil {
		return err
	}
	if err := t.f.Sync(); err != nil {
		return err
	}
	if _, err := t.f.WriteAt(next.encode(), int64(next.slot)*int64(t.size)); err != nil {
		return err
	}
	return t.f.Sync()
}

// roundMap returns how much C programs should map so that there is room to write.
func roundMap(size uint64) uint64 {
	m := uint64(mapSize)
	for m < size {
		m *= 2
	}
	return m
}

func (t *transaction) writePages() error {
	for _, number := range slices.Sorted(maps.Keys(t.dirty)) {
		if _, err := t.f.WriteAt(t.dirty[number].encode(t.size), int64(number)*int64(t.size)); err != nil {
			return err
		}
	}
	for number, data := range t.values {
		if _, err := t.f.WriteAt(encodeBig(number, data, t.size), int64(number)*int64(t.size)); err != nil {
			return err
		}
	}
	return nil
}
