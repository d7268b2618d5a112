package lmdb

import (
	"bufio"
	"os"
)

// A bulk writes a whole file, from entries that come in order. Pages are written
// one after the other, and full.
type bulk struct {
	w      *bufio.Writer
	f      *os.File
	meta   meta
	levels []level // that of the leaves first
	err    error
}

// A level is the page that is being filled, of those that are as far from the
// leaves. Its nodes are put into the page at once, from the end.
type level struct {
	page  []byte
	n     int // nodes
	end   int // where the last of them begins
	first []byte
	last  child // of a branch
}

// A child is a page, and the key that leads to it.
type child struct {
	key  []byte
	page uint64
}

func newBulk(f *os.File) *bulk {
	empty := root{page: noPage}
	b := &bulk{f: f, w: bufio.NewWriterSize(f, 64<<10), meta: meta{free: empty, main: empty, last: 1, txn: 1, slot: 1}}
	b.meta.free.pad, b.meta.free.flags = pageSize, integerKeys
	b.write(make([]byte, 2*pageSize))
	return b
}

// write writes pages. The first error stays.
func (b *bulk) write(data []byte) {
	if b.err == nil {
		_, b.err = b.w.Write(data)
	}
}

// add adds an entry.
func (b *bulk) add(key, data []byte) error {
	n := node{size: len(data)}
	if tooBig(len(key), len(data), pageSize) {
		first := b.meta.last + 1
		pages := encodeBig(first, data, pageSize)
		b.write(pages)
		b.meta.last += uint64(len(pages) / pageSize)
		b.meta.main.overflow += uint64(len(pages) / pageSize)
		n.flags, data = bigData, le.AppendUint64(nil, first)
	}
	b.meta.main.entries++
	if l := b.level(0); !l.fits(key, data) {
		b.flush(0)
	}
	b.level(0).push(&n, true, key, data)
	return b.err
}

// addChild adds a page to the branch that is being filled at a height above the
// leaves. A branch keeps its last node for the next page: none may have only one.
func (b *bulk) addChild(height int, c child) {
	if l := b.level(height); !l.fits(c.key, nil) {
		last := l.last
		l.n--
		l.end += nodeLength(last.key, nil)
		b.flush(height)
		b.level(height).pushChild(last)
	}
	b.level(height).pushChild(c)
}

func (b *bulk) level(height int) *level {
	if height == len(b.levels) {
		b.levels = append(b.levels, level{page: make([]byte, pageSize), end: pageSize})
	}
	return &b.levels[height]
}

// nodeLength is how much room a node takes, without its place in the index.
func nodeLength(key, data []byte) int { return (nodeHead + len(key) + len(data) + 1) &^ 1 }

func (l *level) fits(key, data []byte) bool {
	return headSize+2*(l.n+1)+nodeLength(key, data) <= l.end
}

func (l *level) push(n *node, leaf bool, key, data []byte) {
	if l.n == 0 {
		l.first = key
		if !leaf {
			key = nil
		}
	}
	l.page[l.end-1] = 0 // filler, when the length is odd
	l.end -= nodeLength(key, data)
	le.PutUint16(l.page[headSize+2*l.n:], uint16(l.end))
	l.n++
	n.put(l.page[l.end:], leaf)
	le.PutUint16(l.page[l.end+6:], uint16(len(key)))
	copy(l.page[l.end+nodeHead:], key)
	copy(l.page[l.end+nodeHead+len(key):], data)
}

func (l *level) pushChild(c child) {
	l.last = c
	l.push(&node{child: c.page}, false, c.key, nil)
}

// flush writes the page that is being filled, and adds it to the level above.
func (b *bulk) flush(height int) {
	l := &b.levels[height]
	b.meta.last++
	kind := uint16(branchPage)
	if height > 0 {
		b.meta.main.branches++
	} else {
		kind = leafPage
		b.meta.main.leaves++
	}
	le.PutUint64(l.page, b.meta.last)
	le.PutUint16(l.page[10:], kind)
	le.PutUint16(l.page[12:], uint16(headSize+2*l.n))
	le.PutUint16(l.page[14:], uint16(l.end))
	clear(l.page[headSize+2*l.n : l.end])
	b.write(l.page)
	c := child{l.first, b.meta.last}
	l.n, l.end = 0, pageSize
	b.addChild(height+1, c)
}

// finish writes what is left, and the first two pages.
func (b *bulk) finish() error {
	for height := 0; height < len(b.levels); height++ {
		top := height == len(b.levels)-1
		if l := &b.levels[height]; top && height > 0 && l.n == 1 {
			b.meta.main.page, b.meta.main.depth = l.last.page, uint16(height)
			break
		}
		b.flush(height)
	}
	b.meta.mapSize = roundMap((b.meta.last + 1) * pageSize)
	empty := b.meta
	empty.main, empty.last, empty.txn, empty.slot = root{page: noPage}, 1, 0, 0
	if b.err == nil {
		b.err = b.w.Flush()
	}
	if b.err == nil {
		_, b.err = b.f.WriteAt(append(empty.encode(), b.meta.encode()...), 0)
	}
	return b.err
}
