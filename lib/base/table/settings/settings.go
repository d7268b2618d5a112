// Package settings reads the parameters of table types that have a file of
// parameters instead of a file of entries: lines "name = value" in the file that
// the table is named after. A table whose name is no path has them in main.cf,
// as NAME_parameter.
package settings

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"postrider/lib/base/table"
	"postrider/lib/base/text"
)

// Settings are the parameters of one table. What is wrong with them is collected,
// and comes out of Finish.
type Settings struct {
	Table  string // "type:name"
	Main   bool   // they stand in main.cf
	Values map[string]string

	taken map[string]bool
	errs  error
}

// Read reads the parameters of the table kind:name. Source is nil when there is no
// file.
func Read(kind, name string) (*Settings, *table.Source, error) {
	s := &Settings{Table: kind + ":" + name, Values: make(map[string]string)}
	if !strings.ContainsAny(name, "/{") && !strings.HasPrefix(name, ".") {
		if name == "" {
			return nil, nil, table.Mistake("%s: need the name of a file, or of parameters in main.cf", s.Table)
		}
		s.Main = true
		if parameters := table.Surroundings().Parameters; parameters != nil {
			s.Values = parameters(name + "_")
		}
		return s, nil, nil
	}
	source, err := table.ReadLines(name, func(line text.Line) error {
		name, value, ok := text.NameValue(line.Text)
		if !ok {
			return table.Mistake("%s, line %d: need name = value", s.Table, line.First)
		}
		s.Values[name] = value
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return s, source, nil
}

// Text returns the value of a parameter, under its name or an old one.
func (s *Settings) Text(name, fallback string, old ...string) string {
	if s.taken == nil {
		s.taken = make(map[string]bool)
	}
	result, found := fallback, false
	for _, n := range append([]string{name}, old...) {
		s.taken[n] = true
		if value, set := s.Values[n]; set && !found {
			result, found = value, true
		}
	}
	return result
}

// Needed is Text for a parameter that must have a value.
func (s *Settings) Needed(name string) string {
	value := s.Text(name, "")
	if value == "" {
		s.Bad("need a value of %s", s.name(name))
	}
	return value
}

// Number returns the value of a parameter that is a number from least on.
func (s *Settings) Number(name string, fallback, least int) int {
	value := s.Text(name, strconv.Itoa(fallback))
	n, err := strconv.Atoi(value)
	if err != nil || n < least {
		s.Bad("bad value %q of %s: need a number from %d on", value, s.name(name), least)
		return fallback
	}
	return n
}

// Bool returns the value of a parameter that is yes or no.
func (s *Settings) Bool(name string, fallback bool) bool {
	switch value := s.Text(name, ""); strings.ToLower(value) {
	case "":
		return fallback
	case "yes":
		return true
	case "no":
		return false
	default:
		s.Bad("bad value %q of %s: need yes or no", value, s.name(name))
		return fallback
	}
}

// name is what the user calls a parameter.
func (s *Settings) name(name string) string {
	if s.Main {
		_, table, _ := strings.Cut(s.Table, ":")
		return table + "_" + name
	}
	return name
}

// Bad notes a mistake.
func (s *Settings) Bad(format string, args ...any) {
	s.errs = errors.Join(s.errs, table.Mistake(s.Table+": "+format, args...))
}

// Finish returns the mistakes, and the parameters of the file that nobody has
// taken.
func (s *Settings) Finish() (unknown []string, err error) {
	if !s.Main {
		for _, name := range slices.Sorted(maps.Keys(s.Values)) {
			if !s.taken[name] {
				unknown = append(unknown, name)
			}
		}
	}
	return unknown, s.errs
}
