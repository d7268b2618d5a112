package param

import (
	"sort"
)

// A Kind is the type of a parameter.
type Kind byte

// The types that parameters have. Text is also the type of a parameter that no
// program declares.
const (
	Text Kind = iota
	RawText
	Int
	Long
	Bool
	Time
)

// A Builtin is what is known about a parameter without reading main.cf. The
// list is made from the structs of all programs.
type Builtin struct {
	Name    string
	Default string // an expression; of computed defaults, empty
	Min     string
	Max     string
	Old     string // names of the past
	Users   string // the programs that declare it
	Unread  bool   // no program acts upon it
	Kind    Kind
}

// Lookup returns what is known about a parameter; nil when there is none of
// that name.
func Lookup(name string) *Builtin {
	i := sort.Search(len(builtins), func(i int) bool { return builtins[i].Name >= name })
	if i < len(builtins) && builtins[i].Name == name {
		return &builtins[i]
	}
	return nil
}

// Builtins returns all parameters of the suite, sorted by name. The slice must
// not be changed.
func Builtins() []Builtin { return builtins[:] }
