// Package rules is what tables of rules have in common: a key is compared with
// one rule after the other, and the first that matches gives the value.
//
//	pattern value
//	!pattern value      for keys that the pattern does not match
//	if pattern          the rules up to endif are for keys that match only
//	endif
package rules

import (
	"errors"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
)

// A Pattern is the condition of a rule.
type Pattern interface {
	// Match says whether key is what the rule is about. Applies is false for a
	// key that the rule has nothing to do with, not even when it is negated.
	Match(key string) (matches, applies bool, err error)
}

// GaveUp is the error of a pattern that cannot say whether it matches a key, but
// is good otherwise. The rule then does not apply.
type GaveUp struct{ Reason string }

func (g GaveUp) Error() string { return g.Reason }

// A Value makes the value of a rule that matches key.
type Value interface {
	Value(key string) (string, error)
}

// Text is a Value that is always the same.
type Text string

// Value returns the text.
func (t Text) Value(string) (string, error) { return string(t), nil }

type rule struct {
	line    int
	not     bool
	pattern Pattern
	value   Value // nil for "if"
	after   int   // of "if": the rule that comes after its endif
}

// A List is a table of rules.
type List struct {
	kind, name string
	rules      []rule
	open       []int // the "if" rules that have no endif yet
	source     *table.Source
}

// NewList begins a list; kind and name are those of the table, for warnings.
func NewList(kind, name string) *List { return &List{kind: kind, name: name} }

// Warn logs what is wrong with a line.
func (l *List) Warn(line int, format string, args ...any) {
	msg.Warn("%s map %s, line %d: "+format, append([]any{l.kind, l.name, line}, args...)...)
}

// Add appends a rule.
func (l *List) Add(line int, not bool, pattern Pattern, value Value) {
	l.rules = append(l.rules, rule{line: line, not: not, pattern: pattern, value: value})
}

// If begins a block.
func (l *List) If(line int, not bool, pattern Pattern) {
	l.open = append(l.open, len(l.rules))
	l.rules = append(l.rules, rule{line: line, not: not, pattern: pattern})
}

// EndIf ends the block that began last. It returns false when there is none.
func (l *List) EndIf() bool {
	n := len(l.open) - 1
	if n < 0 {
		return false
	}
	l.rules[l.open[n]].after = len(l.rules)
	l.open = l.open[:n]
	return true
}

// Finish ends the list. A block without endif goes on to the end.
func (l *List) Finish(source *table.Source) {
	for _, i := range l.open {
		l.Warn(l.rules[i].line, "IF has no matching ENDIF")
		l.rules[i].after = len(l.rules)
	}
	l.open, l.source = nil, source
}

// Pattern says that the keys are patterns.
func (l *List) Pattern() bool { return true }

// Source returns the file.
func (l *List) Source() *table.Source { return l.source }

// Close closes the file.
func (l *List) Close() error { return l.source.Close() }

// Lookup returns the value of the first rule that matches.
func (l *List) Lookup(key string) (string, bool, error) {
	for i := 0; i < len(l.rules); i++ {
		r := &l.rules[i]
		matches, applies, err := r.pattern.Match(key)
		if err != nil {
			l.Warn(r.line, "%v", err)
			if !errors.As(err, new(GaveUp)) {
				return "", false, err
			}
			applies = false
		}
		switch yes := applies && matches != r.not; {
		case r.value == nil && !yes:
			i = r.after - 1
		case r.value != nil && yes:
			value, err := r.value.Value(key)
			return value, err == nil, err
		}
	}
	return "", false, nil
}
