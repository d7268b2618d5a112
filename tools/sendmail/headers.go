package main

import (
	"strings"

	"postrider/lib/mail/address"
)

// recipients collects the addresses of a message's headers. When there are
// Resent- headers, only those of the last resending count.
type recipients struct {
	body   bool
	name   string // of the header that the last line belongs to, in lower case
	text   strings.Builder
	first  []string
	resent []string
}

// headerRoom is the longest header that is looked into.
const headerRoom = 1 << 20

// line takes one physical line, or a piece of one. It returns the line as it is
// sent on: without blanks in front of the colon of a header.
func (h *recipients) line(line []byte, whole, continues bool) []byte {
	if h.body {
		return line
	}
	text := string(line)
	if !continues {
		folded := text != "" && (text[0] == ' ' || text[0] == '\t')
		if !folded {
			h.finish()
			name, value, ok := strings.Cut(text, ":")
			if name = strings.TrimRight(name, " \t"); !ok || name == "" || strings.ContainsAny(name, " \t") {
				h.body = true
				return line
			}
			line = append([]byte(name+":"), value...)
			h.name, text = strings.ToLower(name), value
		}
	}
	if h.text.Len() < headerRoom {
		h.text.WriteString(text)
		if whole {
			h.text.WriteByte('\n')
		}
	}
	return line
}

func (h *recipients) finish() {
	text := h.text.String()
	h.text.Reset()
	into := &h.first
	name, resent := strings.CutPrefix(h.name, "resent-")
	if resent {
		into = &h.resent
	}
	if name != "to" && name != "cc" && name != "bcc" {
		return
	}
	for _, span := range address.Find(text) {
		*into = append(*into, span.Address)
	}
}

// list returns what was found.
func (h *recipients) list() []string {
	if !h.body {
		h.finish()
		h.body = true
	}
	if len(h.resent) > 0 {
		return h.resent
	}
	return h.first
}
