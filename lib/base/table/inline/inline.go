// Package inline has the table type "inline": the entries are in the name of the
// table, inline:{key=value, {key = text with, separators}}.
package inline

import (
	"iter"
	"slices"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/base/text"
)

func init() { table.Register("inline", open) }

type entries struct {
	values map[string]string
	keys   []string // in the order in which they were written
}

func open(name string, flags table.Flags) (table.Table, error) {
	inside, ok := text.Unbrace(name)
	if !ok {
		return nil, table.Mistake(`bad syntax: "inline:%s"; need "inline:{name=value...}"`, name)
	}
	e := &entries{values: make(map[string]string)}
	form := "name=value..."
	if flags&table.SourceIsFile != 0 {
		form = "name=filename..."
	}
	for _, item := range text.SplitBraces(inside) {
		if err := e.add(item, flags); err != nil {
			return nil, table.Mistake(`%w: "inline:%s"; need "inline:{%s}"`, err, name, form)
		}
	}
	if len(e.keys) == 0 {
		return nil, table.Mistake(`empty list: "inline:%s"; need "inline:{%s}"`, name, form)
	}
	return e, nil
}

func (e *entries) add(item string, flags table.Flags) error {
	if item[0] == '{' {
		inside, ok := text.Unbrace(item)
		if !ok {
			return table.Mistake("missing or misplaced '}' in %q", item)
		}
		item = inside
	}
	key, value, ok := text.NameValue(item)
	switch {
	case !ok && !strings.Contains(item, "="):
		return table.Mistake("missing '=' after attribute name")
	case !ok:
		return table.Mistake("missing attribute name")
	}
	if flags&table.FoldKey != 0 {
		key = text.Fold(key)
	}
	if flags&table.SourceIsFile != 0 {
		data, err := table.Files(value)
		if err != nil {
			return table.Mistake("%s", msg.Text("%v", err))
		}
		value = data
	}
	if _, known := e.values[key]; !known {
		e.keys = append(e.keys, key)
	}
	e.values[key] = value
	return nil
}

func (e *entries) Lookup(key string) (string, bool, error) {
	value, found := e.values[key]
	return value, found, nil
}

func (e *entries) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, key := range slices.Clone(e.keys) {
			if !yield(key, e.values[key]) {
				return
			}
		}
	}
}

func (e *entries) Err() error { return nil }
