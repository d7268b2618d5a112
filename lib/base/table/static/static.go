// Package static has the table type "static": every key has the value that is
// the name of the table. static:{text} may contain white space.
package static

import (
	"postrider/lib/base/table"
	"postrider/lib/base/text"
)

func init() { table.Register("static", open) }

type value string

func (v value) Lookup(string) (string, bool, error) { return string(v), true, nil }

func open(name string, flags table.Flags) (table.Table, error) {
	if len(name) > 0 && name[0] == '{' {
		inside, ok := text.Unbrace(name)
		if !ok {
			return nil, table.Mistake("bad static:{text} syntax: %s", name)
		}
		name = inside
	}
	if flags&table.SourceIsFile != 0 {
		data, err := table.Files(name)
		if err != nil {
			return nil, table.Mistake("open static:%s: %w", name, err)
		}
		name = data
	}
	return value(name), nil
}
