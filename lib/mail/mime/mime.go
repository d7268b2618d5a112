// Package mime reads the headers that give a message its structure.
//
// Sources: RFC 2045 and RFC 2046.
package mime

import "strings"

// A Kind is what is inside a part.
type Kind int

// Kinds.
const (
	Leaf      Kind = iota // text, a picture, anything without parts
	Multipart             // parts between boundaries
	Message               // a message with headers of its own
)

// A Type is what a Content-Type: header says about structure.
type Type struct {
	Kind
	Name     string // "multipart/mixed", in lower case
	Boundary string // of a multipart
}

// Composite says whether the type is one of those whose encoding must not change
// the lines inside. RFC 2045, section 6.4.
func (t Type) Composite() bool {
	return strings.HasPrefix(t.Name, "multipart/") || strings.HasPrefix(t.Name, "message/")
}

// Describes reports whether a header, given in lower case, describes content, wherever
// it stands. RFC 2045, section 9; RFC 2183.
func Describes(name string) bool {
	switch name {
	case "mime-version", "content-type", "content-transfer-encoding", "content-disposition", "content-id", "content-description":
		return true
	}
	return false
}

// Inside is the type of a part that does not tell its own. RFC 2046, section
// 5.1.5.
func (t Type) Inside() Type {
	if t.Name == "multipart/digest" {
		return Type{Kind: Message, Name: "message/rfc822"}
	}
	return Type{}
}

// ParseType reads the value of a Content-Type: header. At most limit bytes of a
// boundary count. RFC 2045, section 5.1.
func ParseType(value string, limit int) Type {
	name, parameters, _ := strings.Cut(uncomment(value), ";")
	t := Type{Name: strings.ToLower(strings.Join(strings.Fields(name), ""))}
	switch {
	case strings.HasPrefix(t.Name, "multipart/"):
		if boundary := parameter(parameters, "boundary"); boundary != "" {
			t.Kind, t.Boundary = Multipart, boundary[:min(len(boundary), limit)]
		}
	case t.Name == "message/rfc822", t.Name == "message/global":
		t.Kind = Message
	}
	return t
}

// ParseEncoding reads the value of a Content-Transfer-Encoding: header: "7bit",
// "8bit", "binary", "quoted-printable", "base64" or what else it says. RFC 2045,
// section 6.1.
func ParseEncoding(value string) string { return strings.ToLower(strings.TrimSpace(uncomment(value))) }

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
			return value
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
