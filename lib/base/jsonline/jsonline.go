// Package jsonline writes what commands print with their option -j: objects of
// strings, each in a line of its own. RFC 8259.
package jsonline

import (
	"fmt"
	"unicode/utf8"
)

// short are the control characters that have a letter.
var short = map[byte]byte{'\b': 'b', '\t': 't', '\n': 'n', '\f': 'f', '\r': 'r'}

// Append adds a text as a JSON string. What is no UTF-8 becomes a question mark
// for each byte, since JSON has no form for it.
func Append(dst []byte, text string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			dst = appendASCII(dst, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, '?')
		} else {
			dst = append(dst, text[i:i+size]...)
		}
		i += size
	}
	return append(dst, '"')
}

func appendASCII(dst []byte, c byte) []byte {
	switch letter := short[c]; {
	case c == '"' || c == '\\':
		return append(dst, '\\', c)
	case c >= ' ' && c != 0x7f:
		return append(dst, c)
	case letter != 0:
		return append(dst, '\\', letter)
	}
	return fmt.Appendf(dst, `\u%04X`, c)
}

// Quote is a text as a JSON string.
func Quote(text string) string { return string(Append(make([]byte, 0, len(text)+2), text)) }

// AppendPair adds the line of an object with one member.
func AppendPair(dst []byte, name, value string) []byte {
	dst = Append(append(dst, '{'), name)
	dst = Append(append(dst, ": "...), value)
	return append(dst, "}\n"...)
}
