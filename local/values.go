package main

import "strings"

// parseValues takes the right-hand side of an alias, or a line of a .forward or
// included file, apart. Destinations are separated by commas or blanks. Quotes
// keep one together; they and comments in parentheses are removed. "Name
// <address>" is the address, and "group: a, b;" its members. Source: RFC 822,
// section 6.1, as sendmail read it.
func parseValues(line string) []string {
	p := valueParser{text: line}
	for p.at < len(p.text) {
		p.step()
	}
	p.end()
	return p.values
}

// A valueParser has read text up to at. The words since the last separator are
// in pending: with nothing but blanks between them they are destinations of
// their own, unless a <address> follows and makes them its name.
type valueParser struct {
	text    string
	at      int
	values  []string
	pending []string
	word    strings.Builder
	inWord  bool
	glue    bool // the next word belongs to the one before, in spite of blanks
}

func (p *valueParser) step() {
	switch c := p.text[p.at]; c {
	case ' ', '\t', '\r', '\n':
		p.at++
		p.endWord()
	case ',', ';':
		p.at++
		p.end()
	case '(':
		p.skipComment()
	case '"':
		p.quoted()
	case '<':
		p.route()
	case '>':
		p.at++
	case '[':
		p.literal()
	case ':':
		p.colon()
	case '@', '.':
		p.joint(c)
	default:
		p.add(c)
	}
}

// add adds a character to the word.
func (p *valueParser) add(c byte) {
	p.word.WriteByte(c)
	p.inWord, p.glue = true, false
	p.at++
}

// joint is @ or a point: blanks around it do not end the word. A word that
// begins with / or | is no address and has no such joints.
func (p *valueParser) joint(c byte) {
	apart := !p.inWord && len(p.pending) > 0 && !strings.HasPrefix(p.pending[len(p.pending)-1], "/")
	if apart {
		last := len(p.pending) - 1
		p.word.WriteString(p.pending[last])
		p.pending = p.pending[:last]
	}
	p.add(c)
	p.glue = c == '@' || apart
}

// colon ends the name of a group, unless it is part of ":include:".
func (p *valueParser) colon() {
	word := p.word.String()
	const include = ":include:"
	rest := p.text[p.at:]
	switch {
	case !p.inWord && len(rest) >= len(include) && strings.EqualFold(rest[:len(include)], include):
		p.word.WriteString(rest[:len(include)])
		p.at += len(include)
		p.inWord = true
	case strings.HasPrefix(word, "/") || strings.HasPrefix(word, "|") || strings.HasPrefix(word, ":"):
		p.add(':')
	default: // the name of a group
		p.at++
		p.word.Reset()
		p.inWord, p.glue, p.pending = false, false, nil
	}
}

// skipComment passes over a comment; they nest.
func (p *valueParser) skipComment() {
	depth := 0
	for ; p.at < len(p.text); p.at++ {
		switch p.text[p.at] {
		case '\\':
			p.at++
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 {
			p.at++
			return
		}
	}
}

// quoted adds the text between quotes, without them.
func (p *valueParser) quoted() {
	p.inWord, p.glue = true, false
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return
		case c == '\\' && p.at+1 < len(p.text):
			p.at++
			p.word.WriteByte(p.text[p.at])
		default:
			p.word.WriteByte(c)
		}
	}
}

// literal adds a domain literal with its brackets.
func (p *valueParser) literal() {
	for p.at < len(p.text) && p.text[p.at] != ']' {
		p.add(p.text[p.at])
	}
	if p.at < len(p.text) {
		p.add(']')
	}
}

// route is "<address>": what stood before it was a name.
func (p *valueParser) route() {
	end := strings.IndexByte(p.text[p.at:], '>')
	inside := p.text[p.at+1:]
	if end >= 0 {
		inside = p.text[p.at+1 : p.at+end]
		p.at += end + 1
	} else {
		p.at = len(p.text)
	}
	p.word.Reset()
	p.inWord, p.glue, p.pending = false, false, nil
	for _, value := range parseValues(inside) {
		p.values = append(p.values, value)
	}
}

// endWord ends a word at a blank.
func (p *valueParser) endWord() {
	if p.inWord && !p.glue {
		p.pending = append(p.pending, p.word.String())
		p.word.Reset()
		p.inWord = false
	}
}

// end ends a destination at a separator.
func (p *valueParser) end() {
	p.glue = false
	p.endWord()
	for _, value := range p.pending {
		if value != "" {
			p.values = append(p.values, value)
		}
	}
	p.pending = nil
}
