// Package table looks up values by key in tables that are named "type:name":
// databases, text files, patterns, the password file, and tables that are made
// of other tables. Package all imports every type; a program that needs few
// types imports those.
//
// A table can be used by several goroutines at the same time.
package table

import (
	"errors"
	"fmt"
	"iter"
)

// A Table finds values by key. That there is no such key is an answer, not an
// error.
type Table interface {
	Lookup(key string) (value string, found bool, err error)
}

// An Updater is a table that can be changed, one entry at a time. Open gives one
// only with the flag Writable.
type Updater interface {
	Table
	Update(key, value string) error
	Delete(key string) (found bool, err error)
}

// A Sequencer is a table that can list its entries. Err is the reason why the
// last list ended early, or nil.
type Sequencer interface {
	Table
	All() iter.Seq2[string, string]
	Err() error
}

// A Pattern is a table whose keys may be patterns. Callers that look for a part
// of an address or name when there is no entry for the whole do not do so here.
type Pattern interface {
	Pattern() bool
}

// Flags change how a table is opened and what it may answer.
type Flags uint

// The flags.
const (
	// FoldKey makes letter case unimportant in tables with fixed keys. The
	// source of such a table must be folded too, which postmap(1) does.
	FoldKey Flags = 1 << iota
	// FoldPattern makes letter case unimportant in tables with patterns.
	FoldPattern
	// NoSubstitute forbids $1 in the values of patterns: data from a stranger
	// must not decide on security.
	NoSubstitute
	// NoProxy forbids tables that another process looks up.
	NoProxy
	// NoUnauth forbids tables that answer without proof of who they are.
	NoUnauth
	// SourceIsFile says that the source names files, and that the values are
	// their contents.
	SourceIsFile
	// Writable asks for an Updater. A table that does not exist is created.
	Writable
	// UTF8 allows only text in UTF-8: no other key is found, and no other value
	// is used.
	UTF8
	// WithNUL and WithoutNUL say whether keys and values in the file end with
	// NUL. Without either, both are tried.
	WithNUL
	WithoutNUL
	// ASCII makes FoldKey and FoldPattern leave letters outside of ASCII alone.
	ASCII
)

// An Error says which table failed, and whether asking again later may help.
type Error struct {
	Table     string // "type:name"
	Key       string // what was looked for; empty when the table as a whole is bad
	Temporary bool   // the other kind is a mistake in configuration
	Err       error
}

func (e *Error) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("table %s: %v", e.Table, e.Err)
	}
	return fmt.Sprintf("table %s: lookup error for %.100q: %v", e.Table, e.Key, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Mistake marks an error of a table as one that only a change of configuration
// ends.
func Mistake(format string, args ...any) error { return mistake{fmt.Errorf(format, args...)} }

// IsMistake says whether an error is marked so.
func IsMistake(err error) bool {
	var m mistake
	return errors.As(err, &m)
}

type mistake struct{ error }

func (m mistake) Unwrap() error { return m.error }

// failed puts the name of the table and the key into an error.
func failed(name, key string, err error) error {
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	var m mistake
	return &Error{Table: name, Key: key, Temporary: !errors.As(err, &m), Err: err}
}

// IsPattern says whether the keys of a table may be patterns.
func IsPattern(t Table) bool {
	p, ok := t.(Pattern)
	return ok && p.Pattern()
}
