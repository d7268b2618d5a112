package address

import "strings"

// A Span is an address inside the text of a header.
type Span struct {
	Start, End int    // of the address in the text, without angle brackets
	Address    string // external form, without comments and white space
}

// Find returns the addresses in the text of an address header, such as To:.
// Names, comments and groups are passed over; text that makes no sense is
// taken as well as it can be, because mail with it exists.
func Find(text string) []Span {
	p := parser{text: text}
	for p.at < len(text) {
		p.token()
	}
	p.finish()
	return p.found
}

// Rewrite replaces each address in the text of a header by what f returns for
// it, and leaves all else as it is.
func Rewrite(text string, f func(external string) string) (result string, changed bool) {
	var b strings.Builder
	done := 0
	for _, span := range Find(text) {
		replacement := f(span.Address)
		if replacement == span.Address {
			continue
		}
		b.WriteString(text[done:span.Start])
		b.WriteString(replacement)
		done, changed = span.End, true
	}
	if !changed {
		return text, false
	}
	b.WriteString(text[done:])
	return b.String(), true
}

// a parser collects the words of one mailbox until a comma or the end.
type parser struct {
	text  string
	at    int
	found []Span

	words  []string // of the mailbox so far
	start  int
	end    int
	angle  bool // inside < >
	closed bool // after >: only comments may follow
	spaced bool // white space was passed since the last word
}

func (p *parser) token() {
	switch c := p.text[p.at]; {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		p.at++
		p.spaced = true
	case c == '(':
		p.at = skipComment(p.text, p.at)
		p.spaced = true
	case c == '<' && !p.angle:
		p.reset()
		p.at++
		p.angle = true
	case c == '>' && p.angle:
		p.add()
		p.reset()
		p.closed = true
		p.at++
	case (c == ',' || c == ';') && !p.angle:
		p.finish()
		p.at++
	case c == ':' && !p.angle:
		p.reset() // what came before is the name of a group
		p.at++
	case c == '"':
		p.word(skipQuoted(p.text, p.at, '"'))
	case c == '[':
		p.word(skipQuoted(p.text, p.at, ']'))
	case c == '\\' && p.at+1 < len(p.text):
		p.word(p.at + 2)
	default:
		p.word(p.atomEnd())
	}
}

func (p *parser) atomEnd() int {
	end := p.at
	for end < len(p.text) && (p.text[end] >= 0x80 || Atom(p.text[end])) {
		end++
	}
	return max(end, p.at+1) // a special, such as @ and dot, is a word of its own
}

func (p *parser) word(end int) {
	text := p.text[p.at:end]
	if len(p.words) == 0 {
		p.start = p.at
	} else if p.spaced && joined(p.words[len(p.words)-1]) && joined(text) {
		text = " " + text // two words in a row: no address, unless brackets follow
	}
	if !p.closed {
		p.words = append(p.words, text)
		p.end = end
	}
	p.at, p.spaced = end, false
}

// joined reports whether a word would run into its neighbour.
func joined(word string) bool { return word != "@" && word != "." }

func (p *parser) add() {
	if len(p.words) > 0 {
		p.found = append(p.found, Span{p.start, p.end, strings.Join(p.words, "")})
	}
}

func (p *parser) finish() {
	if !p.closed {
		p.add()
	}
	p.reset()
}

func (p *parser) reset() {
	p.words, p.angle, p.closed, p.spaced = nil, false, false, false
}

// skipComment returns the end of a comment, which may hold others.
func skipComment(text string, at int) int {
	depth := 0
	for ; at < len(text); at++ {
		switch text[at] {
		case '\\':
			at++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return at + 1
			}
		}
	}
	return len(text)
}

func skipQuoted(text string, at int, closing byte) int {
	for at++; at < len(text); at++ {
		switch text[at] {
		case '\\':
			at++
		case closing:
			return at + 1
		}
	}
	return len(text)
}
