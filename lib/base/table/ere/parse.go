package ere

import (
	"errors"
)

// The ways in which a pattern can be wrong. The texts are those of regcomp(3).
var (
	errParenthesis = errors.New(`Unmatched ( or \(`)
	errBracket     = errors.New(`Unmatched [, [^, [:, [., or [=`)
	errBrace       = errors.New(`Unmatched \{`)
	errInterval    = errors.New(`Invalid content of \{\}`)
	errNothing     = errors.New(`Invalid preceding regular expression`)
	errReference   = errors.New(`Invalid back reference`)
	errBackslash   = errors.New(`Trailing backslash`)
	errRange       = errors.New(`Invalid range end`)
	errClass       = errors.New(`Invalid character class name`)
	errCollation   = errors.New(`Invalid collation character`)
	errSize        = errors.New(`Regular expression too big`)
)

// maxRepeat is RE_DUP_MAX of POSIX systems.
const maxRepeat = 0x7fff

// maxDepth limits groups in groups: a pattern must not use up the stack.
const maxDepth = 500

type parser struct {
	s       string
	at      int
	o       Options
	depth   int
	groups  int
	closed  uint16 // which of the groups 1 to 9 have ended, by bit
	special bool   // the tree has a back-reference
}

// tokens, after the differences between basic and extended syntax are gone.
type token int

const (
	tEnd token = iota
	tChar
	tAny
	tBracket
	tStar
	tPlus
	tQuestion
	tOpenBrace
	tOpen
	tClose
	tOr
	tBegin // ^
	tFinish
	tEscape // backslash and a character with a meaning of its own
)

// peek returns the token at p.at, its character, and its length.
func (p *parser) peek() (t token, c byte, n int, err error) {
	if p.at >= len(p.s) {
		return tEnd, 0, 0, nil
	}
	c = p.s[p.at]
	if c == '\\' {
		if p.at+1 >= len(p.s) {
			return 0, 0, 0, errBackslash
		}
		return p.escaped(p.s[p.at+1])
	}
	switch c {
	case '.':
		return tAny, c, 1, nil
	case '[':
		return tBracket, c, 1, nil
	case '*':
		return tStar, c, 1, nil
	case '^':
		return tBegin, c, 1, nil
	case '$':
		return tFinish, c, 1, nil
	}
	if !p.o.Basic {
		if t, ok := operators[c]; ok {
			return t, c, 1, nil
		}
	}
	return tChar, c, 1, nil
}

// operators are special alone in extended syntax, and after a backslash in basic.
var operators = map[byte]token{
	'+': tPlus, '?': tQuestion, '{': tOpenBrace, '(': tOpen, ')': tClose, '|': tOr,
}

func (p *parser) escaped(c byte) (token, byte, int, error) {
	if t, ok := operators[c]; ok && p.o.Basic {
		return t, c, 2, nil
	}
	switch c {
	case 'w', 'W', 's', 'S', 'b', 'B', '<', '>', '`', '\'', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return tEscape, c, 2, nil
	}
	return tChar, c, 2, nil
}

// alternatives parses branches up to the end or the parenthesis that closes.
func (p *parser) alternatives() (*node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, errSize
	}
	defer func() { p.depth-- }()
	var branches []*node
	before, after := p.closed, p.closed
	for {
		p.closed = before // a branch cannot refer to a group of another
		branch, err := p.branch()
		if err != nil {
			return nil, err
		}
		branches, after = append(branches, branch), after|p.closed
		t, _, n, err := p.peek()
		if err != nil {
			return nil, err
		}
		if t != tOr {
			break
		}
		p.at += n
	}
	p.closed = after
	if len(branches) == 1 {
		return branches[0], nil
	}
	return &node{op: opAlternate, subs: branches}, nil
}

// branch parses pieces one after the other.
func (p *parser) branch() (*node, error) {
	seq := &node{op: opConcat}
	for start := true; ; start = false {
		t, c, n, err := p.peek()
		if err != nil {
			return nil, err
		}
		if t == tEnd || t == tOr || t == tClose && p.depth > 1 {
			return seq, nil
		}
		if t == tClose && p.o.Basic {
			return nil, errParenthesis
		}
		atom, err := p.atom(t, c, n, start)
		if err != nil {
			return nil, err
		}
		if atom.op < opBegin { // nothing repeats an anchor
			if atom, err = p.repeats(atom); err != nil {
				return nil, err
			}
		}
		seq.subs = append(seq.subs, atom)
	}
}

// atom parses what a repetition can follow.
func (p *parser) atom(t token, c byte, n int, start bool) (*node, error) {
	p.at += n
	switch t {
	case tStar, tPlus, tQuestion, tOpenBrace:
		if !p.o.Basic {
			return nil, errNothing
		}
		if t == tOpenBrace {
			return nil, errNothing
		}
		return p.char(c), nil
	case tAny:
		set := fullSet()
		if p.o.Newline {
			set.remove('\n')
		}
		return &node{op: opSet, set: set}, nil
	case tBracket:
		return p.bracket()
	case tBegin:
		if p.o.Basic && !start {
			return p.char(c), nil
		}
		return &node{op: opBegin}, nil
	case tFinish:
		if p.o.Basic && !p.last() {
			return p.char(c), nil
		}
		return &node{op: opEnd}, nil
	case tOpen:
		return p.group()
	case tEscape:
		return p.meaning(c)
	}
	return p.char(c), nil
}

// last says whether a basic pattern or group ends here, so that $ is an anchor.
func (p *parser) last() bool {
	t, _, _, err := p.peek()
	return err == nil && (t == tEnd || t == tOr || t == tClose)
}

func (p *parser) group() (*node, error) {
	p.groups++
	number := p.groups
	sub, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	t, _, n, err := p.peek()
	if err != nil || t != tClose {
		return nil, firstError(err, errParenthesis)
	}
	p.at += n
	if number <= 9 {
		p.closed |= 1 << number
	}
	return &node{op: opGroup, subs: []*node{sub}, number: number}, nil
}

// meaning returns the node for an escape that is not just a character.
func (p *parser) meaning(c byte) (*node, error) {
	switch c {
	case 'w', 'W':
		return &node{op: opSet, set: wordSet().inverted(c == 'W')}, nil
	case 's', 'S':
		return &node{op: opSet, set: classSet("space").inverted(c == 'S')}, nil
	case 'b':
		return &node{op: opBoundary}, nil
	case 'B':
		return &node{op: opNoBoundary}, nil
	case '<':
		return &node{op: opWordBegin}, nil
	case '>':
		return &node{op: opWordEnd}, nil
	case '`':
		return &node{op: opTextBegin}, nil
	case '\'':
		return &node{op: opTextEnd}, nil
	}
	number := int(c - '0')
	if p.closed>>number&1 == 0 {
		return nil, errReference
	}
	p.special = true
	return &node{op: opReference, number: number}, nil
}

func (p *parser) char(c byte) *node {
	var set set
	set.add(c)
	if p.o.FoldCase {
		set.fold()
	}
	return &node{op: opSet, set: set}
}

// repeats parses any number of *, +, ? and {n,m} after an atom.
func (p *parser) repeats(atom *node) (*node, error) {
	for count := 0; ; count++ {
		t, _, n, err := p.peek()
		if err != nil {
			return nil, err
		}
		if count > maxDepth {
			return nil, errSize
		}
		if count > 0 && p.o.Basic && (t == tStar || t == tOpenBrace) {
			return nil, errNothing
		}
		low, high := 0, -1
		switch t {
		case tStar:
		case tPlus:
			low = 1
		case tQuestion:
			high = 1
		case tOpenBrace:
			p.at += n
			n = 0
			if low, high, err = p.interval(); err != nil {
				return nil, err
			}
		default:
			return atom, nil
		}
		p.at += n
		atom = &node{op: opRepeat, subs: []*node{atom}, low: low, high: high}
	}
}

// interval parses what comes after the opening brace of {n}, {n,}, {,m}, {n,m}.
func (p *parser) interval() (low, high int, err error) {
	low, end := p.bound()
	switch {
	case low == none && end == ',':
		low = 0
	case low == none:
		return 0, 0, errInterval
	}
	high = low
	if low != wrong && end == ',' {
		if high, end = p.bound(); high == none && end != 0 {
			high = -1
		}
	}
	switch {
	case (low == wrong || high == wrong) && end == 0:
		return 0, 0, errBrace
	case low == wrong, high == wrong, end != '}', high >= 0 && low > high:
		return 0, 0, errInterval
	case max(low, high) > maxRepeat:
		return 0, 0, errSize
	}
	return low, high, nil
}

// What bound returns for text that is no number.
const (
	none  = -1
	wrong = -2
)

// bound reads a number and the comma or closing brace after it, which is end; 0
// is the end of the pattern.
func (p *parser) bound() (n int, end byte) {
	n = none
	for p.at < len(p.s) {
		c := p.s[p.at]
		p.at++
		escaped := c == '\\' && p.at < len(p.s)
		if escaped {
			c = p.s[p.at]
			p.at++
		}
		switch {
		case c == ',' && !escaped, c == '}' && escaped == p.o.Basic:
			return n, c
		case escaped || c < '0' || c > '9' || n == wrong:
			n = wrong
		default:
			n = min(max(n, 0)*10+int(c-'0'), maxRepeat+1)
		}
	}
	return wrong, 0
}

func firstError(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
