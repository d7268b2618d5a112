package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/service/verify"
)

// inProgress is the reason while nothing is known.
const inProgress = "Address verification in progress"

// probeLife is how long a probe may be on its way before it is taken for lost.
const probeLife = 1000 * time.Second

// An entry is what is known about one address.
type entry struct {
	status  verify.RecipientStatus
	probed  int64 // start of the probe that is on its way, or 0
	updated int64 // time of the result, or 0
	text    string
}

func (e entry) String() string {
	return fmt.Sprintf("%d:%d:%d:%s", e.status, e.probed, e.updated, e.text)
}

// parseEntry reads status:probed:updated:text.
func parseEntry(value string) (e entry, ok bool) {
	f := strings.SplitN(value, ":", 4)
	if len(f) != 4 {
		return e, false
	}
	status, err1 := strconv.ParseUint(f[0], 10, 31)
	probed, err2 := strconv.ParseInt(f[1], 10, 64)
	updated, err3 := strconv.ParseInt(f[2], 10, 64)
	e = entry{verify.RecipientStatus(status), probed, updated, f[3]}
	return e, err1 == nil && err2 == nil && err3 == nil && e.status <= verify.InProgress && e.probed >= 0 && e.updated >= 0
}

// ages are how long results last.
type ages struct{ positiveExpire, positiveRefresh, negativeExpire, negativeRefresh time.Duration }

// A cache is what verify knows. One goroutine at a time uses it.
type cache struct {
	mu       sync.Mutex
	table    table.Updater
	ages     ages
	negative bool // address_verify_negative_cache
	now      func() time.Time
	probe    func(address string) error
	closed   bool
}

// openCache opens address_verify_map.
func openCache() *cache {
	spec := conf.Map
	if spec == "" {
		spec = "internal:verify"
	}
	return &cache{table: conf.OpenCache("address_verify_map", spec), negative: conf.AddressVerifyNegativeCache, now: time.Now, probe: sendProbe,
		ages: ages{conf.PositiveExpireTime, conf.PositiveRefreshTime, conf.NegativeExpireTime, conf.NegativeRefreshTime}}
}

// key is how the table knows an address: colons are for those who write
// "type:name" texts of it.
func key(address string) string { return strings.ReplaceAll(address, ":", "_") }

// age says how long ago a time of an entry was.
func (c *cache) age(at int64) time.Duration { return c.now().Sub(time.Unix(at, 0)) }

// probing says whether a probe may still bring a result.
func (c *cache) probing(e entry) bool { return e.probed > 0 && c.age(e.probed) <= probeLife }

// expired says whether an entry is to be forgotten. A probe that is on its way
// keeps it.
func (c *cache) expired(e entry) bool {
	limit := c.ages.negativeExpire
	if e.status == verify.Deliverable {
		limit = c.ages.positiveExpire
	}
	return !c.probing(e) && c.age(e.updated) > limit
}

// stale says whether the next question starts a probe.
func (c *cache) stale(e entry) bool {
	limit := c.ages.negativeRefresh
	if e.status == verify.Deliverable {
		limit = c.ages.positiveRefresh
	}
	return !c.probing(e) && c.age(e.updated) > limit
}

// query answers what is known about an address, and starts a probe when that is
// nothing, or old.
func (c *cache) query(address string) (entry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, found, err := c.table.Lookup(key(address))
	if err != nil {
		return entry{}, err
	}
	e, ok := parseEntry(value)
	if found && !ok {
		msg.Warn("%s: entry %.100q makes no sense, and is ignored", key(address), value)
	}
	if !found || !ok || c.expired(e) {
		if found && !c.negative {
			c.delete(address)
		}
		e = entry{status: verify.InProgress, text: inProgress}
	}
	if c.stale(e) {
		c.start(address, e)
	}
	return e, nil
}

// start sends a probe and notes that it is on its way. Without negative cache an
// address of which nothing good is known leaves no trace.
func (c *cache) start(address string, e entry) {
	if c.negative || e.updated != 0 {
		e.probed = c.now().Unix()
		c.store(address, e)
	}
	go func() {
		if err := c.probe(address); err != nil {
			msg.Warn("no probe for %s: %v", address, err)
			c.forget(address, e)
		}
	}()
}

// forget takes back the mark of a probe that could not be sent.
func (c *cache) forget(address string, sent entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, found, err := c.table.Lookup(key(address))
	if err != nil || !found || value != sent.String() {
		return
	}
	if sent.probed = 0; sent.updated == 0 {
		c.delete(address)
		return
	}
	c.store(address, sent)
}

// update takes the result of a probe. A bad one does not replace a good one: that
// expires when no probe succeeds for long enough.
func (c *cache) update(address string, status verify.RecipientStatus, text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if status != verify.Deliverable {
		value, _, err := c.table.Lookup(key(address))
		if err != nil {
			return err
		}
		if old, ok := parseEntry(value); ok && old.status == verify.Deliverable {
			return nil
		}
	}
	c.store(address, entry{status: status, updated: c.now().Unix(), text: text})
	return nil
}

func (c *cache) store(address string, e entry) {
	if err := c.table.Update(key(address), e.String()); err != nil {
		msg.Warn("%s is not stored: %v", address, err)
	}
}

func (c *cache) delete(address string) {
	if _, err := c.table.Delete(key(address)); err != nil {
		msg.Warn("%s is not removed: %v", address, err)
	}
}

// close writes what is not yet on disk.
func (c *cache) close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if closer, ok := c.table.(io.Closer); ok && !c.closed {
		if err := closer.Close(); err != nil {
			msg.Warn("cache is not saved: %v", err)
		}
	}
	c.closed = true
}
