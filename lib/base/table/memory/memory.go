// Package memory has the table type "internal": a table in the memory of a
// process, which is empty at first and gone with the process. Its name is for
// messages only.
package memory

import (
	"iter"
	"maps"
	"slices"
	"sync"

	"postrider/lib/base/table"
)

func init() {
	table.Register("internal", func(string, table.Flags) (table.Table, error) {
		return &memory{values: make(map[string]string)}, nil
	})
}

type memory struct {
	mu     sync.Mutex
	values map[string]string
}

func (m *memory) Lookup(key string) (string, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, found := m.values[key]
	return value, found, nil
}

func (m *memory) Update(key, value string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[key] = value
	return nil
}

func (m *memory) Delete(key string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, found := m.values[key]
	delete(m.values, key)
	return found, nil
}

// All lists the entries that are there when it begins; they may be deleted while
// it goes on.
func (m *memory) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		m.mu.Lock()
		keys := slices.Sorted(maps.Keys(m.values))
		m.mu.Unlock()
		for _, key := range keys {
			if value, found, _ := m.Lookup(key); found && !yield(key, value) {
				return
			}
		}
	}
}

func (m *memory) Err() error { return nil }
