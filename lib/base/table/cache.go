package table

import (
	"errors"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"postrider/lib/base/msg"
)

// A cache is a table that one process keeps up to date for all: it is in memory,
// and what changed is written to its file a moment later. A crash loses that
// moment, which is what a cache may do.
type cache struct {
	mu     sync.Mutex
	values map[string]string
	dirty  bool
	closed bool
	took   time.Duration // the last time that the file was written
	writer *time.Timer
	save   func() (Builder, error)
}

// saveDelay is how long a change waits at least for others to join it.
const saveDelay = time.Second

// OpenCache opens a table for Update. Its entries come from load, and save begins
// to write its file. A table that does not exist yet is created.
func OpenCache(load func() (Sequencer, error), save func() (Builder, error)) (Table, error) {
	c := &cache{values: make(map[string]string), save: save}
	old, err := load()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, c.write()
	case err != nil:
		return nil, err
	}
	for key, value := range old.All() {
		c.values[key] = value
	}
	err = old.Err()
	if closer, ok := old.(interface{ Close() error }); ok {
		closer.Close()
	}
	return c, err
}

func (c *cache) Lookup(key string) (string, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, found := c.values[key]
	return value, found, nil
}

func (c *cache) Update(key, value string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, found := c.values[key]; !found || old != value {
		c.values[key] = value
		c.changed()
	}
	return nil
}

func (c *cache) Delete(key string) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, found := c.values[key]
	if found {
		delete(c.values, key)
		c.changed()
	}
	return found, nil
}

// All lists the entries that are there when it begins; they may be deleted while
// it goes on.
func (c *cache) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		c.mu.Lock()
		keys := slices.Sorted(maps.Keys(c.values))
		c.mu.Unlock()
		for _, key := range keys {
			value, found, _ := c.Lookup(key)
			if found && !yield(key, value) {
				return
			}
		}
	}
}

func (c *cache) Err() error { return nil }

// Close writes what is not yet written.
func (c *cache) Close() error {
	c.mu.Lock()
	c.closed = true
	dirty := c.dirty
	if c.writer != nil {
		c.writer.Stop()
	}
	c.mu.Unlock()
	if dirty {
		return c.write()
	}
	return nil
}

// changed lets the file be written in a moment. A large table waits longer, so
// that writing takes no more than one part in twenty of the time.
func (c *cache) changed() {
	if !c.dirty && !c.closed {
		c.dirty = true
		c.writer = time.AfterFunc(max(saveDelay, 20*c.took), c.writeLater)
	}
}

func (c *cache) writeLater() {
	if err := c.write(); err != nil {
		msg.Warn("cache is not saved: %v", err)
	}
}

// write writes the file anew. After a failure the next change tries again.
func (c *cache) write() error {
	start := time.Now()
	c.mu.Lock()
	entries := maps.Clone(c.values)
	c.dirty = false
	c.mu.Unlock()
	b, err := c.save()
	if err != nil {
		return err
	}
	defer b.Abort()
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		if err := b.Add(key, entries[key]); err != nil {
			return err
		}
	}
	err = b.Commit()
	c.mu.Lock()
	c.took = time.Since(start)
	c.mu.Unlock()
	return err
}
