// Package text has the few text operations that every part of the suite needs
// in the same way: folding case, splitting lists, and reading logical lines.
package text

import "strings"

// Separators are the characters between the items of a list in main.cf.
const Separators = ", \t\r\n"

// blank are the characters that count as white space in configuration files.
const blank = " \t\r\n\v\f"

// Trim returns s without the white space around it.
func Trim(s string) string { return strings.Trim(s, blank) }

// IsBlank says whether c is ASCII white space.
func IsBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// Split returns the items of a list that are separated by commas or white
// space. There are no empty items.
func Split(list string) []string {
	return strings.FieldsFunc(list, separator)
}

// SplitBraces is like Split, but a separator between { and the } that belongs
// to it does not end an item. The braces stay part of the item; Unbrace removes
// them.
func SplitBraces(list string) []string {
	var items []string
	for {
		item, rest, found := NextBraces(list, Separators)
		if !found {
			return items
		}
		items, list = append(items, item), rest
	}
}

// NextBraces returns the first item of list and what comes after it. Items are
// separated by the characters of separators, except between braces. Found is
// false when there is no item. A brace without its counterpart protects all
// that follows.
func NextBraces(list, separators string) (item, rest string, found bool) {
	list = strings.TrimLeft(list, separators)
	depth := 0
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			depth--
		case depth == 0 && strings.IndexByte(separators, c) >= 0:
			return list[:i], list[i+1:], true
		}
	}
	return list, "", list != ""
}

// Unbrace returns the text between { and the } that belongs to it, without the
// white space inside. Text must begin with {. Ok is false when the closing brace
// is missing or when something other than white space follows it; inside is
// then the best guess at what was meant.
func Unbrace(text string) (inside string, ok bool) {
	text = Trim(text)
	n := MatchingBrace(text)
	if n < 0 {
		return Trim(strings.TrimPrefix(text, "{")), false
	}
	return Trim(text[1:n]), n == len(text)-1
}

// MatchingBrace returns the position of the } that belongs to the { at the
// begin of text, or -1.
func MatchingBrace(text string) int {
	if text == "" || text[0] != '{' {
		return -1
	}
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// NameValue splits "name = value" at the first equals sign. White space around
// name and value is removed. Ok is false when there is no equals sign or no name.
func NameValue(s string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(s, "=")
	name = Trim(name)
	return name, Trim(value), ok && name != ""
}

// Digits says whether s is one or more ASCII digits.
func Digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func separator(r rune) bool { return strings.ContainsRune(Separators, r) }
