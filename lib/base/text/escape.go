package text

import "strings"

// Unescape understands \t, \n, \ with one to three octal digits, and \ before any
// other character, which stands for that character.
func Unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch {
		case s[i] == 't':
			b.WriteByte('\t')
		case s[i] == 'n':
			b.WriteByte('\n')
		case '0' <= s[i] && s[i] <= '7':
			n := 0
			for digits := 0; digits < 3 && i < len(s) && '0' <= s[i] && s[i] <= '7'; digits++ {
				n = n*8 + int(s[i]-'0')
				i++
			}
			i--
			b.WriteByte(byte(n))
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
