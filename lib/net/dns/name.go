package dns

import (
	"net/netip"
	"strings"
)

// ValidHostname tells whether name can be the name of a host or domain of
// mail: labels of letters, digits, hyphens (not at an end) and underscores,
// 1 to 63 bytes each, 255 in all, and not only numbers. Names with
// other characters must first be changed to their ASCII form. There is no dot
// at the end. RFC 1034, section 3.5; RFC 1123, section 2.1.
func ValidHostname(name string) bool {
	if name == "" || len(name) > 255 {
		return false
	}
	numeric := true
	for label := range strings.SplitSeq(name, ".") {
		if !validLabel(label) {
			return false
		}
		numeric = numeric && strings.Trim(label, "0123456789") == ""
	}
	return !numeric
}

func validLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		switch c := label[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// ReverseName gives the name below which data about an address is kept:
// "1.2.0.192.in-addr.arpa". With another origin it is the name to ask of a
// list of addresses: ReverseName(a, "bl.example.com").
func ReverseName(addr netip.Addr, origin string) string {
	var b strings.Builder
	if addr = addr.Unmap(); addr.Is4() {
		a := addr.As4()
		for i := 3; i >= 0; i-- {
			b.WriteString(decimal(a[i]))
			b.WriteByte('.')
		}
	} else {
		const hex = "0123456789abcdef"
		a := addr.As16()
		for i := 15; i >= 0; i-- {
			b.Write([]byte{hex[a[i]&15], '.', hex[a[i]>>4], '.'})
		}
	}
	if origin == "" {
		origin = "ip6.arpa"
		if addr.Is4() {
			origin = "in-addr.arpa"
		}
	}
	return b.String() + origin
}

func decimal(c byte) string {
	if c < 10 {
		return string('0' + rune(c))
	}
	return decimal(c/10) + string('0'+rune(c%10))
}
