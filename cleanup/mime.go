package main

import (
	"bytes"
	"slices"
	"strings"

	"postrider/lib/mail/mime"
	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
)

// A block is where a header stands.
type block int

const (
	ownHeader    block = iota // of the message
	partHeader                // of a part
	nestedHeader              // of a message in the message
)

// parts follow the structure of the message. RFC 2045, RFC 2046.
type parts struct {
	block    block
	part     mime.Type   // of the innermost part
	encoding string      // its Content-Transfer-Encoding
	outer    []mime.Type // the multiparts around, innermost last
	checked  int         // bytes of this part that body_checks saw
	inside   bool        // the last record did not end its line
	eightBit bool        // a header says that there is 8-bit text
	error    string      // what kind of nonsense was found, for the client
	errors   map[string]bool
}

// headerCheck is the check that applies to a header.
func (m *message) headerCheck(name string) check {
	switch p := &m.content.parts; {
	case p.block == partHeader || mime.Describes(name):
		return maps.mimeHeader
	case p.block == nestedHeader:
		return maps.nestedHeader
	}
	return maps.header
}

// structure learns from a header.
func (m *message) structure(name, value string) {
	p := &m.content.parts
	switch name {
	case "content-type":
		if conf.DisableMIMEInputProcessing {
			break
		}
		p.part = mime.ParseType(value, conf.MIMEBoundaryLengthLimit)
		if p.part.Kind != mime.Multipart {
			break
		}
		if len(p.outer) > conf.MIMENestingLimit+1 {
			m.mimeError("MIME nesting exceeds safety limit", "Content-Type:"+value)
			break
		}
		p.outer = append(p.outer, p.part)
	case "content-transfer-encoding":
		p.encoding = mime.ParseEncoding(value)
		if p.eightBitText() && conf.Detect8bitEncodingHeader {
			p.eightBit = true
		}
	}
}

func (p *parts) eightBitText() bool { return p.encoding == "8bit" || p.encoding == "binary" }

// boundary reports whether a line is a boundary, and which part it begins or
// ends.
func (p *parts) boundary(line []byte) (closing, ok bool) {
	if len(p.outer) == 0 || !bytes.HasPrefix(line, []byte("--")) {
		return false, false
	}
	for i, around := range slices.Backward(p.outer) {
		if rest, ok := bytes.CutPrefix(line[2:], []byte(around.Boundary)); ok {
			closing = bytes.HasPrefix(rest, []byte("--"))
			if closing {
				p.outer = p.outer[:i]
			} else {
				p.outer = p.outer[:i+1]
			}
			return closing, true
		}
	}
	return false, false
}

// beginPart comes after a boundary.
func (p *parts) beginPart() {
	p.block, p.part, p.encoding = partHeader, p.outer[len(p.outer)-1].Inside(), ""
}

// endBlock comes at the end of headers. It reports whether more headers follow,
// those of a message inside.
func (m *message) endBlock() bool {
	p := &m.content.parts
	p.checked = 0
	if p.part.Composite() && p.encoding != "" && p.encoding != "7bit" && !p.eightBitText() && conf.StrictMIMEEncodingDomain {
		m.mimeError("invalid message/* or multipart/* encoding domain", p.encoding)
	}
	if p.part.Kind != mime.Message || conf.DisableMIMEInputProcessing {
		return false
	}
	p.block, p.part, p.encoding = nestedHeader, mime.Type{}, ""
	return true
}

// bodyLine writes a line of the body, or a piece of one.
func (m *message) bodyLine(t record.Type, data []byte) {
	p := &m.content.parts
	if (conf.Strict8bitMIME || conf.Strict8bitMIMEBody) && !p.eightBitText() && eightBit(data) {
		m.mimeError("improper use of 8-bit data in message body", string(data))
	}
	if maps.body.list.Empty() || len(data) == 0 || conf.BodyChecksSizeLimit > 0 && p.checked >= conf.BodyChecksSizeLimit {
		m.putBytes(t, data)
		return
	}
	p.checked += len(data)
	v := m.check(maps.body, "body", string(data))
	if v.prepend != "" {
		m.put(record.Text, v.prepend)
	}
	switch {
	case v.drop:
	case v.replace != nil:
		m.put(t, *v.replace)
	default:
		m.putBytes(t, data)
	}
}

// mimeError notes nonsense, the first of each kind. The message is refused at its
// end, when it went through checks at all.
func (m *message) mimeError(what, where string) {
	p := &m.content.parts
	if conf.DisableMIMEInputProcessing || m.flags&cleanup.FlagFilter == 0 || !m.inspects() || p.errors[what] {
		return
	}
	if p.errors == nil {
		p.errors = map[string]bool{}
		p.error = what
	}
	p.errors[what] = true
	where = strings.TrimSpace(where)
	m.logAbout("reject", "mime-error "+what+": "+where[:min(len(where), logged)], "")
}

// inspects reports whether there is anything that looks at the text.
func (m *message) inspects() bool {
	return strings.EqualFold(conf.NonEmptyEndOfHeader, "reject") || conf.Strict7bitHeaders || conf.Strict8bitMIME || conf.Strict8bitMIMEBody || conf.StrictMIMEEncodingDomain ||
		!maps.header.list.Empty() || !maps.mimeHeader.list.Empty() || !maps.nestedHeader.list.Empty() || !maps.body.list.Empty()
}
