package cdb

import (
	"iter"
	"sync/atomic"

	"postrider/lib/base/table"
)

func init() {
	table.Register("cdb", open)
	table.RegisterMaker("cdb", Make)
}

// Suffix is what the name of the file has behind the name of the table.
const Suffix = ".cdb"

// Which form of key is in the file.
const (
	either = iota
	withNUL
	withoutNUL
)

type database struct {
	*reader
	source *table.Source
	form   atomic.Int32 // learned from the first key that was found
}

func open(name string, flags table.Flags) (table.Table, error) {
	if flags&table.Writable != 0 {
		return Cache(name, flags, func() (table.Sequencer, error) { return Open(name, flags) })
	}
	return Open(name, flags)
}

// Cache opens a table that this process keeps up to date in name.cdb. Its entries
// come from load.
func Cache(name string, flags table.Flags, load func() (table.Sequencer, error)) (table.Table, error) {
	remake, err := Remake(name, flags)
	if err != nil {
		return nil, table.NotOpened(name+Suffix, err)
	}
	return table.OpenCache(load, remake)
}

// Open opens the database of the source file name, for reading.
func Open(name string, flags table.Flags) (table.Sequencer, error) {
	source, err := table.OpenSource(name + Suffix)
	if err != nil {
		return nil, table.NotOpened(name+Suffix, err)
	}
	r, err := newReader(source.File)
	if err != nil {
		source.Close()
		return nil, err
	}
	table.WarnWhenOlder(source, name)
	db := &database{reader: r, source: source}
	switch {
	case flags&table.WithNUL != 0:
		db.form.Store(withNUL)
	case flags&table.WithoutNUL != 0:
		db.form.Store(withoutNUL)
	}
	return db, nil
}

func (db *database) Source() *table.Source { return db.source }

func (db *database) Close() error {
	db.reader.close()
	return db.source.Close()
}

// Lookup finds keys that were stored without NUL and those that have one.
func (db *database) Lookup(key string) (string, bool, error) {
	form := db.form.Load()
	if form != withNUL {
		value, found, err := db.find(key, false)
		if found || err != nil || form == withoutNUL {
			db.learn(found, withoutNUL)
			return string(cutNUL(value)), found, err
		}
	}
	value, found, err := db.find(key, true)
	db.learn(found, withNUL)
	return string(cutNUL(value)), found, err
}

func (db *database) learn(found bool, form int32) {
	if found {
		db.form.CompareAndSwap(either, form)
	}
}

// All lists the entries.
func (db *database) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for key, value := range db.all() {
			if !yield(string(cutNUL(key)), string(cutNUL(value))) {
				return
			}
		}
	}
}

// Err says whether the records go on to where they should.
func (db *database) Err() error {
	pos := uint32(headerSize)
	for pos < db.end {
		_, _, next, err := db.record(pos)
		if err != nil {
			return err
		}
		pos = next
	}
	return nil
}

func cutNUL(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == 0 {
		return b[:n-1]
	}
	return b
}
