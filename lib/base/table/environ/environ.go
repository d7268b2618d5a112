// Package environ has the table type "environ": the environment of the process.
package environ

import (
	"iter"
	"os"
	"strings"

	"postrider/lib/base/table"
)

func init() {
	table.Register("environ", func(string, table.Flags) (table.Table, error) { return variables{}, nil })
}

type variables struct{}

func (variables) Lookup(name string) (string, bool, error) {
	value, found := os.LookupEnv(name)
	return value, found, nil
}

func (variables) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, entry := range os.Environ() {
			if name, value, ok := strings.Cut(entry, "="); ok && !yield(name, value) {
				return
			}
		}
	}
}

func (variables) Err() error { return nil }
