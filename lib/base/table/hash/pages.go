package hash

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// A pages is an open Berkeley DB file, versions 4 and 5: a number of pages of
// the same size, the first of which says what the file is. Numbers are in the
// byte order of the machine that made it. Each page is read when it is needed: a
// mapped file would kill the reader when another program truncates it.
type pages struct {
	f     *os.File
	order binary.ByteOrder
	size  int
	count uint32
	meta  []byte
}

// The kinds of file.
const (
	hashMagic  = 0x061561
	btreeMagic = 0x053162
)

// Where things are on a page.
const (
	atNext    = 16 // number of the page that follows, or 0
	atEntries = 20 // number of items
	atUsed    = 22 // on an overflow page: bytes that are used
	atType    = 25
	atIndex   = 26 // offsets of the items
)

var errDamaged = errors.New("the file is damaged")

func openPages(f *os.File) (p *pages, magic uint32, err error) {
	head := make([]byte, 512)
	if n, err := f.ReadAt(head, 0); err != nil && err != io.EOF || n < len(head) {
		return nil, 0, fmt.Errorf("%s: not a Berkeley DB file: too short", f.Name())
	}
	p = &pages{f: f, meta: head}
	for _, p.order = range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if magic = p.order.Uint32(head[12:]); magic == hashMagic || magic == btreeMagic {
			break
		}
		magic = 0
	}
	if magic == 0 {
		return nil, 0, fmt.Errorf("%s: not a Berkeley DB file of type hash or btree", f.Name())
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	size := p.order.Uint32(head[20:])
	if size < 512 || size > 65536 || size&(size-1) != 0 {
		return nil, 0, fmt.Errorf("%s: page size %d", f.Name(), size)
	}
	p.size, p.count = int(size), uint32(info.Size()/int64(size))
	return p, magic, nil
}

// A page is one page with its number in mind.
type page struct {
	p    *pages
	data []byte
}

func (p *pages) page(number uint32) (page, error) {
	data := make([]byte, p.size)
	if _, err := p.f.ReadAt(data, int64(number)*int64(p.size)); err != nil {
		return page{}, fmt.Errorf("page %d: %w", number, errDamaged)
	}
	return page{p, data}, nil
}

func (g page) next() uint32 { return g.p.order.Uint32(g.data[atNext:]) }
func (g page) kind() byte   { return g.data[atType] }

// entries returns how many items the page has, no more than there is place for.
func (g page) entries() int {
	return min(int(g.p.order.Uint16(g.data[atEntries:])), (len(g.data)-atIndex)/2)
}

// offset returns where item i begins.
func (g page) offset(i int) int { return int(g.p.order.Uint16(g.data[atIndex+2*i:])) }

// overflow returns a value of length bytes that has pages of its own.
func (p *pages) overflow(number, length uint32) ([]byte, error) {
	if uint64(length) > uint64(p.count)*uint64(p.size) {
		return nil, errDamaged
	}
	value := make([]byte, 0, length)
	for seen := uint32(0); number != 0 && seen < p.count; seen++ {
		g, err := p.page(number)
		if err != nil {
			return nil, err
		}
		used := int(p.order.Uint16(g.data[atUsed:]))
		if atIndex+used > len(g.data) {
			return nil, errDamaged
		}
		value = append(value, g.data[atIndex:atIndex+used]...)
		number = g.next()
	}
	if uint32(len(value)) != length {
		return nil, errDamaged
	}
	return value, nil
}

// reference reads what an item says about a value on other pages.
func (p *pages) reference(item []byte) ([]byte, error) {
	if len(item) < 12 {
		return nil, errDamaged
	}
	return p.overflow(p.order.Uint32(item[4:]), p.order.Uint32(item[8:]))
}
