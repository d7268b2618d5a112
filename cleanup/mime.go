package main

import (
	"bytes"
	"strings"

	"postrider/lib/mail/record"
)

// parts watches for MIME headers, of the message and of its parts, that say
// that there is 8-bit text. RFC 2045, RFC 2046.
type parts struct {
	watch    bool // the message has parts
	header   bool // in the header of one
	message  bool // the part is a message: another header follows
	inside   bool // the last record did not end its line
	eightBit bool
}

// encoding looks at a header.
func (p *parts) encoding(name string, value []byte) {
	if name != "content-transfer-encoding" || !conf.Detect8bitEncodingHeader || conf.DisableMIMEInputProcessing {
		return
	}
	switch strings.ToLower(string(bytes.TrimSpace(value))) {
	case "8bit", "binary":
		p.eightBit = true
	}
}

// primary looks at a header of the message itself.
func (p *parts) primary(name string, value []byte) {
	p.encoding(name, value)
	if name == "content-type" && !conf.DisableMIMEInputProcessing {
		p.message = hasType(value, "message/")
		p.header = p.message // until the empty line, which the body begins with
		p.watch = p.message || hasType(value, "multipart/")
	}
}

func hasType(value []byte, prefix string) bool {
	return bytes.HasPrefix(bytes.ToLower(bytes.TrimSpace(value)), []byte(prefix))
}

// line looks at a line of the body, or a piece of one.
func (p *parts) line(t record.Type, data []byte) {
	start := !p.inside
	p.inside = t == record.Continued
	switch {
	case !start || !p.watch:
	case bytes.HasPrefix(data, []byte("--")):
		p.header, p.message = true, false
	case !p.header:
	case len(data) == 0:
		p.header, p.message = p.message, false
	default:
		n := headerName(data)
		name, value := strings.ToLower(string(data[:n])), bytes.TrimLeft(data[n:], " \t:")
		p.encoding(name, value)
		if name == "content-type" {
			p.message = hasType(value, "message/")
		}
	}
}
