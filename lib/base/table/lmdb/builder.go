package lmdb

import (
	"errors"
	"fmt"
	"maps"
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
	entries map[string]string
	plain   map[string]bool // keys that have no NUL although others have one
	suffix  string
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
	return &builder{path: path, f: f, entries: make(map[string]string), plain: make(map[string]bool), suffix: suffix(flags)}, nil
}

// suffix returns what keys and values end with: NUL, as in all files of this
// type, when nobody says otherwise.
func suffix(flags table.Flags) string {
	if flags&table.WithoutNUL != 0 {
		return ""
	}
	return "\x00"
}

// openTemporary creates an empty file and locks it. What it waited for may have
// been renamed in the meantime; then it begins again.
func openTemporary(name string) (*os.File, error) {
	for {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
		if err != nil {
			return nil, err
		}
		if err := file.Lock(f, file.Fcntl, file.Exclusive); err != nil {
			f.Close()
			return nil, err
		}
		mine, err := f.Stat()
		named, nameErr := os.Lstat(name)
		if err == nil && nameErr == nil && os.SameFile(mine, named) {
			if err := f.Truncate(0); err != nil {
				f.Close()
				return nil, err
			}
			return f, nil
		}
		f.Close()
	}
}

func (b *builder) Path() string   { return b.path }
func (b *builder) File() *os.File { return b.f }

func (b *builder) Add(key, value string) error {
	if _, known := b.entries[key]; known {
		return table.ErrDuplicate
	}
	return b.Replace(key, value)
}

// AddPlain is Add for an entry that has no NUL whatever the others have.
func (b *builder) AddPlain(key, value string) error {
	b.plain[key] = true
	return b.Add(key, value)
}

func (b *builder) Replace(key, value string) error {
	if err := checkKey(key + b.suffix); err != nil {
		return err
	}
	b.entries[key] = value
	return nil
}

func (b *builder) Delete(key string) (bool, error) {
	_, found := b.entries[key]
	delete(b.entries, key)
	delete(b.plain, key)
	return found, nil
}

// Abort removes the unfinished file.
func (b *builder) Abort() {
	if !b.done {
		b.done = true
		os.Remove(b.f.Name())
		b.f.Close()
	}
}

// Commit writes the file and gives it its name. With a NUL behind each key the
// order is still that of the keys, since no other byte comes before NUL.
func (b *builder) Commit() error {
	defer b.Abort()
	w := newBulk(b.f)
	for _, key := range slices.Sorted(maps.Keys(b.entries)) {
		suffix := b.suffix
		if b.plain[key] {
			suffix = ""
		}
		if err := w.add(key+suffix, []byte(b.entries[key]+suffix)); err != nil {
			return fmt.Errorf("write %s: %w", b.f.Name(), err)
		}
	}
	if err := w.finish(); err != nil {
		return fmt.Errorf("write %s: %w", b.f.Name(), err)
	}
	if err := file.Rename(b.f, b.path); err != nil {
		return err
	}
	b.done = true
	return b.f.Close()
}
