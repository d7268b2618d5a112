package cdb

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"postrider/lib/base/file"
	"postrider/lib/base/table"
)

// A builder writes NAME.cdb.tmp. It keeps 8 bytes of each record in memory, and
// the place of its hash among them.
type builder struct {
	dir     *os.Root // where the file is
	own     bool     // dir ends with the builder
	path    string
	f       *os.File
	w       *bufio.Writer
	pos     uint64
	written uint64 // what of pos is in the file, not in the buffer
	slots   []slot // in the order of the records; those with position 0 are dropped
	last    map[uint32]uint32
	same    []uint32 // for each slot: index+1 of the one before with the same hash
	dropped bool
	suffix  string // NUL when keys and values end with one
	done    bool
}

type slot struct{ hash, pos uint32 }

// Make begins to write name.cdb. The lock on the unfinished file keeps others
// that do the same waiting.
func Make(name string, flags table.Flags) (table.Builder, error) {
	dir, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	b, err := newBuilder(dir, name+Suffix, flags)
	if err != nil {
		dir.Close()
		return nil, err
	}
	b.own = true
	if flags&table.Writable == 0 {
		return b, nil
	}
	old, err := Open(name, 0)
	if errors.Is(err, os.ErrNotExist) {
		return b, nil
	}
	if err == nil {
		defer old.(*database).Close()
		err = b.addAll(old)
	}
	if err != nil {
		b.Abort()
		return nil, err
	}
	return b, nil
}

// Remake returns what writes name.cdb anew each time that it is called. It keeps
// the directory open, so that this works in a chroot jail too.
func Remake(name string, flags table.Flags) (func() (table.Builder, error), error) {
	dir, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	return func() (table.Builder, error) { return newBuilder(dir, name+Suffix, flags) }, nil
}

// addAll copies the entries of another table.
func (b *builder) addAll(old table.Sequencer) error {
	for key, value := range old.All() {
		if err := b.Add(key, value); err != nil && err != table.ErrDuplicate {
			return err
		}
	}
	return old.Err()
}

func newBuilder(dir *os.Root, path string, flags table.Flags) (*builder, error) {
	f, err := openTemporary(dir, filepath.Base(path)+".tmp")
	if err != nil {
		return nil, rename(err, path+".tmp")
	}
	b := &builder{dir: dir, path: path, f: f, w: bufio.NewWriterSize(f, 64<<10), last: make(map[uint32]uint32)}
	if flags&table.WithNUL != 0 {
		b.suffix = "\x00"
	}
	b.pos = headerSize
	_, err = b.w.Write(make([]byte, headerSize))
	return b, err
}

// rename puts the name that the user knows into an error.
func rename(err error, path string) error {
	var e *os.PathError
	if errors.As(err, &e) {
		return &os.PathError{Op: "open", Path: path, Err: e.Err}
	}
	return err
}

// openTemporary creates an empty file and locks it.
func openTemporary(dir *os.Root, name string) (*os.File, error) {
	f, err := file.Claim(func() (*os.File, error) {
		return dir.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
	}, func() (os.FileInfo, error) { return dir.Lstat(name) },
		func(f *os.File) error { return file.Lock(f, file.Flock, file.Exclusive) })
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (b *builder) Path() string   { return b.path }
func (b *builder) File() *os.File { return b.f }

func (b *builder) Add(key, value string) error {
	if n, err := b.search(key); err != nil {
		return err
	} else if n > 0 {
		return table.ErrDuplicate
	}
	return b.write(key, value, b.suffix)
}

// AddPlain is Add for an entry that has no NUL whatever the others have.
func (b *builder) AddPlain(key, value string) error { return b.write(key, value, "") }

func (b *builder) Replace(key, value string) error {
	if _, err := b.Delete(key); err != nil {
		return err
	}
	return b.write(key, value, b.suffix)
}

func (b *builder) Delete(key string) (bool, error) {
	n, err := b.search(key)
	if err != nil || n == 0 {
		return false, err
	}
	b.slots[n-1].pos = 0
	b.dropped = true
	return true, nil
}

// write appends a record to the file and to the index.
func (b *builder) write(key, value, suffix string) error {
	size := uint64(8 + len(key) + len(value) + 2*len(suffix))
	if b.pos+size+uint64(len(b.slots)+1)*2*slotSize > 1<<32-1 {
		return fmt.Errorf("%s: a cdb file cannot be larger than 4 Gbytes", b.path)
	}
	var head [8]byte
	binary.LittleEndian.PutUint32(head[:], uint32(len(key)+len(suffix)))
	binary.LittleEndian.PutUint32(head[4:], uint32(len(value)+len(suffix)))
	b.w.Write(head[:])
	for _, s := range []string{key, suffix, value, suffix} {
		b.w.WriteString(s)
	}
	h := hash(key, suffix != "")
	b.same = append(b.same, b.last[h])
	b.slots = append(b.slots, slot{h, uint32(b.pos)})
	b.last[h] = uint32(len(b.slots))
	b.pos += size
	_, err := b.w.Write(nil) // errors of a bufio.Writer stay
	return err
}

// search returns 1 + the index of the record with key, or 0.
func (b *builder) search(key string) (n uint32, err error) {
	for n = b.last[hash(key, b.suffix != "")]; n > 0; n = b.same[n-1] {
		if pos := b.slots[n-1].pos; pos != 0 {
			stored, _, err := b.read(pos)
			if err != nil || stored == key+b.suffix {
				return n, err
			}
		}
	}
	return 0, nil
}

// read reads a record back.
func (b *builder) read(pos uint32) (key, value string, err error) {
	if uint64(pos) >= b.written { // may still be in the buffer, or partly
		if err := b.w.Flush(); err != nil {
			return "", "", err
		}
		b.written = b.pos
	}
	var head [8]byte
	if _, err := b.f.ReadAt(head[:], int64(pos)); err != nil {
		return "", "", err
	}
	keyLen := binary.LittleEndian.Uint32(head[:])
	data := make([]byte, keyLen+binary.LittleEndian.Uint32(head[4:]))
	if _, err := b.f.ReadAt(data, int64(pos)+8); err != nil {
		return "", "", err
	}
	return string(data[:keyLen]), string(data[keyLen:]), nil
}

// Abort removes the unfinished file.
func (b *builder) Abort() {
	if b.done {
		return
	}
	b.dir.Remove(filepath.Base(b.path) + ".tmp")
	b.close()
}

func (b *builder) close() error {
	b.done = true
	if b.own {
		b.dir.Close()
	}
	return b.f.Close()
}

// Commit writes the index and gives the file its name: file to disk, rename,
// directory to disk.
func (b *builder) Commit() error {
	defer b.Abort()
	if b.dropped {
		if err := b.compact(); err != nil {
			return err
		}
	}
	if err := b.writeIndex(); err != nil {
		return fmt.Errorf("write %s.tmp: %w", b.path, err)
	}
	if err := b.f.Sync(); err != nil {
		return fmt.Errorf("write %s.tmp: %w", b.path, err)
	}
	name := filepath.Base(b.path)
	if err := b.dir.Rename(name+".tmp", name); err != nil {
		return rename(err, b.path)
	}
	dir, err := b.dir.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return b.close()
}

// compact moves the records over those that were dropped: some programs read all
// records and not through the index.
func (b *builder) compact() error {
	if err := b.w.Flush(); err != nil {
		return err
	}
	b.written = b.pos
	to, kept := uint64(headerSize), b.slots[:0]
	for _, s := range b.slots {
		if s.pos == 0 {
			continue
		}
		key, value, err := b.read(s.pos)
		if err != nil {
			return err
		}
		record := binary.LittleEndian.AppendUint32(nil, uint32(len(key)))
		record = binary.LittleEndian.AppendUint32(record, uint32(len(value)))
		record = append(append(record, key...), value...)
		if _, err := b.f.WriteAt(record, int64(to)); err != nil {
			return err
		}
		kept = append(kept, slot{s.hash, uint32(to)})
		to += uint64(len(record))
	}
	b.slots, b.pos = kept, to
	if err := b.f.Truncate(int64(to)); err != nil {
		return err
	}
	_, err := b.f.Seek(int64(to), io.SeekStart)
	return err
}

// writeIndex appends the hash tables and writes the header, the table of tables.
func (b *builder) writeIndex() error {
	var lists [256][]slot
	var count [256]int
	for _, s := range b.slots {
		if s.pos != 0 {
			count[s.hash&255]++
		}
	}
	for n := range lists {
		lists[n] = make([]slot, 0, count[n])
	}
	for _, s := range b.slots {
		if s.pos != 0 {
			lists[s.hash&255] = append(lists[s.hash&255], s)
		}
	}
	header := make([]byte, 0, headerSize)
	for _, list := range lists {
		header = binary.LittleEndian.AppendUint32(header, uint32(b.pos))
		header = binary.LittleEndian.AppendUint32(header, uint32(2*len(list)))
		if _, err := b.w.Write(hashTable(list)); err != nil {
			return err
		}
		b.pos += uint64(2 * len(list) * slotSize)
	}
	if err := b.w.Flush(); err != nil {
		return err
	}
	_, err := b.f.WriteAt(header, 0)
	return err
}

// hashTable puts slots where a reader looks for them. Half of it stays empty.
func hashTable(list []slot) []byte {
	size := uint32(2 * len(list))
	data := make([]byte, size*slotSize)
	for _, s := range list {
		at := (s.hash >> 8) % size
		for binary.LittleEndian.Uint32(data[at*slotSize+4:]) != 0 {
			at = (at + 1) % size
		}
		binary.LittleEndian.PutUint32(data[at*slotSize:], s.hash)
		binary.LittleEndian.PutUint32(data[at*slotSize+4:], s.pos)
	}
	return data
}
