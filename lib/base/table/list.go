package table

import (
	"io"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
)

// A List is the value of a parameter that names several tables.
type List struct {
	tables []member
}

type member struct {
	Table
	name string
}

// OpenList opens the tables of a list, "type:name, type:name". A table that
// cannot be opened does not make this fail but each lookup that comes to it; see
// OpenLater.
func OpenList(list string, flags Flags) (*List, error) {
	l := &List{}
	for _, spec := range text.SplitBraces(list) {
		t, err := OpenLater(spec, flags)
		if err != nil {
			return nil, err
		}
		l.tables = append(l.tables, member{t, spec})
	}
	return l, nil
}

// Empty says whether no table is in the list.
func (l *List) Empty() bool { return l == nil || len(l.tables) == 0 }

// Close ends the use of the tables.
func (l *List) Close() {
	for _, t := range l.tables {
		if c, ok := t.Table.(io.Closer); ok {
			c.Close()
		}
	}
	l.tables = nil
}

// Lookup asks one table after the other; the first that knows the key answers.
// The search ends with an error when a table fails: what comes later in the list
// must not answer instead of it.
func (l *List) Lookup(key string) (value string, found bool, err error) { return l.find(key, false) }

// LookupPart is Lookup for a key that is only a part of what is looked for, such
// as a domain: tables with patterns are not asked.
func (l *List) LookupPart(key string) (value string, found bool, err error) { return l.find(key, true) }

func (l *List) find(key string, part bool) (string, bool, error) {
	if l == nil || key == "" {
		return "", false, nil
	}
	for _, t := range l.tables {
		if part && IsPattern(t.Table) {
			continue
		}
		value, found, err := t.Lookup(key)
		switch {
		case err != nil:
			msg.Warn("%s lookup error for %.100q", t.name, key)
			return "", false, err
		case found && value == "":
			msg.Warn("%s lookup of %s returns an empty string result", t.name, key)
			msg.Warn("%s should return NO RESULT in case of NOT FOUND", t.name)
			return "", false, nil
		case found:
			return value, true, nil
		}
	}
	return "", false, nil
}
