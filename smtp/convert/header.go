package convert

import "strings"

// contentType takes over the type of a part, and the boundary of a multipart.
// RFC 2045, section 5.1.
func (p *part) contentType(value string) {
	value = uncomment(value)
	name, parameters, _ := strings.Cut(value, ";")
	name = strings.ToLower(strings.Join(strings.Fields(name), ""))
	p.kind, p.boundary, p.digest = leaf, "", name == "multipart/digest"
	switch {
	case strings.HasPrefix(name, "multipart/"):
		if p.boundary = parameter(parameters, "boundary"); p.boundary != "" {
			p.kind = multipart
		}
	case name == "message/rfc822", name == "message/global":
		p.kind = message
	}
}

// parameter finds a parameter, with or without quotes.
func parameter(text, want string) string {
	for text != "" {
		var name, value string
		name, text, _ = strings.Cut(text, "=")
		text = strings.TrimLeft(text, " \t\n\r")
		if strings.HasPrefix(text, `"`) {
			value, text = quotedString(text)
			_, text, _ = strings.Cut(text, ";")
		} else {
			value, text, _ = strings.Cut(text, ";")
			value = strings.TrimSpace(value)
		}
		if strings.EqualFold(strings.TrimSpace(name), want) {
			return value[:min(len(value), boundaryMax)]
		}
	}
	return ""
}

// quotedString reads a text in quotes. Line ends in it mean nothing.
func quotedString(text string) (value, rest string) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), text[i+1:]
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case c != '\n' && c != '\r':
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// uncomment removes comments in parentheses.
func uncomment(text string) string {
	if !strings.Contains(text, "(") {
		return text
	}
	var b strings.Builder
	depth, inQuotes := 0, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text):
			if depth == 0 {
				b.WriteString(text[i : i+2])
			}
			i++
			continue
		case c == '"' && depth == 0:
			inQuotes = !inQuotes
		case c == '(' && !inQuotes:
			depth++
			continue
		case c == ')' && depth > 0:
			depth--
			continue
		}
		if depth == 0 {
			b.WriteByte(c)
		}
	}
	return b.String()
}
