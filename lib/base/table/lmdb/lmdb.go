package lmdb

import (
	"iter"
	"os"
	"sync"

	"postrider/lib/base/file"
	"postrider/lib/base/table"
)

func init() {
	table.Register("lmdb", open)
	table.RegisterMaker("lmdb", Make)
}

// Suffix is what the name of the file has behind the name of the table.
const Suffix = ".lmdb"

func open(name string, flags table.Flags) (table.Table, error) {
	if flags&table.Writable != 0 {
		return openCache(name, flags)
	}
	return Open(name, flags)
}

// Which form of key is in the file.
const (
	either = iota
	withNUL
	withoutNUL
)

// A database is a file that is open. Each use sees what is in it at that time.
type database struct {
	mu     sync.Mutex // the lock of the file is not one between goroutines
	source *table.Source
	form   int // learned from the first key that was found
	err    error
}

// Open opens the database of the source file name, for reading.
func Open(name string, flags table.Flags) (table.Sequencer, error) {
	source, err := table.OpenSource(name + Suffix)
	if err != nil {
		return nil, table.NotOpened(name+Suffix, err)
	}
	table.WarnWhenOlder(source, name)
	return newDatabase(source, flags)
}

func newDatabase(source *table.Source, flags table.Flags) (*database, error) {
	source.Live = true
	db := &database{source: source}
	switch {
	case flags&table.WithNUL != 0:
		db.form = withNUL
	case flags&table.WithoutNUL != 0:
		db.form = withoutNUL
	}
	if err := db.read(func(*snapshot) error { return nil }); err != nil {
		source.Close()
		return nil, table.NotOpened(source.Name(), err)
	}
	return db, nil
}

func (db *database) Source() *table.Source { return db.source }
func (db *database) Close() error          { return db.source.Close() }

// read calls f while nobody writes the file.
func (db *database) read(f func(*snapshot) error) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := file.Lock(db.source.File, file.Fcntl, file.Shared); err != nil {
		return err
	}
	defer file.Unlock(db.source.File, file.Fcntl)
	m, err := readMeta(db.source.File)
	if err != nil {
		return err
	}
	return f(&snapshot{m, db.source.File})
}

// Lookup finds keys that were stored with NUL and those that have none.
func (db *database) Lookup(key string) (text string, found bool, err error) {
	err = db.read(func(s *snapshot) error {
		text, found, err = db.lookup(s, key)
		return err
	})
	return text, found, err
}

func (db *database) lookup(s *snapshot, key string) (string, bool, error) {
	if db.form != withoutNUL {
		data, found, err := s.find(key + "\x00")
		if found || err != nil || db.form == withNUL {
			db.learn(found, withNUL)
			return cutNUL(data), found, err
		}
	}
	data, found, err := s.find(key)
	db.learn(found, withoutNUL)
	return cutNUL(data), found, err
}

func (db *database) learn(found bool, form int) {
	if found && db.form == either {
		db.form = form
	}
}

// An entry is a key with its value, without NUL.
type entry struct{ key, value string }

// All lists the entries in the order of their keys. It holds no lock while the
// caller works, so entries may come and go meanwhile.
func (db *database) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		last, first := "", true
		for {
			var entries []entry
			db.err = db.read(func(s *snapshot) (err error) {
				before := last
				entries, last, err = leaf(s, before, first)
				if len(entries) > 0 && !first && last <= before {
					return errDamaged
				}
				return err
			})
			if db.err != nil || len(entries) == 0 {
				return
			}
			for _, e := range entries {
				if !yield(e.key, e.value) {
					return
				}
			}
			first = false
		}
	}
}

// leaf returns the entries of one leaf, and the last key as it is in the file.
func leaf(s *snapshot, after string, first bool) (entries []entry, last string, err error) {
	nodes, err := s.after(after, first)
	if err != nil || len(nodes) == 0 {
		return nil, "", err
	}
	for i := range nodes {
		data, err := value(s.f, &s.meta, &nodes[i])
		if err != nil {
			return nil, "", err
		}
		entries = append(entries, entry{cutNUL([]byte(nodes[i].key)), cutNUL(data)})
	}
	return entries, nodes[len(nodes)-1].key, nil
}

func (db *database) Err() error { return db.err }

// change calls f with a transaction, and commits it.
func change(f *os.File, do func(*transaction) error) error {
	if err := file.Lock(f, file.Fcntl, file.Exclusive); err != nil {
		return err
	}
	defer file.Unlock(f, file.Fcntl)
	t, err := begin(f)
	if err == nil {
		err = do(t)
	}
	if err != nil {
		return err
	}
	return t.commit()
}

func cutNUL(b []byte) string {
	if n := len(b); n > 0 && b[n-1] == 0 {
		b = b[:n-1]
	}
	return string(b)
}
