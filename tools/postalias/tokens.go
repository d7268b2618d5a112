package main

import (
	"strings"

	"postrider/lib/base/text"
)

// A token is a lexical part of an alias, as in RFC 5322: an address is written
// the same way in an alias as in a header.
type token struct {
	kind kind
	text string // without quotes, brackets, or parentheses
	near bool   // no white space before it
}

type kind byte

const (
	special kind = iota // one character that separates words
	atom
	quoted
	literal // [text]
	comment
)

type tokens []token

// specials separate words.
const specials = ",<>:;@.])"

// tokenize takes a line apart. Quotes, brackets and parentheses that do not end
// go to the end of the line.
func tokenize(s string) tokens {
	var all tokens
	near := false
	for s != "" {
		c := s[0]
		if text.IsBlank(c) {
			s, near = s[1:], false
			continue
		}
		t := token{near: near}
		switch {
		case c == '"':
			t.kind = quoted
			t.text, s = untilQuote(s[1:], '"')
		case c == '[':
			t.kind = literal
			t.text, s = untilQuote(s[1:], ']')
		case c == '(':
			t.kind = comment
			t.text, s = untilClosed(s)
		case strings.IndexByte(specials, c) >= 0:
			t.kind = special
			t.text, s = s[:1], s[1:]
		default:
			t.kind = atom
			t.text, s = word(s)
		}
		all, near = append(all, t), true
	}
	return all
}

// untilQuote reads up to the character that ends a quotation; a backslash takes
// away the meaning of the next character.
func untilQuote(s string, end byte) (inside, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == end:
			return b.String(), s[i+1:]
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// untilClosed reads a comment, which may have others in it. The text keeps its
// parentheses.
func untilClosed(s string) (inside, rest string) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return s[:i+1], s[i+1:]
			}
		}
	}
	return s, ""
}

func word(s string) (word, rest string) {
	i := 0
	for ; i < len(s) && !endsWord[s[i]]; i++ {
		if s[i] == '\\' {
			return escapedWord(s, i)
		}
	}
	return s[:i], s[i:]
}

// escapedWord is word for one with a backslash, which is at i.
func escapedWord(s string, i int) (word, rest string) {
	b := []byte(s[:i])
	for ; i < len(s) && !endsWord[s[i]]; i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b), s[i:]
}

// endsWord are the characters that end a word.
var endsWord = func() (ends [256]bool) {
	for c := range 256 {
		ends[c] = text.IsBlank(byte(c)) || strings.IndexByte(specials+`"[(`, byte(c)) >= 0
	}
	return ends
}()

// plain returns name and value of a line that has nothing in it to be taken apart:
// "name: user@example.com".
func plain(line string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(line, ":")
	value = strings.TrimLeft(value, " \t")
	if !ok || name == "" || value == "" {
		return "", "", false
	}
	for i := range len(name) {
		if c := name[i]; endsWord[c] && c != '.' || c == '\\' {
			return "", "", false
		}
	}
	for i := range len(value) {
		if c := value[i]; endsWord[c] && c != '.' && c != '@' || c == '\\' {
			return "", "", false
		}
	}
	return name, value, true
}

// split divides at the first colon. A comma before it means that the line has no
// name.
func split(all tokens) (name, value tokens) {
	for i, t := range all {
		if t.kind == special && t.text == ":" {
			return all[:i], all[i+1:]
		}
		if t.kind == special && t.text == "," {
			break
		}
	}
	return nil, nil
}

func (all tokens) has(c byte) bool {
	for _, t := range all {
		if t.kind == special && t.text[0] == c {
			return true
		}
	}
	return false
}

// internal returns the text without quotes.
func (all tokens) internal() string {
	return all.join(func(t token) string { return t.text })
}

// external returns the text with quotes where they are needed.
func (all tokens) external() string {
	return all.join(func(t token) string {
		if t.kind == quoted || t.kind == atom && strings.ContainsAny(t.text, `\"`+specials+"[( \t") {
			return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(t.text) + `"`
		}
		return t.text
	})
}

// join puts tokens together with a space between words and after commas.
func (all tokens) join(form func(token) string) string {
	var b strings.Builder
	for i, t := range all {
		if i > 0 && apart(all[i-1], t) {
			b.WriteByte(' ')
		}
		if t.kind == literal {
			b.WriteString("[" + form(t) + "]")
		} else {
			b.WriteString(form(t))
		}
		if t.kind == special && t.text == "," {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// apart says whether a space belongs between two tokens. The command in
// |"command" stays one word.
func apart(a, b token) bool {
	if a.kind == special || b.kind == special && b.text != "<" {
		return false
	}
	return !(a.kind == atom && a.text == "|" && b.kind == quoted && b.near)
}
