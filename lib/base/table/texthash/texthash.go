// Package texthash has the table type "texthash": a text file in the form that
// postmap(1) reads, without the need to run it.
package texthash

import (
	"iter"
	"maps"
	"slices"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/base/text"
)

func init() { table.Register("texthash", open) }

type entries struct {
	values map[string]string
	source *table.Source
}

func open(name string, flags table.Flags) (table.Table, error) {
	e := &entries{values: make(map[string]string)}
	source, err := table.ReadLines(name, func(line text.Line) error {
		e.add(name, line, flags)
		return nil
	})
	if err != nil {
		return nil, table.NotOpened(name, err)
	}
	e.source = source
	return e, nil
}

// add adds the entry of one line. A bad line is skipped with a warning.
func (e *entries) add(name string, line text.Line, flags table.Flags) {
	if text.IsBlank(line.Text[0]) {
		msg.Warn("%s, line %d: logical line must not start with whitespace: %.30q", name, line.First, line.Text)
		return
	}
	key, value := table.Entry(line.Text)
	if value == "" {
		msg.Warn("%s, line %d: expected format: key whitespace value -- ignoring this line", name, line.First)
		return
	}
	if key[len(key)-1] == ':' {
		msg.Warn(`%s, line %d: record is in "key: value" format; is this an alias file?`, name, line.First)
	}
	if flags&table.SourceIsFile != 0 {
		data, err := table.Files(value)
		if err != nil {
			msg.Warn("%s, line %d: %v -- ignoring this line", name, line.First, err)
			return
		}
		value = data
	}
	if flags&table.FoldKey != 0 {
		key = text.Fold(key)
	}
	if _, known := e.values[key]; known {
		msg.Warn("%s, line %d: duplicate entry: %q", name, line.First, key)
		return
	}
	e.values[key] = value
}

func (e *entries) Source() *table.Source { return e.source }
func (e *entries) Close() error          { return e.source.Close() }

func (e *entries) Lookup(key string) (string, bool, error) {
	value, found := e.values[key]
	return value, found, nil
}

func (e *entries) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, key := range slices.Sorted(maps.Keys(e.values)) {
			if !yield(key, e.values[key]) {
				return
			}
		}
	}
}

func (e *entries) Err() error { return nil }
