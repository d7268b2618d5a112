package cdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"

	"golang.org/x/sys/unix"
)

var errDamaged = errors.New("the file is damaged")

// A reader finds records in a file that is mapped into memory. It never changes,
// so any number of goroutines may use it.
type reader struct {
	data []byte
	end  uint32 // of the records, where the first hash table begins
}

func newReader(f *os.File) (*reader, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < headerSize || info.Size() > 1<<32-1 {
		return nil, fmt.Errorf("%s: not a cdb file: size %d", f.Name(), info.Size())
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s into memory: %w", f.Name(), err)
	}
	r := &reader{data: data, end: uint32(len(data))}
	for i := uint32(0); i < 256; i++ {
		pos, slots := r.table(i)
		if pos < headerSize || uint64(pos)+uint64(slots)*slotSize > uint64(len(data)) {
			unix.Munmap(data)
			return nil, fmt.Errorf("%s: not a cdb file, or cut short", f.Name())
		}
		r.end = min(r.end, pos)
	}
	return r, nil
}

func (r *reader) close() error { return unix.Munmap(r.data) }

// number returns the number at pos, which is within the file.
func (r *reader) number(pos uint32) uint32 { return binary.LittleEndian.Uint32(r.data[pos:]) }

// table returns position and number of slots of hash table n.
func (r *reader) table(n uint32) (pos, slots uint32) {
	return r.number(n * 8), r.number(n*8 + 4)
}

// find returns the value of key, or of key and a NUL.
func (r *reader) find(key string, withNUL bool) (value []byte, found bool, err error) {
	h := hash(key, withNUL)
	pos, slots := r.table(h & 255)
	if slots == 0 {
		return nil, false, nil
	}
	at := (h >> 8) % slots
	for range slots {
		record := r.number(pos + at*slotSize + 4)
		if record == 0 {
			return nil, false, nil
		}
		if r.number(pos+at*slotSize) == h {
			k, v, _, err := r.record(record)
			if err != nil || same(k, key, withNUL) {
				return v, err == nil, err
			}
		}
		if at++; at == slots {
			at = 0
		}
	}
	return nil, false, nil
}

func same(stored []byte, key string, withNUL bool) bool {
	if withNUL {
		n := len(stored) - 1
		return n >= 0 && stored[n] == 0 && string(stored[:n]) == key
	}
	return string(stored) == key
}

// record returns the record at pos, and where the next one begins.
func (r *reader) record(pos uint32) (key, value []byte, next uint32, err error) {
	if uint64(pos)+8 > uint64(r.end) {
		return nil, nil, 0, errDamaged
	}
	keyLen, valueLen := uint64(r.number(pos)), uint64(r.number(pos+4))
	start := uint64(pos) + 8
	stop := start + keyLen + valueLen
	if stop > uint64(r.end) {
		return nil, nil, 0, errDamaged
	}
	return r.data[start : start+keyLen], r.data[start+keyLen : stop], uint32(stop), nil
}

// all yields all records in the order of the file. A damaged one ends it.
func (r *reader) all() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for pos := uint32(headerSize); pos < r.end; {
			key, value, next, err := r.record(pos)
			if err != nil || !yield(key, value) {
				return
			}
			pos = next
		}
	}
}
