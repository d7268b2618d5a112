package libc

import "unsafe"

// The classes of characters, as glibc numbers them.
const (
	isUpper = 1 << (iota + 8)
	isLower
	isAlpha
	isDigit
	isHexDigit
	isSpace
	isPrint
	isGraph
	isBlank = 1 << (iota - 8)
	isControl
	isPunct
	isAlnum
)

// classes has those of the characters -128 to 255 in the C locale.
var classes [384]uint16

var classesAt = uintptr(unsafe.Pointer(&classes[128]))

// X__ctype_b_loc returns where the address of the table of classes is.
func X__ctype_b_loc(*TLS) uintptr {
	if classes[128+'a'] == 0 {
		fillClasses()
	}
	return uintptr(unsafe.Pointer(&classesAt))
}

// fillClasses is idempotent, so that it does not matter who calls it.
func fillClasses() {
	for c := range 128 {
		classes[128+c] = class(byte(c))
	}
}

func class(c byte) (class uint16) {
	switch {
	case 'A' <= c && c <= 'Z':
		class = isUpper | isAlpha | isAlnum
	case 'a' <= c && c <= 'z':
		class = isLower | isAlpha | isAlnum
	case '0' <= c && c <= '9':
		class = isDigit | isHexDigit | isAlnum
	case '!' <= c && c <= '~':
		class = isPunct
	}
	if 'A' <= c && c <= 'F' || 'a' <= c && c <= 'f' {
		class |= isHexDigit
	}
	if '!' <= c && c <= '~' {
		class |= isGraph | isPrint
	}
	switch {
	case c == ' ':
		class |= isPrint | isSpace | isBlank
	case c == '\t':
		class |= isControl | isSpace | isBlank
	case '\n' <= c && c <= '\r':
		class |= isControl | isSpace
	case c < ' ' || c == 127:
		class |= isControl
	}
	return class
}
