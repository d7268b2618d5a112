package lmdb

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"postrider/lib/base/file"
	"postrider/lib/base/table"
)

// A builder collects entries in memory. Commit writes them, in the order of their
// keys, to a new file that takes the place of the old one.
type builder struct {
	path    string
	f       *os.File
	entries collection
	suffix  string
	late    func(key string)
	done    bool
}

// Make begins to write name.lmdb, or to change it when flags has Writable.
func Make(name string, flags table.Flags) (table.Builder, error) {
	if flags&table.Writable != 0 {
		c, err := newChange(name, flags)
		if !errors.Is(err, os.ErrNotExist) {
			return c, err
		}
	}
	return newBuilder(name+Suffix, flags)
}

func newBuilder(path string, flags table.Flags) (table.Builder, error) {
	f, err := openTemporary(path + ".tmp")
	if err != nil {
		return nil, err
	}
	return &builder{path: path, f: f, suffix: suffix(flags)}, nil
}

// suffix returns what keys and values end with: NUL, as in all files of this
// type, when nobody says otherwise.
func suffix(flags table.Flags) string {
	if flags&table.WithoutNUL != 0 {
		return ""
	}
	return "\x00"
}

// openTemporary creates an empty file and locks it.
func openTemporary(name string) (*os.File, error) {
	f, err := file.Claim(func() (*os.File, error) {
		return os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
	}, func() (os.FileInfo, error) { return os.Lstat(name) },
		func(f *os.File) error { return file.Lock(f, file.Fcntl, file.Exclusive) })
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

func (b *builder) Add(key, value string) error { return b.set(key, value, b.suffix, true) }

// AddPlain is Add for an entry that has no NUL whatever the others have.
func (b *builder) AddPlain(key, value string) error { return b.set(key, value, "", true) }

func (b *builder) Replace(key, value string) error { return b.set(key, value, b.suffix, false) }

func (b *builder) set(key, value, suffix string, keep bool) error {
	if n := len(key) + len(suffix); n == 0 || n > maxKey {
		return checkKey(key + suffix)
	}
	return b.entries.set(key, value, suffix, keep)
}

// OnDuplicate says what Commit calls for each key of a large table that was there
// already when it was added.
func (b *builder) OnDuplicate(f func(key string)) { b.late = f }

func (b *builder) Delete(key string) (bool, error) { return b.entries.remove(key), nil }

// Abort removes the unfinished file.
func (b *builder) Abort() {
	if !b.done {
		b.done = true
		b.entries.arrive()
		os.Remove(b.f.Name())
		b.f.Close()
	}
}

// Commit writes the file and gives it its name.
func (b *builder) Commit() error {
	defer b.Abort()
	w := newBulk(b.f)
	var twice []duplicate
	for e := range merged(b.entries.finish(), func(n uint32, key []byte) { twice = append(twice, duplicate{n, key}) }) {
		if err := w.add(e.key, e.value); err != nil {
			return fmt.Errorf("write %s: %w", b.f.Name(), err)
		}
	}
	b.report(twice)
	if err := w.finish(); err != nil {
		return fmt.Errorf("write %s: %w", b.f.Name(), err)
	}
	if err := file.Rename(b.f, b.path); err != nil {
		return err
	}
	b.done = true
	return b.f.Close()
}

// A duplicate is a key that was there already, and when it came.
type duplicate struct {
	number uint32
	key    []byte
}

// report tells of duplicates, in the order in which they came.
func (b *builder) report(list []duplicate) {
	if b.late == nil {
		return
	}
	slices.SortFunc(list, func(x, y duplicate) int { return cmp.Compare(x.number, y.number) })
	for _, d := range list {
		b.late(string(d.key))
	}
}
