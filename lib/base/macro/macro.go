// Package macro expands $name expressions in the values of parameters, in
// commands and in templates.
//
//	$name ${name} $(name)    the value of name, empty when there is none
//	$$                       one $
//	${name?text}             text when the value is not empty
//	${name:text}             text when the value is empty
//	${name?{a}:{b}}          a or b
//	${{l} op {r} ? {a} : {b}} a or b, by comparison of l with r
//	${function{text}}        what the caller's function makes of text
//
// Comparisons are == != < <= >= >, by number when both sides are digits. Those
// of compatibility levels are <level <=level ==level !=level >=level >level.
package macro

import (
	"errors"
	"fmt"
	"strings"
)

// maxDepth limits how deep values may refer to values, and braces be nested.
const maxDepth = 100

// maxSteps limits the work for one text: values that refer to values several
// times can make it grow without bound.
const (
	maxSteps = 100_000
	maxSize  = 16 << 20
)

// An Expander expands text.
type Expander struct {
	// Lookup returns the value of a name, and whether there is such a name.
	// The value of an unknown name is empty.
	Lookup func(name string) (value string, known bool)

	// Nested says that values hold expressions themselves.
	Nested bool

	// Filter, when not empty, holds the characters that values may have; any
	// other becomes an underscore. The text outside of expressions is not
	// touched.
	Filter string

	// Call, when not nil, gives the value of ${function{text}}.
	Call func(function, text string) (string, error)

	// Unknown, when not nil, is told each name that Lookup does not know and
	// whose value was wanted (not only asked about with ? or :).
	Unknown func(name string)
}

// Expand returns text with all expressions replaced. An error says what is
// wrong with which expression.
func (e *Expander) Expand(text string) (string, error) {
	if strings.IndexByte(text, '$') < 0 {
		return text, nil
	}
	x := expansion{Expander: e}
	out, err := x.text(nil, text)
	return string(out), err
}

// Expand expands text, where values may hold expressions again.
func Expand(text string, lookup func(name string) (string, bool)) (string, error) {
	return (&Expander{Lookup: lookup, Nested: true}).Expand(text)
}

// An expansion is the state of one call of Expand.
type expansion struct {
	*Expander
	names  []string // whose values are being expanded, the outermost first
	depth  int
	steps  int  // references so far
	asking bool // only whether there is a value
}

// text appends the expanded text to out.
func (x *expansion) text(out []byte, text string) ([]byte, error) {
	if x.depth++; x.depth > maxDepth {
		return out, fmt.Errorf("expressions are nested more than %d deep: %.60q", maxDepth, text)
	}
	defer func() { x.depth-- }()
	for {
		dollar := strings.IndexByte(text, '$')
		if dollar < 0 {
			return append(out, text...), nil
		}
		out = append(out, text[:dollar]...)
		text = text[dollar+1:]
		if strings.HasPrefix(text, "$") {
			out, text = append(out, '$'), text[1:]
			continue
		}
		var err error
		if out, text, err = x.reference(out, text); err != nil {
			return out, err
		}
	}
}

// reference expands what follows a $, and returns the text after it.
func (x *expansion) reference(out []byte, text string) ([]byte, string, error) {
	if text == "" {
		return out, text, errors.New("a $ at the end of the text; write $$ for one $")
	}
	if text[0] != '{' && text[0] != '(' {
		n := nameLength(text)
		if n == 0 {
			return out, text, fmt.Errorf("no name after the $ in \"$%.20s\"; write $$ for one $", text)
		}
		out, err := x.value(out, text[:n])
		return out, text[n:], err
	}
	inner, rest, ok := Group(text)
	if !ok {
		return out, text, fmt.Errorf("truncated macro reference: \"$%.60s\"", text)
	}
	out, err := x.braced(out, inner)
	return out, rest, err
}

// value appends the value of a name.
func (x *expansion) value(out []byte, name string) ([]byte, error) {
	if x.steps++; x.steps > maxSteps || len(out) > maxSize {
		return out, fmt.Errorf("the value of %s grows without bound", name)
	}
	value, known := x.Lookup(name)
	if !known && !x.asking && x.Unknown != nil {
		x.Unknown(name)
	}
	mark := len(out)
	if !x.Nested || strings.IndexByte(value, '$') < 0 {
		out = append(out, value...)
	} else {
		for i, outer := range x.names {
			if outer == name {
				loop := strings.Join(x.names[i:], " -> ")
				return out, fmt.Errorf("the value of %s refers to itself: %s -> %s", name, loop, name)
			}
		}
		x.names = append(x.names, name)
		var err error
		if out, err = x.text(out, value); err != nil {
			return out, err
		}
		x.names = x.names[:len(x.names)-1]
	}
	if x.Filter != "" {
		x.filter(out[mark:])
	}
	return out, nil
}

// filter replaces characters that are not allowed.
func (x *expansion) filter(value []byte) {
	for i, c := range value {
		if strings.IndexByte(x.Filter, c) < 0 {
			value[i] = '_'
		}
	}
}

// empty reports whether a name has no value, or one that expands to nothing.
func (x *expansion) empty(name string) (bool, error) {
	before := x.asking
	x.asking = true
	out, err := x.value(nil, name)
	x.asking = before
	return len(out) == 0, err
}

// nameLength counts the characters of a name at the start of text.
func nameLength(text string) int {
	n := 0
	for n < len(text) && nameChar(text[n]) {
		n++
	}
	return n
}

func nameChar(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// Group returns the text between the brace or parenthesis that text starts with
// and its counterpart, and the text after that. Groups nest.
func Group(text string) (inner, rest string, ok bool) {
	if text == "" || text[0] != '{' && text[0] != '(' {
		return "", text, false
	}
	open, end := text[0], byte('}')
	if open == '(' {
		end = ')'
	}
	level := 0
	for i := range len(text) {
		switch text[i] {
		case open:
			level++
		case end:
			if level--; level == 0 {
				return text[1:i], text[i+1:], true
			}
		}
	}
	return "", text, false
}
