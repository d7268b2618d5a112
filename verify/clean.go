package main

import (
	"strconv"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
)

// cleanedKey is the entry that says when the table was last searched to the end.
const cleanedKey = "_LAST_CACHE_CLEANUP_COMPLETED_"

// cleanForever searches the table each time that it is due. The time of the last
// search is in the table: it counts for the next process too.
func (c *cache) cleanForever() {
	list, ok := c.table.(table.Sequencer)
	if !ok {
		return
	}
	for {
		time.Sleep(c.untilClean())
		c.clean(list)
	}
}

// untilClean is how long it takes until the next search.
func (c *cache) untilClean() time.Duration {
	value, _, _ := c.table.Lookup(cleanedKey)
	last, _ := strconv.ParseInt(value, 10, 64)
	return max(0, min(conf.CleanupInterval, conf.CleanupInterval-c.age(last)))
}

// clean removes entries that are too old or make no sense.
func (c *cache) clean(list table.Sequencer) {
	kept, removed := 0, 0
	for name, value := range list.All() {
		if name == cleanedKey {
			continue
		}
		if c.cleanOne(name, value) {
			removed++
		} else {
			kept++
		}
	}
	if err := list.Err(); err != nil {
		msg.Warn("cache cleanup: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.table.Update(cleanedKey, strconv.FormatInt(c.now().Unix(), 10)); err != nil {
		msg.Warn("cache cleanup: %v", err)
	}
	msg.Info("cache %s full cleanup: retained=%d dropped=%d entries", nameOf(c.table), kept, removed)
}

// cleanOne removes an entry if it is too old. Somebody may have changed it since
// it was read.
func (c *cache) cleanOne(name, value string) bool {
	if e, ok := parseEntry(value); ok && !c.expired(e) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now, found, err := c.table.Lookup(name)
	if err != nil || !found || now != value {
		return false
	}
	c.delete(name)
	return true
}

func nameOf(t table.Table) string {
	if named, ok := t.(interface{ Name() string }); ok {
		return named.Name()
	}
	return "address_verify_map"
}
