package lmdb

import (
	"os"

	"postrider/lib/base/table"
)

// A changer changes a file in its place. It remembers what to do until Commit,
// which does it in one transaction: readers wait no longer than that takes.
type changer struct {
	*database
	path    string
	suffix  string
	order   []string
	pending map[string]operation // by the key as it is in the file
}

// An operation is what becomes of an entry.
type operation struct {
	value  []byte
	delete bool
	keep   bool // an entry that is there stays
}

// newChange opens name.lmdb, which must be there.
func newChange(name string, flags table.Flags) (table.Builder, error) {
	source, err := openWritable(name + Suffix)
	if err != nil {
		return nil, err
	}
	db, err := newDatabase(source, flags)
	if err != nil {
		return nil, err
	}
	return &changer{database: db, path: name + Suffix, suffix: suffix(flags), pending: make(map[string]operation)}, nil
}

// openWritable opens the file of a table for reading and writing.
func openWritable(path string) (*table.Source, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return table.NewSource(f)
}

func (c *changer) Path() string   { return c.path }
func (c *changer) File() *os.File { return c.source.File }

// stored says whether the table has a key, as far as it is known now.
func (c *changer) stored(key string) (found bool, err error) {
	if op, known := c.pending[key]; known {
		return !op.delete, nil
	}
	err = c.read(func(s *snapshot) error {
		_, found, err = s.find(key)
		return err
	})
	return found, err
}

func (c *changer) do(key string, op operation) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if _, known := c.pending[key]; !known {
		c.order = append(c.order, key)
	}
	c.pending[key] = op
	return nil
}

func (c *changer) Add(key, value string) error { return c.add(key, value, c.suffix) }

// AddPlain is Add for an entry that has no NUL whatever the others have.
func (c *changer) AddPlain(key, value string) error { return c.add(key, value, "") }

func (c *changer) add(key, value, suffix string) error {
	found, err := c.stored(key + suffix)
	if err != nil {
		return err
	}
	if found {
		return table.ErrDuplicate
	}
	_, deleted := c.pending[key+suffix]
	return c.do(key+suffix, operation{value: []byte(value + suffix), keep: !deleted})
}

func (c *changer) Replace(key, value string) error {
	return c.do(key+c.suffix, operation{value: []byte(value + c.suffix)})
}

// Delete removes an entry, in whichever form it is there.
func (c *changer) Delete(key string) (bool, error) {
	any := false
	for _, stored := range []string{key + "\x00", key} {
		found, err := c.stored(stored)
		if err != nil {
			return false, err
		}
		if found {
			any = true
			if err := c.do(stored, operation{delete: true}); err != nil {
				return false, err
			}
		}
	}
	return any, nil
}

// Abort forgets what was to do.
func (c *changer) Abort() { c.source.Close() }

// Commit does what there is to do.
func (c *changer) Commit() error {
	defer c.source.Close()
	return change(c.source.File, func(t *transaction) error { return apply(t, c.order, c.pending) })
}

func apply(t *transaction, order []string, pending map[string]operation) error {
	for _, key := range order {
		op := pending[key]
		if op.delete {
			if _, err := t.remove(key); err != nil {
				return err
			}
			continue
		}
		if op.keep {
			if _, found, err := t.descend(key); err != nil || found {
				if err != nil {
					return err
				}
				continue
			}
		}
		if err := t.put(key, op.value); err != nil {
			return err
		}
	}
	return nil
}
