package main

import (
	"io"
	"strconv"
	"sync"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
)

// cleanedKey is the entry that says when the table was last searched to the end.
const cleanedKey = "_LAST_CACHE_CLEANUP_COMPLETED_"

// A cache keeps until when clients have passed which tests. Only the cleanup runs
// in a goroutine of its own.
type cache struct {
	mu     sync.Mutex
	table  table.Updater
	closed bool

	cleaning sync.WaitGroup
}

// openCache opens postscreen_cache_map; nil when there is none.
func openCache() *cache {
	if conf.CacheMap == "" {
		return nil
	}
	return &cache{table: conf.OpenCache("postscreen_cache_map", conf.CacheMap)}
}

// lookup returns what is known about an address.
func (c *cache) lookup(address string) (stamps, bool) {
	if c == nil {
		return stamps{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return stamps{}, false
	}
	value, found, err := c.table.Lookup(address)
	if err != nil {
		msg.Warn("%v", err)
		return stamps{}, false
	}
	s, ok := parseStamps(value)
	if found && !ok {
		msg.Warn("cache entry of %s makes no sense, and is ignored: %.100q", address, value)
	}
	return s, found && ok
}

// store keeps what is known about an address.
func (c *cache) store(address string, s stamps) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if err := c.table.Update(address, s.String()); err != nil {
		msg.Warn("%s is not stored: %v", address, err)
	}
}

// close writes what is not yet on disk. After that nothing is known any more.
func (c *cache) close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	again := c.closed
	c.closed = true
	c.mu.Unlock()
	c.cleaning.Wait()
	if closer, ok := c.table.(io.Closer); ok && !again {
		if err := closer.Close(); err != nil {
			msg.Warn("cache is not saved: %v", err)
		}
	}
}

func (c *cache) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// cleanForever searches the table each time that it is due. The time of the last
// search is in the table: it counts for the next process too.
func (c *cache) cleanForever() {
	list, ok := c.table.(table.Sequencer)
	if !ok {
		return
	}
	for {
		wait, ok := c.untilClean()
		if !ok {
			return
		}
		time.Sleep(wait)
		c.clean(list, time.Now())
	}
}

// untilClean is how long it takes until the next search. False: there is none.
func (c *cache) untilClean() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, false
	}
	value, _, _ := c.table.Lookup(cleanedKey)
	last, _ := strconv.ParseInt(value, 10, 64)
	interval := conf.CacheCleanupInterval
	return max(0, min(interval, interval-time.Since(time.Unix(last, 0)))), true
}

// clean removes entries that have expired for long enough, or make no sense. It
// ends early when the table is to be closed.
func (c *cache) clean(list table.Sequencer, now time.Time) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.cleaning.Add(1)
	c.mu.Unlock()
	defer c.cleaning.Done()
	kept, removed := 0, 0
	for key, value := range list.All() {
		if c.isClosed() {
			return
		}
		if key == cleanedKey {
			continue
		}
		s, ok := parseStamps(value)
		if ok && time.Unix(s.latest(), 0).Add(conf.CacheRetentionTime).After(now) {
			kept++
			continue
		}
		c.remove(key, value)
		removed++
	}
	if err := list.Err(); err != nil {
		msg.Warn("cache cleanup: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.table.Update(cleanedKey, strconv.FormatInt(now.Unix(), 10)); err != nil {
		msg.Warn("cache cleanup: %v", err)
	}
	msg.Info("cache %s full cleanup: retained=%d dropped=%d entries", nameOf(c.table), kept, removed)
}

// remove removes an entry, unless somebody has changed it since it was read.
func (c *cache) remove(key, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	current, found, err := c.table.Lookup(key)
	if err != nil || !found || current != value {
		return
	}
	if _, err := c.table.Delete(key); err != nil {
		msg.Warn("cache cleanup: %v", err)
	}
}

func nameOf(t table.Table) string {
	if named, ok := t.(interface{ Name() string }); ok {
		return named.Name()
	}
	return "postscreen_cache_map"
}
