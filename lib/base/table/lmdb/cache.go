package lmdb

import (
	"errors"
	"iter"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
)

// A cache is a table that a process changes while it is in use. What changed is
// in memory for a moment, and then written in one transaction: bringing each
// change to disk by itself would take longer than a mail. A crash loses that
// moment, which is what a cache may do.
type cache struct {
	*database
	suffix string

	mu      sync.Mutex
	pending map[string]operation
	writer  *time.Timer // nil when nothing is pending
	closed  bool
	writing sync.Mutex
}

// How long a change waits for others, and how many there may be at most.
const (
	saveDelay  = time.Second
	maxPending = 10_000
)

// openCache opens a table for Update. It is created when there is none.
func openCache(name string, flags table.Flags) (table.Table, error) {
	path := name + Suffix
	source, err := openWritable(path)
	if errors.Is(err, os.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, err
		}
		source, err = openWritable(path)
	}
	if err != nil {
		return nil, table.NotOpened(path, err)
	}
	db, err := newDatabase(source, flags)
	if err != nil {
		return nil, err
	}
	return &cache{database: db, suffix: suffix(flags), pending: make(map[string]operation)}, nil
}

// create makes a table without entries. Only its owner may read it: a cache has
// the addresses of people.
func create(path string) error {
	b, err := newBuilder(path, 0)
	if err != nil {
		return err
	}
	defer b.Abort()
	if err := b.File().Chmod(0o600); err != nil {
		return err
	}
	return b.Commit()
}

// recent returns what is to be done with a key and not yet written.
func (c *cache) recent(key string) (operation, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	op, known := c.pending[key+c.suffix]
	return op, known
}

func (c *cache) Lookup(key string) (string, bool, error) {
	if op, known := c.recent(key); known {
		return cutNUL(op.value), !op.delete, nil
	}
	return c.database.Lookup(key)
}

func (c *cache) Update(key, value string) error {
	return c.do(key, operation{value: []byte(value + c.suffix)})
}

func (c *cache) Delete(key string) (bool, error) {
	_, found, err := c.Lookup(key)
	if err != nil || !found {
		return false, err
	}
	return true, c.do(key, operation{delete: true})
}

func (c *cache) do(key string, op operation) error {
	if err := checkKey(key + c.suffix); err != nil {
		return err
	}
	c.mu.Lock()
	c.pending[key+c.suffix] = op
	if c.writer == nil && !c.closed {
		c.writer = time.AfterFunc(saveDelay, c.writeLater)
	}
	full := len(c.pending) >= maxPending
	c.mu.Unlock()
	if full {
		return c.write()
	}
	return nil
}

// All lists the entries. They may be changed and deleted while it goes on.
func (c *cache) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		if c.err = c.write(); c.err != nil {
			return
		}
		for key, value := range c.database.All() {
			if op, known := c.recent(key); known {
				if op.delete {
					continue
				}
				value = cutNUL(op.value)
			}
			if !yield(key, value) {
				return
			}
		}
	}
}

// Close writes what is not yet written.
func (c *cache) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	return errors.Join(c.write(), c.database.Close())
}

func (c *cache) writeLater() {
	if err := c.write(); err != nil {
		msg.Warn("%s is not saved: %v", c.source.Name(), err)
	}
}

// write writes what is pending. What changes while it does so stays pending, and
// after a failure everything does.
func (c *cache) write() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	todo := maps.Clone(c.pending)
	if c.writer != nil {
		c.writer.Stop()
		c.writer = nil
	}
	c.mu.Unlock()
	if len(todo) == 0 {
		return nil
	}
	c.database.mu.Lock()
	err := change(c.source.File, func(t *transaction) error { return apply(t, slices.Sorted(maps.Keys(todo)), todo) })
	c.database.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, op := range todo {
		if now := c.pending[key]; err == nil && now.delete == op.delete && slices.Equal(now.value, op.value) {
			delete(c.pending, key)
		}
	}
	if len(c.pending) > 0 && c.writer == nil && !c.closed {
		c.writer = time.AfterFunc(saveDelay, c.writeLater)
	}
	return err
}
