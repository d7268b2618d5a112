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

// Escape shows line ends and what cannot be printed in the form of the C language.
func Escape(data []byte) string {
	var b strings.Builder
	for _, c := range data {
		if i := strings.IndexByte("\a\b\f\n\r\t\v\\", c); i >= 0 {
			b.WriteByte('\\')
			b.WriteByte(`abfnrtv\`[i])
			continue
		}
		if c >= ' ' && c < 0x7f {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'\\', '0' + c>>6, '0' + c>>3&7, '0' + c&7})
	}
	return b.String()
}
