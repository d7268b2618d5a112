package ere

import "strings"

// bracket parses a bracket expression after its [. A backslash is nothing special
// in it. POSIX.1, section 9.3.5.
func (p *parser) bracket() (*node, error) {
	var set set
	not := p.skip("^")
	for first := true; ; first = false {
		if p.at >= len(p.s) {
			return nil, errBracket
		}
		if p.s[p.at] == ']' && !first {
			p.at++
			break
		}
		if err := p.bracketItem(&set); err != nil {
			return nil, err
		}
	}
	if p.o.FoldCase {
		set.fold()
	}
	if not {
		if p.o.Newline {
			set.add('\n')
		}
		set = set.inverted(true)
	}
	return &node{op: opSet, set: set}, nil
}

func (p *parser) skip(s string) bool {
	if strings.HasPrefix(p.s[p.at:], s) {
		p.at += len(s)
		return true
	}
	return false
}

// bracketItem parses a character, a range or a class.
func (p *parser) bracketItem(to *set) error {
	if p.skip("[:") {
		name, err := p.until(":]")
		if err != nil {
			return err
		}
		class := classSet(name)
		if class == (set{}) {
			return errClass
		}
		to.union(class)
		return nil
	}
	low, err := p.bracketChar()
	if err != nil {
		return err
	}
	high := low
	if rest := p.s[p.at:]; len(rest) >= 2 && rest[0] == '-' && rest[1] != ']' {
		p.at++
		if high, err = p.bracketChar(); err != nil {
			return err
		}
		if low > high {
			return errRange
		}
	}
	to.addRange(low, high)
	return nil
}

// bracketChar parses a character: itself, [.x.] or [=x=].
func (p *parser) bracketChar() (byte, error) {
	for _, mark := range []string{".", "="} {
		if !p.skip("[" + mark) {
			continue
		}
		name, err := p.until(mark + "]")
		if err != nil {
			return 0, err
		}
		if len(name) != 1 {
			return 0, errCollation
		}
		return name[0], nil
	}
	if p.at >= len(p.s) {
		return 0, errBracket
	}
	p.at++
	return p.s[p.at-1], nil
}

func (p *parser) until(end string) (string, error) {
	name, rest, ok := strings.Cut(p.s[p.at:], end)
	if !ok {
		return "", errBracket
	}
	p.at = len(p.s) - len(rest)
	return name, nil
}
