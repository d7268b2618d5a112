// Package address turns mail addresses between the two forms that they have:
// external, as in headers and SMTP commands, where odd characters of the local
// part are quoted; and internal, as in queue files and between daemons.
package address

import "strings"

// Split divides an address at its last @. Without @ the domain is empty and ok
// is false.
func Split(addr string) (local, domain string, ok bool) {
	if i := strings.LastIndexByte(addr, '@'); i >= 0 {
		return addr[:i], addr[i+1:], true
	}
	return addr, "", false
}

// Domain is what stands behind the last @, or "".
func Domain(addr string) string {
	_, domain, _ := Split(addr)
	return domain
}

// Quote returns the external form of an address in internal form. Only the
// local part may need quotes. A source route stays as it is.
func Quote(internal string) string {
	local, domain, ok := Split(internal)
	if strings.HasPrefix(internal, "@") {
		if route, rest, found := strings.Cut(internal, ":"); found && !strings.Contains(route, "[") {
			return route + ":" + Quote(rest)
		}
	}
	if local == "" && domain != "" {
		return `""@` + domain
	}
	if dotString(local) {
		return internal
	}
	quoted := QuoteLocal(local)
	if !ok {
		return quoted
	}
	return quoted + "@" + domain
}

// QuoteLocal returns the external form of a local part.
func QuoteLocal(local string) string {
	if dotString(local) {
		return local
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(local) {
		if c := local[i]; c == '"' || c == '\\' || c == '\r' {
			b.WriteByte('\\')
		}
		b.WriteByte(local[i])
	}
	b.WriteByte('"')
	return b.String()
}

// dotString reports whether a local part needs no quotes: atoms with single
// dots between them. RFC 5321, section 4.1.2. UTF-8 is allowed (RFC 6531).
func dotString(s string) bool {
	if s == "" {
		return true
	}
	dot := true
	for i := range len(s) {
		c := s[i]
		if c == '.' {
			if dot {
				return false
			}
			dot = true
			continue
		}
		if c < 0x80 && !Atom(c) {
			return false
		}
		dot = false
	}
	return !dot
}

// Atom reports whether an ASCII character may stand in an atom. RFC 5322,
// section 3.2.3.
func Atom(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`()<>@,;:\".[]`, c) < 0
}

// Unquote returns the internal form of an address in external form: quotes and
// backslashes of the local part go away.
func Unquote(external string) string {
	if strings.IndexByte(external, '"') < 0 && strings.IndexByte(external, '\\') < 0 {
		return external
	}
	at := endOfLocal(external)
	var b strings.Builder
	for i := 0; i < at; i++ {
		switch c := external[i]; {
		case c == '"':
		case c == '\\' && i+1 < at:
			i++
			b.WriteByte(external[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String() + external[at:]
}

// Normal returns the shortest correct form of an address in external form.
func Normal(external string) string {
	at := endOfLocal(external)
	if at > 0 && dotString(external[:at]) {
		return external
	}
	local := QuoteLocal(Unquote(external[:at]))
	if local == "" {
		local = `""`
	}
	if at+1 >= len(external) && at == 0 {
		return local
	}
	return local + external[at:]
}

// endOfLocal is the place of the last @ that is not quoted, or the length.
func endOfLocal(s string) int {
	at, quoted := len(s), false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case '@':
			if !quoted {
				at = i
			}
		}
	}
	return at
}

// noExtension are local parts that never have an extension.
var noExtension = map[string]bool{"postmaster": true, "mailer-daemon": true, "double-bounce": true}

// SplitExtension divides a local part at the first of the delimiter
// characters. Addresses that the system needs whole are left whole; found is
// false for them, and when there is no delimiter.
func SplitExtension(local, delimiters string) (base, extension string, found bool) {
	i := strings.IndexAny(local, delimiters)
	if delimiters == "" || i <= 0 {
		return local, "", false
	}
	lower := strings.ToLower(local)
	if noExtension[lower] {
		return local, "", false
	}
	if local[i] == '-' && (strings.HasPrefix(lower, "owner-") || strings.HasSuffix(lower, "-request")) {
		return local, "", false
	}
	return local[:i], local[i+1:], true
}

// StripExtension returns the address without its extension.
func StripExtension(addr, delimiters string) string {
	local, domain, ok := Split(addr)
	base, _, found := SplitExtension(local, delimiters)
	if !found {
		return addr
	}
	if !ok {
		return base
	}
	return base + "@" + domain
}
