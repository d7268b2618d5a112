package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fold returns s in the form in which texts that differ only in case are equal:
// Unicode full case folding, and a quick way for ASCII. Bytes that are not
// UTF-8 stay as they are.
// Source: The Unicode Standard, section 3.13, and its CaseFolding.txt.
func Fold(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= utf8.RuneSelf {
			return foldUnicode(s)
		} else if 'A' <= c && c <= 'Z' {
			return foldFrom(s, i)
		}
	}
	return s
}

// foldFrom folds s, whose first upper-case letter is at i.
func foldFrom(s string, i int) string {
	for j := i; j < len(s); j++ {
		if s[j] >= utf8.RuneSelf {
			return foldUnicode(s)
		}
	}
	return lowerASCII(s, i)
}

func lowerASCII(s string, i int) string {
	b := []byte(s)
	for ; i < len(b); i++ {
		if c := b[i]; 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// FoldASCII is Fold for ASCII letters only.
func FoldASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			return lowerASCII(s, i)
		}
	}
	return s
}

func foldUnicode(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteByte(s[0])
		case r < utf8.RuneSelf:
			b.WriteRune(unicode.ToLower(r))
		default:
			foldRune(&b, r)
		}
		s = s[n:]
	}
	return b.String()
}

func foldRune(b *strings.Builder, r rune) {
	switch {
	case r == 'ı': // has an upper case but folds to itself
		b.WriteRune(r)
	case '\u13f8' <= r && r <= '\u13fd', '\uab70' <= r && r <= '\uabbf':
		b.WriteRune(unicode.ToUpper(r)) // Cherokee folds to upper case
	default:
		if full := fullFold(r); full != "" {
			b.WriteString(full)
			return
		}
		b.WriteRune(unicode.ToLower(unicode.ToUpper(r)))
	}
}
