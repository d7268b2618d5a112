// Package hash has the table types "hash" and "btree". Their names are those of
// Berkeley DB files, which are still read: NAME.db. New tables of these types are
// written in the form of the type "cdb": NAME.cdb. When there are both, the one
// that was written last is used.
package hash

import (
	"errors"
	"io/fs"
	"iter"
	"os"
	"sync"
	"sync/atomic"

	"postrider/lib/base/file"
	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/base/table/cdb"
)

func init() {
	for _, kind := range []string{"hash", "btree"} {
		table.Register(kind, func(name string, flags table.Flags) (table.Table, error) {
			return open(kind, name, flags)
		})
		table.RegisterMaker(kind, func(name string, flags table.Flags) (table.Builder, error) {
			return create(kind, name, flags)
		})
	}
}

// Suffix is what the name of a Berkeley DB file has behind the name of the table.
const Suffix = ".db"

func open(kind, name string, flags table.Flags) (table.Table, error) {
	if flags&table.Writable != 0 {
		return cdb.Cache(name, flags, func() (table.Sequencer, error) { return reader(name, flags) })
	}
	return reader(name, flags)
}

// reader opens the file that was written last.
func reader(name string, flags table.Flags) (table.Sequencer, error) {
	if useNew(name) {
		return cdb.Open(name, flags)
	}
	return openBerkeley(name, flags)
}

// useNew says whether there is NAME.cdb and it is not older than NAME.db.
func useNew(name string) bool {
	now, err := os.Stat(name + cdb.Suffix)
	if err != nil {
		return false
	}
	old, err := os.Stat(name + Suffix)
	return err != nil || !old.ModTime().After(now.ModTime())
}

// create writes NAME.cdb, which from then on is the table. A change of a table
// that is in the old form begins with its entries.
func create(kind, name string, flags table.Flags) (table.Builder, error) {
	if _, err := os.Stat(name + cdb.Suffix); errors.Is(err, fs.ErrNotExist) {
		msg.Info("%s:%s is written as %s, a table of type cdb", kind, name, name+cdb.Suffix)
	}
	if flags&table.Writable == 0 || useNew(name) {
		return cdb.Make(name, flags)
	}
	b, err := cdb.Make(name, flags&^table.Writable)
	if err != nil {
		return nil, err
	}
	if err := copyOld(b, name); err != nil {
		b.Abort()
		return nil, err
	}
	return b, nil
}

func copyOld(b table.Builder, name string) error {
	old, err := openBerkeley(name, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer old.Close()
	for key, value := range old.All() {
		if err := b.Add(key, value); err != nil && err != table.ErrDuplicate {
			return err
		}
	}
	return old.Err()
}

// index is one of the two kinds of file. Keys and values are as they are stored.
type index interface {
	find(key string) (value []byte, found bool, err error)
	all() iter.Seq2[[]byte, []byte]
	failure() error
}

// A berkeley is an open Berkeley DB file. Each use has a shared lock, because the
// program that writes such a file does so in place.
type berkeley struct {
	mu     sync.Mutex
	source *table.Source
	db     index
	form   atomic.Int32
	err    error
}

const (
	either = iota
	withNUL
	withoutNUL
)

func openBerkeley(name string, flags table.Flags) (*berkeley, error) {
	source, err := table.OpenSource(name + Suffix)
	if err != nil {
		return nil, table.NotOpened(name+Suffix, err)
	}
	b := &berkeley{source: source}
	if err := b.locked(b.start); err != nil {
		source.Close()
		return nil, err
	}
	table.WarnWhenOlder(source, name)
	switch {
	case flags&table.WithNUL != 0:
		b.form.Store(withNUL)
	case flags&table.WithoutNUL != 0:
		b.form.Store(withoutNUL)
	}
	return b, nil
}

func (b *berkeley) start() error {
	p, magic, err := openPages(b.source.File)
	if err != nil {
		return err
	}
	if magic == hashMagic {
		b.db, err = newHashed(p)
		return err
	}
	b.db = newBtree(p)
	return nil
}

// locked runs f while nobody writes the file. The lock belongs to the open file,
// so goroutines take turns.
func (b *berkeley) locked(f func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := file.Lock(b.source.File, file.Flock, file.Shared); err != nil {
		return err
	}
	defer file.Unlock(b.source.File, file.Flock)
	return f()
}

func (b *berkeley) Source() *table.Source { return b.source }
func (b *berkeley) Close() error          { return b.source.Close() }

func (b *berkeley) Lookup(key string) (value string, found bool, err error) {
	err = b.locked(func() error {
		value, found, err = b.lookup(key)
		return err
	})
	return value, found, err
}

func (b *berkeley) lookup(key string) (string, bool, error) {
	form := b.form.Load()
	if form != withoutNUL {
		value, found, err := b.db.find(key + "\x00")
		if found || err != nil || form == withNUL {
			b.learn(found, withNUL)
			return string(cutNUL(value)), found, err
		}
	}
	value, found, err := b.db.find(key)
	b.learn(found, withoutNUL)
	return string(cutNUL(value)), found, err
}

func (b *berkeley) learn(found bool, form int32) {
	if found {
		b.form.CompareAndSwap(either, form)
	}
}

// All lists the entries. It holds no lock, since the list may take its time; when
// somebody writes the file meanwhile, Err tells of damage.
func (b *berkeley) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for key, value := range b.db.all() {
			if !yield(string(cutNUL(key)), string(cutNUL(value))) {
				return
			}
		}
		b.err = b.db.failure()
	}
}

func (b *berkeley) Err() error { return b.err }

func cutNUL(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == 0 {
		return b[:n-1]
	}
	return b
}

// IsAliases says whether NAME.db is one that postalias(1) made.
func IsAliases(name string) bool {
	b, err := openBerkeley(name, 0)
	if err != nil {
		return false
	}
	defer b.Close()
	_, found, err := b.Lookup("YP_LAST_MODIFIED")
	return found && err == nil
}
