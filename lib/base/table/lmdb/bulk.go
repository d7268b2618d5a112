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
// leaves.
type level struct {
	nodes []node
	size  int
	first string // the key that leads here
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
func (b *bulk) add(key string, data []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	n := node{key: key, data: data, size: len(data)}
	if tooBig(key, data, pageSize) {
		first := b.meta.last + 1
		pages := encodeBig(first, data, pageSize)
		b.write(pages)
		b.meta.last += uint64(len(pages) / pageSize)
		b.meta.main.overflow += uint64(len(pages) / pageSize)
		n.flags, n.data = bigData, le.AppendUint64(nil, first)
	}
	b.meta.main.entries++
	b.append(0, n)
	return b.err
}

// append adds a node to the page that is being filled at a height above the
// leaves. A branch keeps its last node for the next page: none may have only one.
func (b *bulk) append(height int, n node) {
	if height == len(b.levels) {
		b.levels = append(b.levels, level{size: headSize})
	}
	l := &b.levels[height]
	if l.size+n.length() > pageSize {
		rest := []node(nil)
		if height > 0 {
			last := len(l.nodes) - 1
			rest, l.nodes = l.nodes[last:], l.nodes[:last:last]
		}
		b.flush(height)
		l = &b.levels[height]
		for _, node := range rest {
			l.push(node)
		}
	}
	l.push(n)
}

func (l *level) push(n node) {
	if len(l.nodes) == 0 {
		l.first = n.key
	}
	l.nodes = append(l.nodes, n)
	l.size += n.length()
}

// flush writes the page that is being filled, and adds it to the level above.
func (b *bulk) flush(height int) {
	l := &b.levels[height]
	b.meta.last++
	p := page{number: b.meta.last, leaf: height == 0, nodes: l.nodes}
	if height > 0 {
		p.nodes[0].key = ""
		b.meta.main.branches++
	} else {
		b.meta.main.leaves++
	}
	b.write(p.encode(pageSize))
	first := l.first
	*l = level{size: headSize}
	b.append(height+1, node{key: first, child: p.number})
}

// finish writes what is left, and the first two pages.
func (b *bulk) finish() error {
	for height := 0; height < len(b.levels); height++ {
		top := height == len(b.levels)-1
		if nodes := b.levels[height].nodes; top && height > 0 && len(nodes) == 1 {
			b.meta.main.page, b.meta.main.depth = nodes[0].child, uint16(height)
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
