package ere

import (
	"fmt"
	"strings"
)

// A node is a part of a pattern.
type node struct {
	op     op
	subs   []*node
	set    set
	number int // of a group
	low    int // of a repetition
	high   int // -1: without limit
}

type op int

const (
	opSet op = iota
	opConcat
	opAlternate
	opRepeat
	opGroup
	opReference
	opBegin
	opEnd
	opTextBegin
	opTextEnd
	opBoundary
	opNoBoundary
	opWordBegin
	opWordEnd
)

// A translator writes a tree in the syntax of package regexp.
type translator struct {
	o          Options
	b          strings.Builder
	impossible bool
}

func (t *translator) text() string {
	if t.o.FoldCase {
		return "(?i)" + t.b.String()
	}
	return t.b.String()
}

func (t *translator) node(n *node) {
	switch n.op {
	case opSet:
		t.set(n.set)
	case opConcat:
		t.concat(n)
	case opAlternate:
		t.b.WriteString("(?:")
		for i, sub := range n.subs {
			if i > 0 {
				t.b.WriteByte('|')
			}
			t.node(sub)
		}
		t.b.WriteByte(')')
	case opGroup:
		t.b.WriteByte('(')
		t.node(n.subs[0])
		t.b.WriteByte(')')
	case opRepeat:
		t.repeat(n)
	case opWordBegin, opWordEnd: // alone; in a sequence concat knows better
		t.impossible = true
	default:
		t.b.WriteString(t.anchor(n.op))
	}
}

func (t *translator) anchor(o op) string {
	switch {
	case o == opBegin && t.o.Newline:
		return `(?m:^)`
	case o == opEnd && t.o.Newline:
		return `(?m:$)`
	case o == opBegin, o == opTextBegin:
		return `\A`
	case o == opEnd, o == opTextEnd:
		return `\z`
	case o == opBoundary:
		return `\b`
	case o == opNoBoundary:
		return `\B`
	}
	t.impossible = true
	return ""
}

// concat writes a sequence. The begin of a word is a word boundary when a word
// character follows, and the end of one when a word character is before it.
func (t *translator) concat(n *node) {
	for i, sub := range n.subs {
		switch {
		case sub.op == opWordBegin && i+1 < len(n.subs) && wordAt(n.subs[i+1], first):
			t.b.WriteString(`\b`)
		case sub.op == opWordEnd && i > 0 && wordAt(n.subs[i-1], last):
			t.b.WriteString(`\b`)
		default:
			t.node(sub)
		}
	}
}

type side bool

const (
	first side = false
	last  side = true
)

// wordAt says whether what n matches surely has a word character at one side.
func wordAt(n *node, s side) bool {
	switch n.op {
	case opSet:
		return n.set.within(wordSet())
	case opGroup:
		return wordAt(n.subs[0], s)
	case opRepeat:
		return n.low > 0 && wordAt(n.subs[0], s)
	case opConcat:
		if len(n.subs) == 0 {
			return false
		}
		if s == last {
			return wordAt(n.subs[len(n.subs)-1], s)
		}
		return wordAt(n.subs[0], s)
	case opAlternate:
		for _, sub := range n.subs {
			if !wordAt(sub, s) {
				return false
			}
		}
		return true
	}
	return false
}

func (t *translator) repeat(n *node) {
	t.b.WriteString("(?:")
	t.node(n.subs[0])
	t.b.WriteByte(')')
	switch {
	case n.low == 0 && n.high < 0:
		t.b.WriteByte('*')
	case n.low == 1 && n.high < 0:
		t.b.WriteByte('+')
	case n.low == 0 && n.high == 1:
		t.b.WriteByte('?')
	case n.high < 0:
		fmt.Fprintf(&t.b, "{%d,}", n.low)
	default:
		fmt.Fprintf(&t.b, "{%d,%d}", n.low, n.high)
	}
}

// set writes a set of bytes. Sets have both cases already where case does not
// matter, so only ASCII letters may be written in a way that folds.
func (t *translator) set(s set) {
	if s == fullSet() {
		t.b.WriteString("(?s:.)")
		return
	}
	if c, ok := t.single(s); ok {
		t.b.WriteString(quote(c))
		return
	}
	t.b.WriteString("(?-i:[")
	empty := true
	for c := 0; c < 256; c++ {
		if !s.has(byte(c)) {
			continue
		}
		empty = false
		end := c
		for end < 255 && s.has(byte(end+1)) {
			end++
		}
		fmt.Fprintf(&t.b, `\x{%x}-\x{%x}`, c, end)
		c = end
	}
	if empty { // nothing matches
		t.b.WriteString(`^\x00-\x{10FFFF}`)
	}
	t.b.WriteString("])")
}

// single returns the character of a set that has only one, or one letter in both
// cases when case does not matter.
func (t *translator) single(s set) (c byte, ok bool) {
	for i := range 128 {
		c = byte(i)
		if !s.has(c) {
			continue
		}
		var one set
		one.add(c)
		if t.o.FoldCase {
			one.fold()
		}
		return c, s == one
	}
	return 0, false
}

func quote(c byte) string {
	if c < ' ' || c == 0x7f {
		return fmt.Sprintf(`\x{%x}`, c)
	}
	if strings.IndexByte(`\.+*?()|[]{}^$`, c) >= 0 {
		return `\` + string(c)
	}
	return string(c)
}
