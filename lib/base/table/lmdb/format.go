// Package lmdb has the table type "lmdb": a file NAME.lmdb of the Lightning
// Memory-Mapped Database, which can be changed entry by entry while others read
// it. It is read and written here without the C library.
//
// # The file
//
// A file is a B+tree in pages. The first two pages say where the root is; they
// take turns, and the one with the higher transaction number is right. Whoever
// changes an entry writes new pages, from the leaf up to the root, brings them to
// disk, and then writes the older of the first two pages. After a crash the file
// is as it was before or as it is after. Pages that are no longer used stand in a
// second tree, by the transaction that had no use for them.
//
// As all programs of the suite do, and stock ones, readers hold a shared fcntl
// lock of the file while they read, and writers an exclusive one. There is no
// lock file beside it.
package lmdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

const (
	pageSize   = 4096 // of files that are made here; others may have another size
	headSize   = 16   // of a page
	nodeHead   = 8
	magic      = 0xBEEFC0DE
	version    = 1
	maxKey     = 511
	noPage     = ^uint64(0)
	mapSize    = 16 << 20 // that C programs map at least
	metaLength = 136      // from magic to the transaction number
)

// Kinds of page.
const (
	branchPage   = 0x01
	leafPage     = 0x02
	overflowPage = 0x04
	metaPage     = 0x08
	leaf2Page    = 0x20
)

// Kinds of node in a leaf.
const (
	bigData = 1 // the value is in pages of its own
	subData = 2
	dupData = 4
)

// integerKeys is a flag of a tree.
const integerKeys = 8

var errDamaged = errors.New("the file is damaged")

var le = binary.LittleEndian

// A root describes a tree.
type root struct {
	pad      uint32 // in that of the free pages: the size of a page
	flags    uint16
	depth    uint16
	branches uint64
	leaves   uint64
	overflow uint64
	entries  uint64
	page     uint64 // noPage when the tree is empty
}

// A meta is what one of the first two pages says.
type meta struct {
	mapSize uint64
	free    root
	main    root
	last    uint64 // number of the last page that is in use
	txn     uint64
	slot    uint64 // which of the two pages it comes from
}

func parseRoot(b []byte) root {
	return root{
		pad: le.Uint32(b), flags: le.Uint16(b[4:]), depth: le.Uint16(b[6:]), branches: le.Uint64(b[8:]),
		leaves: le.Uint64(b[16:]), overflow: le.Uint64(b[24:]), entries: le.Uint64(b[32:]), page: le.Uint64(b[40:]),
	}
}

func (r root) append(b []byte) []byte {
	b = le.AppendUint32(b, r.pad)
	b = le.AppendUint16(b, r.flags)
	b = le.AppendUint16(b, r.depth)
	for _, n := range []uint64{r.branches, r.leaves, r.overflow, r.entries, r.page} {
		b = le.AppendUint64(b, n)
	}
	return b
}

// parseMeta reads one of the first two pages.
func parseMeta(page []byte) (m meta, err error) {
	if len(page) < headSize+metaLength {
		return m, errDamaged
	}
	b := page[headSize:]
	switch {
	case le.Uint16(page[10:])&metaPage == 0 || le.Uint32(b) != magic:
		return m, errors.New("not an LMDB file")
	case le.Uint32(b[4:])&0xffff != version:
		return m, fmt.Errorf("LMDB format %d instead of %d", le.Uint32(b[4:]), version)
	}
	m = meta{mapSize: le.Uint64(b[16:]), free: parseRoot(b[24:]), main: parseRoot(b[72:]), last: le.Uint64(b[120:]), txn: le.Uint64(b[128:])}
	if size := m.free.pad; size < 256 || size > 64<<10 || size&(size-1) != 0 {
		return m, errDamaged
	}
	if m.main.flags != 0 {
		return m, fmt.Errorf("the database has flags %#x, which nobody knows here", m.main.flags)
	}
	return m, nil
}

// encode returns the page with number m.slot.
func (m meta) encode() []byte {
	b := make([]byte, headSize, m.free.pad)
	le.PutUint64(b, m.slot)
	le.PutUint16(b[10:], metaPage)
	b = le.AppendUint32(b, magic)
	b = le.AppendUint32(b, version)
	b = le.AppendUint64(b, 0)
	b = le.AppendUint64(b, m.mapSize)
	b = m.free.append(b)
	b = m.main.append(b)
	b = le.AppendUint64(b, m.last)
	b = le.AppendUint64(b, m.txn)
	return b[:m.free.pad]
}

// readMeta returns the newer of the first two pages. What the last crash left
// half written is not taken.
func readMeta(f *os.File) (meta, error) {
	head := make([]byte, 2*pageSize)
	n, err := f.ReadAt(head, 0)
	if n < headSize+metaLength {
		if n == 0 {
			return meta{}, errors.New("the file is empty")
		}
		return meta{}, errors.Join(errors.New("not an LMDB file"), err)
	}
	first, err1 := parseMeta(head[:n])
	size := pageSize
	if err1 == nil {
		size = int(first.free.pad)
	}
	if size != pageSize {
		head = make([]byte, 2*size)
		if n, err = f.ReadAt(head, 0); n < size {
			return meta{}, err
		}
	}
	second, err2 := parseMeta(head[min(size, n):n])
	switch {
	case err1 != nil && err2 != nil:
		return meta{}, err1
	case err1 != nil || err2 == nil && second.txn > first.txn:
		second.slot = 1
		return second, nil
	}
	return first, nil
}
