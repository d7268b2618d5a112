package jsonline

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestQuote has the escapes that Postfix 3.11 writes.
func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"":                       `""`,
		" abcABC012.,[]{}/<>&":   `" abcABC012.,[]{}/<>&"`,
		"\b\f\r\n\t":             `"\b\f\r\n\t"`,
		"\x00\x01\x1f ~\x7f":     `"\u0000\u0001\u001F ~\u007F"`,
		`\*\uasd\u007F"`:         `"\\*\\uasd\\u007F\""`,
		"käse \u2028 \U0001f9c0": "\"käse \u2028 \U0001f9c0\"",
		"a\x80b\xc3":             `"a?b?"`,
		"\xed\xa0\x80":           `"???"`, // half of a pair
		"\ufffd":                 "\"\ufffd\"",
	} {
		if got := Quote(text); got != want {
			t.Errorf("Quote(%q) is %s, not %s", text, got, want)
		}
	}
}

func TestPair(t *testing.T) {
	got := string(AppendPair(AppendPair(nil, "a", "b c"), `q"`, "two\nlines"))
	if want := "{\"a\": \"b c\"}\n{\"q\\\"\": \"two\\nlines\"}\n"; got != want {
		t.Errorf("%q", got)
	}
}

// FuzzQuote checks that other programs read what was meant.
func FuzzQuote(f *testing.F) {
	f.Add("a\"\\\x00\x7f\n\u2029ü", "\xff\xc0\x80")
	f.Fuzz(func(t *testing.T, name, value string) {
		line := AppendPair(nil, name, value)
		if strings.Count(string(line), "\n") != 1 {
			t.Errorf("%q is more than a line", line)
		}
		var object map[string]string
		if err := json.Unmarshal(line, &object); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		got, found := object[valid(name)]
		if !found || got != valid(value) {
			t.Errorf("%q: %q", line, object)
		}
	})
}

// valid replaces each byte that is no UTF-8.
func valid(text string) string {
	var b strings.Builder
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd") {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}
