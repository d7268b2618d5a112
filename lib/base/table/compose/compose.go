// Package compose has the table types that are made of other tables or values:
//
//	pipemap:{type:name, type:name}    the value of one table is the key of the next
//	unionmap:{type:name, type:name}   the values of all tables, with commas between
//	randmap:{value, value}            one of the values
package compose

import (
	"math/rand/v2"
	"strings"

	"postrider/lib/base/table"
	"postrider/lib/base/text"
)

func init() {
	table.Register("pipemap", func(name string, flags table.Flags) (table.Table, error) {
		tables, err := openAll("pipemap", name, flags)
		return pipe(tables), err
	})
	table.Register("unionmap", func(name string, flags table.Flags) (table.Table, error) {
		tables, err := openAll("unionmap", name, flags)
		return union(tables), err
	})
	table.Register("randmap", func(name string, flags table.Flags) (table.Table, error) {
		values, err := items("randmap", name, "value")
		return random(values), err
	})
}

// items returns what is between the braces.
func items(kind, name, what string) ([]string, error) {
	inside, ok := text.Unbrace(name)
	list := text.SplitBraces(inside)
	if !ok || len(list) == 0 {
		return nil, table.Mistake(`bad syntax: "%s:%s"; need "%s:{%s...}"`, kind, name, kind, what)
	}
	for i, item := range list {
		if item[0] != '{' {
			continue
		}
		if list[i], ok = text.Unbrace(item); !ok {
			return nil, table.Mistake(`bad syntax in "%s:%s": %q`, kind, name, item)
		}
	}
	return list, nil
}

type tables []table.Table

func openAll(kind, name string, flags table.Flags) (tables, error) {
	specs, err := items(kind, name, "type:name")
	if err != nil {
		return nil, err
	}
	var all tables
	for _, spec := range specs {
		t, err := table.OpenLater(spec, flags)
		if err != nil {
			return nil, table.Mistake("%s:%s: %w", kind, name, err)
		}
		all = append(all, t)
	}
	return all, nil
}

// Pattern says whether no table has fixed keys.
func (all tables) Pattern() bool {
	for _, t := range all {
		if !table.IsPattern(t) {
			return false
		}
	}
	return true
}

type pipe tables

func (p pipe) Pattern() bool { return tables(p).Pattern() }

func (p pipe) Lookup(key string) (string, bool, error) {
	for _, t := range p {
		value, found, err := t.Lookup(key)
		if err != nil || !found {
			return "", false, err
		}
		key = value
	}
	return key, true, nil
}

type union tables

func (u union) Pattern() bool { return tables(u).Pattern() }

func (u union) Lookup(key string) (string, bool, error) {
	var values []string
	for _, t := range u {
		value, found, err := t.Lookup(key)
		if err != nil {
			return "", false, err
		}
		if found {
			values = append(values, value)
		}
	}
	return strings.Join(values, ","), len(values) > 0, nil
}

type random []string

func (r random) Lookup(string) (string, bool, error) { return r[rand.IntN(len(r))], true, nil }
