package address

import "strings"

// A parser takes the text of an address header apart.
type parser struct {
	text string
	at   int
	list []element

	words    []string // of the mailbox so far
	start    int      // of the first word in the text
	joined   bool     // the last word wants another one: "@", "."
	comments []string
	after    bool // only comments followed the last bracket

	mark, bracket, semicolon scout
}

func parse(text string) []element {
	p := parser{text: text, mark: scout{set: "<:,;"}, bracket: scout{set: ">"}, semicolon: scout{set: ";"}}
	for p.at < len(text) {
		p.token()
	}
	p.finish()
	return p.list
}

func (p *parser) token() {
	switch c := p.text[p.at]; {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		p.at++
	case c == '(':
		end := skipComment(p.text, p.at)
		p.comment(p.text[p.at:end])
		p.at = end
	case c == '<' && p.bracket.next(p.text, p.at) > 0:
		p.angle(p.bracket.next(p.text, p.at))
	case c == ',':
		p.finish()
		p.at++
	case c == ';':
		p.finish()
		p.list = append(p.list, element{end: true})
		p.at++
	case c == ':' && p.semicolon.next(p.text, p.at) > 0:
		p.list = append(p.list, element{group: true, name: strings.TrimSpace(p.text[p.begin():p.at])})
		p.reset()
		p.at++
	default:
		p.word(p.wordEnd())
	}
}

// A scout knows the next one of some characters that is not quoted and not in a
// comment. It remembers what it found, so that long nonsense costs little.
type scout struct {
	set      string
	from, at int // from here the next one is there; -1: there is none
	known    bool
}

func (s *scout) next(text string, from int) int {
	if s.known && s.from <= from && (s.at < 0 || from <= s.at) {
		return s.at
	}
	s.known, s.from, s.at = true, from, -1
	for at := from; at < len(text); {
		switch c := text[at]; {
		case strings.IndexByte(s.set, c) >= 0:
			s.at = at
			return at
		case c == '(':
			at = skipComment(text, at)
		case c == '"':
			at = skipQuoted(text, at, '"')
		case c == '\\':
			at += 2
		default:
			at++
		}
	}
	return -1
}

// begin is where the words of the mailbox begin.
func (p *parser) begin() int {
	if len(p.words) == 0 && len(p.comments) == 0 {
		return p.at
	}
	return p.start
}

// angle takes an address in brackets; what came before is its name.
func (p *parser) angle(end int) {
	name := strings.TrimSpace(p.text[p.begin():p.at])
	inner := parser{text: p.text[p.at+1 : end]}
	for inner.at < len(inner.text) {
		inner.insideAngle()
	}
	p.reset()
	p.list = append(p.list, element{mailbox: true, angle: true, name: name,
		written: strings.Join(inner.words, ""), address: standardForm(inner.words), comments: inner.comments})
	p.at, p.after = end+1, true
}

// insideAngle reads one token where commas and colons belong to a route.
func (p *parser) insideAngle() {
	switch c := p.text[p.at]; {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		p.at++
	case c == '(':
		end := skipComment(p.text, p.at)
		p.comments = append(p.comments, p.text[p.at:end])
		p.at = end
	default:
		end := p.wordEnd()
		p.words = append(p.words, p.text[p.at:end])
		p.at = end
	}
}

// wordEnd is the end of the atom, the quoted string, the literal, or the single
// special character here.
func (p *parser) wordEnd() int {
	switch c := p.text[p.at]; {
	case c == '"':
		return skipQuoted(p.text, p.at, '"')
	case c == '[':
		return skipQuoted(p.text, p.at, ']')
	}
	end := p.at
	for end < len(p.text) {
		switch c := p.text[end]; {
		case c == '\\' && end+1 < len(p.text):
			end += 2
		case c >= 0x80 || Atom(c):
			end++
		default:
			return max(end, p.at+1)
		}
	}
	return end
}

// word adds a word. One that has no operator between itself and the word
// before begins another address.
func (p *parser) word(end int) {
	text := p.text[p.at:end]
	operator := len(text) == 1 && text[0] < 0x80 && !Atom(text[0]) // such as @ and dot
	if len(p.words) > 0 && !p.joined && !operator && !p.nameFollows(end) {
		p.finish()
	}
	if len(p.words) == 0 && len(p.comments) == 0 {
		p.start = p.at
	}
	p.words = append(p.words, text)
	p.joined, p.after = operator, false
	p.at = end
}

// nameFollows reports whether the words up to here are a name: of an address in
// brackets, or of a group.
func (p *parser) nameFollows(at int) bool {
	i := p.mark.next(p.text, at)
	if i < 0 {
		return false
	}
	return p.text[i] == '<' && p.bracket.next(p.text, i) > 0 || p.text[i] == ':' && p.semicolon.next(p.text, i) > 0
}

// comment belongs to the address before it, or to the one that follows.
func (p *parser) comment(text string) {
	if n := len(p.list); p.after && n > 0 && len(p.words) == 0 {
		p.list[n-1].comments = append(p.list[n-1].comments, text)
		return
	}
	if len(p.words) == 0 && len(p.comments) == 0 {
		p.start = p.at
	}
	p.comments = append(p.comments, text)
}

// finish ends a mailbox without brackets.
func (p *parser) finish() {
	if len(p.words) > 0 {
		p.list = append(p.list, element{mailbox: true, written: strings.Join(p.words, ""),
			address: standardForm(p.words), comments: p.comments})
	}
	p.reset()
}

func (p *parser) reset() { p.words, p.comments, p.joined, p.after = nil, nil, false, false }

// standardForm joins the words of an address. The part before the last @ gets
// the shortest form that is correct.
func standardForm(words []string) string {
	at := -1
	for i, w := range words {
		if w == "@" {
			at = i
		}
	}
	if len(words) == 0 || words[0] == "@" {
		return strings.Join(words, "") // a route; or @domain, as tables have it
	}
	if at < 0 {
		return QuoteLocal(unquoted(words))
	}
	return QuoteLocal(unquoted(words[:at])) + "@" + strings.Join(words[at+1:], "")
}

// unquoted joins words without their quotes and backslashes.
func unquoted(words []string) string {
	var b strings.Builder
	for _, w := range words {
		quoted := w[0] == '"'
		for i := 0; i < len(w); i++ {
			switch {
			case w[i] == '"' && quoted:
			case w[i] == '\\' && i+1 < len(w):
				i++
				b.WriteByte(w[i])
			default:
				b.WriteByte(w[i])
			}
		}
	}
	return b.String()
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
