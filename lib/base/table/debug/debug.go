// Package debug has the table type "debug": debug:type:name is the table
// type:name, and each use of it is logged.
package debug

import (
	"io"
	"iter"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
)

func init() { table.Register("debug", open) }

type logged struct {
	table.Table
	name string
}

func open(name string, flags table.Flags) (table.Table, error) {
	inner, err := table.Open(name, flags)
	if err != nil {
		return nil, table.Mistake("debug:%s: %w", name, err)
	}
	l := logged{inner, name}
	if u, ok := inner.(table.Updater); ok {
		return changing{l, u}, nil
	}
	if s, ok := inner.(table.Sequencer); ok {
		return listing{l, s}, nil
	}
	return l, nil
}

// Pattern is as in the table that is meant.
func (l logged) Pattern() bool { return table.IsPattern(l.Table) }

// Source returns its file.
func (l logged) Source() *table.Source {
	if s, ok := l.Table.(table.Sourced); ok {
		return s.Source()
	}
	return nil
}

// Close ends the use of it.
func (l logged) Close() error {
	if c, ok := l.Table.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func (l logged) Lookup(key string) (string, bool, error) {
	value, found, err := l.Table.Lookup(key)
	msg.Info("%s lookup: \"%s\" = \"%s\"", l.name, key, outcome(value, found, err))
	return value, found, err
}

func outcome(value string, found bool, err error) string {
	switch {
	case err != nil:
		return "error: " + err.Error()
	case !found:
		return "not_found"
	}
	return value
}

// listing is a table with a list of entries.
type listing struct {
	logged
	inner table.Sequencer
}

func (l listing) All() iter.Seq2[string, string] { return l.list(l.inner) }
func (l listing) Err() error                     { return l.inner.Err() }

func (l logged) list(inner table.Sequencer) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for key, value := range inner.All() {
			msg.Info("%s sequence: \"%s\" = \"%s\"", l.name, key, value)
			if !yield(key, value) {
				return
			}
		}
		msg.Info("%s sequence: \"%s\"", l.name, outcome("done", true, inner.Err()))
	}
}

// changing is a table that can be changed.
type changing struct {
	logged
	inner table.Updater
}

func (c changing) Update(key, value string) error {
	err := c.inner.Update(key, value)
	msg.Info("%s update: \"%s\" = \"%s\": %s", c.name, key, value, outcome("success", true, err))
	return err
}

func (c changing) Delete(key string) (bool, error) {
	found, err := c.inner.Delete(key)
	msg.Info("%s delete: \"%s\": %s", c.name, key, outcome("success", found, err))
	return found, err
}

// All lists the entries, when the table can do that.
func (c changing) All() iter.Seq2[string, string] {
	if s, ok := c.Table.(table.Sequencer); ok {
		return c.list(s)
	}
	return func(func(string, string) bool) {}
}

func (c changing) Err() error {
	if s, ok := c.Table.(table.Sequencer); ok {
		return s.Err()
	}
	return table.Mistake("%s cannot be listed", c.name)
}
