package main

import (
	"strings"
	"unicode/utf8"

	"postrider/lib/base/text"
	"postrider/lib/mail/address"
	"postrider/lib/mail/domains"
	"postrider/lib/net/dns"

	"golang.org/x/net/idna"
)

// A request is what follows MAIL FROM: and RCPT TO: on a line.
type request struct {
	path   string   // as the client wrote it, with its brackets
	params []string // "SIZE=1000", "SMTPUTF8"
}

// parseRequest reads "FROM:<path> parameters". White space after the colon is
// tolerated. Ok is false when the line has another form.
// Source: RFC 5321, section 4.1.1.
func parseRequest(args, keyword string) (r request, ok bool) {
	if len(args) < len(keyword) || !strings.EqualFold(args[:len(keyword)], keyword) {
		return r, false
	}
	rest := strings.TrimLeft(args[len(keyword):], " \t")
	if rest == "" {
		return r, false
	}
	n := pathLength(rest)
	r.path = rest[:n]
	r.params = strings.Fields(rest[n:])
	return r, true
}

// pathLength finds the end of a path: white space outside of brackets and
// quotes.
func pathLength(s string) int {
	quoted, open := false, s[0] == '<'
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '>':
			open = false
		case !open && (c == ' ' || c == '\t'):
			return i
		}
	}
	return len(s)
}

// A pathRule says what addresses a command takes.
type pathRule struct {
	empty  bool // <> too
	strict bool // brackets are needed: strict_rfc821_envelopes
	dash   bool // the local part may begin with -: allow_min_user
	utf8   bool // the client has asked for SMTPUTF8
}

// parsePath returns the address in a path in its internal form, without
// source route. Source: RFC 5321, sections 4.1.2 and F.2.
func (rule pathRule) parsePath(path string) (internal string, ok bool) {
	inner := path
	bracket := strings.HasPrefix(path, "<")
	switch {
	case bracket && (len(path) < 2 || !strings.HasSuffix(path, ">")):
		return "", false
	case bracket:
		inner = text.Trim(path[1 : len(path)-1])
	case rule.strict:
		return "", false
	default:
		inner = strings.TrimSuffix(path, ">")
	}
	if !rule.strict {
		inner = withoutComments(inner)
	}
	if inner == "" {
		return "", rule.empty && bracket
	}
	inner, ok = withoutRoute(inner)
	if !ok || !utf8.ValidString(inner) {
		return "", false
	}
	local, domain, hasDomain, ok := parseMailbox(inner, rule.strict)
	switch {
	case !ok, strings.HasPrefix(local, "-") && !rule.dash:
		return "", false
	case !hasDomain:
		return local, local != ""
	case !validDomain(domain), !rule.utf8 && !isASCII(domain):
		return "", false
	}
	return local + "@" + domain, true
}

// withoutComments drops what stands in parentheses.
func withoutComments(s string) string {
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s):
			if i++; depth == 0 {
				b.WriteString(s[i-1 : i+1])
			}
			continue
		case c == '"' && depth == 0:
			quoted = !quoted
		case c == '(' && !quoted:
			depth++
		}
		if depth == 0 {
			b.WriteByte(c)
		}
		if c == ')' && depth > 0 && !quoted {
			depth--
		}
	}
	return b.String()
}

// withoutRoute drops a source route, "@a.example,@b.example:".
func withoutRoute(s string) (string, bool) {
	if s[0] != '@' {
		return s, true
	}
	route, rest, ok := strings.Cut(s, ":")
	if !ok || strings.Contains(route, "[") { // an IPv6 literal has colons
		return s, true
	}
	for hop := range strings.SplitSeq(route, ",") {
		hop = text.Trim(hop)
		if !strings.HasPrefix(hop, "@") || !validDomain(hop[1:]) {
			return "", false
		}
	}
	return rest, rest != ""
}

// parseMailbox splits local@domain and takes the quotes out of the local part.
// Characters that mean something in headers must be quoted.
func parseMailbox(s string, strict bool) (local, domain string, hasDomain, ok bool) {
	at := -1
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			n := quotedLength(s[i:])
			if n < 0 {
				return "", "", false, false
			}
			i += n - 1
		case c == '\\':
			if i++; i == len(s) || s[i] < ' ' {
				return "", "", false, false
			}
		case c == '@':
			if at >= 0 && (strict || at == i-1) {
				return "", "", false, false
			}
			at = i
		case c == '[' && at == i-1 && at >= 0: // an address literal
			return cutAt(s, at)
		case c <= ' ' || c == 0x7f || strings.IndexByte("()<>,;:[]", c) >= 0:
			return "", "", false, false
		}
	}
	return cutAt(s, at)
}

func cutAt(s string, at int) (local, domain string, hasDomain, ok bool) {
	if at < 0 {
		return address.Unquote(s), "", false, true
	}
	local = strings.TrimSuffix(address.Unquote(s[:at]+"@x"), "@x")
	return local, s[at+1:], true, true
}

// quotedLength is the length of the quoted string at the start of s, or -1.
func quotedLength(s string) int {
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
			if i < len(s) && (s[i] < ' ' || s[i] == 0x7f) {
				return -1
			}
		case c == '"':
			return i + 1
		case c < ' ' && c != '\t' || c == 0x7f:
			return -1
		}
	}
	return -1
}

// validDomain accepts host names, also internationalized ones and those with a
// dot at the end, and address literals.
func validDomain(domain string) bool {
	if strings.HasPrefix(domain, "[") {
		_, ok := domains.Literal(domain)
		return ok
	}
	domain = strings.TrimSuffix(domain, ".")
	for i := range len(domain) {
		if domain[i] >= 0x80 {
			a, err := idna.Lookup.ToASCII(domain)
			return err == nil && dns.ValidHostname(a)
		}
	}
	return dns.ValidHostname(domain)
}

// splitParam separates "SIZE=1000". Without = there is no value.
func splitParam(param string) (keyword, value string, hasValue bool) {
	keyword, value, hasValue = strings.Cut(param, "=")
	return strings.ToUpper(keyword), value, hasValue
}

// decodeXtext understands +XX, which stands for a character that a parameter
// may not hold. Source: RFC 3461, section 4.
func decodeXtext(s string) (string, bool) {
	if !strings.Contains(s, "+") {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '+' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		high, low := hex(s[i+1]), hex(s[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		b.WriteByte(byte(high<<4 | low))
		i += 2
	}
	return b.String(), true
}

func hex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

// printable reports whether text may stand in a record and in a header.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}

// helloName makes what a client says about itself harmless: it will stand in
// headers and log lines.
func helloName(s string) string {
	s = text.Trim(s)
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n <= 1 || r <= ' ' || r == 0x7f || strings.ContainsRune(`<>()\";@`, r) {
			b.WriteByte('?')
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}
