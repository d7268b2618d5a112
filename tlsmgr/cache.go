package main

import (
	"sync"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/service/tlsmgr"
)

const (
	mostBytes   = 32 << 20 // that a cache may hold
	mostSession = 64 << 10 // bytes of one session; more is not kept
	mostID      = 1 << 10  // bytes of its name
)

// A saved session.
type saved struct {
	data []byte
	at   time.Time
}

func (s saved) size(id string) int { return len(s.data) + len(id) + 64 }

// A cache has the saved sessions of one type.
type cache struct {
	kind    string
	keeps   bool
	timeout time.Duration
	log     bool
	now     func() time.Time

	mu      sync.Mutex
	entries map[string]saved
	bytes   int
	cleaned time.Time
}

func newCache(kind string, p tlsmgr.Client, log bool) *cache {
	return &cache{kind: kind, keeps: p.Cache != "", timeout: p.Timeout, log: log, now: time.Now, entries: map[string]saved{}}
}

func (c *cache) info(format string, args ...any) {
	if c.log {
		msg.Info(format, args...)
	}
}

// expired tells whether a session may not be used any more.
func (c *cache) expired(s saved) bool { return c.now().Sub(s.at) > c.timeout }

// lookup finds a session; nil when there is none.
func (c *cache) lookup(id string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.info("lookup %s session id=%s", c.kind, id)
	s, ok := c.entries[id]
	if !ok {
		return nil
	}
	if c.expired(s) {
		c.remove(id)
		return nil
	}
	c.info("read %s TLS cache entry %s: time=%d [data %d bytes]", c.kind, id, s.at.Unix(), len(s.data))
	return s.data
}

// update saves a session, unless it is larger than any that makes sense.
func (c *cache) update(id string, data []byte) {
	if len(data) == 0 || len(data) > mostSession || len(id) > mostID {
		msg.Warn("%s session with a name of %d and data of %d bytes is not saved", c.kind, len(id), len(data))
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.info("put %s session id=%s [data %d bytes]", c.kind, id, len(data))
	c.remove(id)
	s := saved{data, c.now()}
	c.room(s.size(id))
	c.entries[id] = s
	c.bytes += s.size(id)
	c.info("write %s TLS cache entry %s: time=%d [data %d bytes]", c.kind, id, s.at.Unix(), len(s.data))
}

// delete forgets a session.
func (c *cache) delete(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.info("delete %s session id=%s", c.kind, id)
	c.remove(id)
}

func (c *cache) remove(id string) {
	if s, ok := c.entries[id]; ok {
		c.bytes -= s.size(id)
		delete(c.entries, id)
	}
}

// room makes place for some more bytes. What is too old goes from time to time;
// a cache that is full forgets others, whichever come first.
func (c *cache) room(more int) {
	if c.now().Sub(c.cleaned) > c.timeout || c.bytes+more > mostBytes {
		for id, s := range c.entries {
			if c.expired(s) {
				c.remove(id)
			}
		}
		c.cleaned = c.now()
	}
	for id := range c.entries {
		if c.bytes+more <= mostBytes {
			return
		}
		c.remove(id)
	}
}
