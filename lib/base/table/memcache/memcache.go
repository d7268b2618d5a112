// Package memcache has the table type "memcache": a memcached server, perhaps with
// a table behind it that lasts; see memcache_table(5). The name of the table is
// that of a file with parameters, or the begin of their names in main.cf.
package memcache

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/base/table"
	"postrider/lib/base/table/remote"
)

func init() { table.Register("memcache", open) }

type client struct {
	*settings
	server remote.Server
	source *table.Source
	backup table.Table // nil when there is none
}

func open(name string, flags table.Flags) (table.Table, error) {
	if flags&table.NoUnauth != 0 {
		return nil, table.Mistake("memcache:%s map is not allowed for security-sensitive data", name)
	}
	s, source, err := readSettings(name)
	if err != nil {
		return nil, err
	}
	c := &client{settings: s, source: source, server: remote.Server{
		Endpoint: s.endpoint, Timeout: s.timeout, Tries: s.maxTry, Pause: s.retryPause,
	}}
	if s.backup != "" {
		if c.backup, err = table.Open(s.backup, flags); err != nil {
			source.Close()
			return nil, fmt.Errorf("memcache:%s: backup: %w", name, err)
		}
	}
	if flags&table.Writable == 0 {
		return c, nil
	}
	if c.backup == nil {
		return changing{c}, nil
	}
	if _, ok := c.backup.(table.Updater); !ok {
		c.Close()
		return nil, table.Mistake("memcache:%s: the backup %s cannot be changed", name, s.backup)
	}
	if all, ok := c.backup.(table.Sequencer); ok {
		return listing{changing{c}, all}, nil
	}
	return changing{c}, nil
}

func (c *client) Source() *table.Source { return c.source }

func (c *client) Close() error {
	err := c.server.Close()
	if b, ok := c.backup.(io.Closer); ok {
		err = errors.Join(err, b.Close())
	}
	return errors.Join(err, c.source.Close())
}

// Lookup asks the server, and then the backup. What only the backup has is
// brought to the server. A server in trouble does not matter when there is a
// backup.
func (c *client) Lookup(key string) (value string, found bool, err error) {
	name, ok, err := c.key(key)
	if err != nil {
		return "", false, err
	}
	if !ok && c.backup == nil {
		return "", false, nil
	}
	if ok {
		value, found, err = c.get(name)
		if err == nil && found || c.backup == nil {
			return value, found, err
		}
		if err != nil {
			msg.Warn("%s: %v; using the backup", c.table, err)
		}
	}
	trouble := err != nil
	value, found, err = c.backup.Lookup(key)
	if err == nil && found && ok && !trouble {
		if err := c.set(name, value); err != nil {
			msg.Warn("%s: %v", c.table, err)
		}
	}
	return value, found, err
}

// get asks the server.
func (c *client) get(name string) (value string, found bool, err error) {
	err = c.server.Do(func(s *stream.Stream) error {
		value, found, err = c.exchangeGet(s, name)
		return err
	})
	return value, found, err
}

func (c *client) set(name, value string) error {
	if len(value) > c.dataLimit {
		return fmt.Errorf("a value of %d bytes is larger than data_size_limit", len(value))
	}
	command := fmt.Sprintf("set %s %d %d %d\r\n%s\r\n", name, c.flags, c.ttl, len(value), value)
	reply, err := c.command(command)
	if err == nil && reply != "STORED" {
		err = fmt.Errorf("update failed: %.100q", reply)
	}
	return err
}

// changing is a client that writes.
type changing struct{ *client }

// Update writes to the backup, which is what counts, and to the server.
func (c changing) Update(key, value string) error {
	name, ok, err := c.key(key)
	if err != nil {
		return err
	}
	if !ok {
		msg.Warn("%s: skipping the update of %.100q: it has no key on the server", c.table, key)
	}
	if c.backup == nil {
		if !ok {
			return nil
		}
		return c.set(name, value)
	}
	if err := c.backup.(table.Updater).Update(key, value); err != nil || !ok {
		return err
	}
	if err := c.set(name, value); err != nil {
		msg.Warn("%s: %v", c.table, err)
	}
	return nil
}

// Delete removes an entry from both.
func (c changing) Delete(key string) (found bool, err error) {
	name, ok, err := c.key(key)
	if err != nil {
		return false, err
	}
	if ok {
		var reply string
		reply, err = c.command("delete " + name + "\r\n")
		if err == nil && reply != "DELETED" && reply != "NOT_FOUND" {
			err = fmt.Errorf("delete failed: %.100q", reply)
		}
		found = reply == "DELETED"
	}
	if c.backup == nil {
		return found, err
	}
	if err != nil {
		msg.Warn("%s: %v", c.table, err)
	}
	return c.backup.(table.Updater).Delete(key)
}

// listing is a client that can list its entries: those of the backup.
type listing struct {
	changing
	all table.Sequencer
}

func (l listing) All() iter.Seq2[string, string] { return l.all.All() }
func (l listing) Err() error                     { return l.all.Err() }
