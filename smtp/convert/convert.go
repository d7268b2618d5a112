// Package convert changes the content of a message on its way to a server:
// 8-bit parts become quoted-printable, and header lines may be rewritten.
//
// Sources: RFC 2045 and 2046 (MIME); RFC 6152, section 3.
package convert

import (
	"bytes"
	"strings"

	"postrider/lib/mail/mime"
)

const (
	nesting     = 100        // multiparts and messages inside each other
	boundaryMax = 2048       // bytes of a boundary that are compared
	headerMax   = 100 * 1024 // a longer header line is passed on as it is
)

// A Converter takes the lines of a message and passes them on, changed where need
// be. Lines may come in pieces; only the last one is "ended".
type Converter struct {
	SevenBit bool // change 8-bit parts to quoted-printable

	// Header may change a header line of the message's own header. Its
	// continuation lines are separated by newlines.
	Header func(line string) string

	Out func(data []byte, ended bool) error

	inBody  bool
	part    part
	outer   []part // what the part is in
	header  []byte // the header line at hand, with its continuation lines
	begun   bool   // a physical line was begun
	passing bool   // the header line at hand was too long to keep
	primary bool   // past the message's own header
	qp      quoted
}

// A part is one entity of the message: its header, then its body.
type part struct {
	mime.Type
	eightBit bool // so its header says
}

// Line takes a line, or a piece of one.
func (c *Converter) Line(data []byte, ended bool) error {
	first := !c.begun
	c.begun = !ended
	if first && c.boundary(data) {
		return c.emit(data, ended)
	}
	if c.inBody {
		if c.SevenBit && c.part.eightBit && c.part.Kind == mime.Leaf {
			return c.qp.line(data, ended, c.Out)
		}
		return c.emit(data, ended)
	}
	return c.headerLine(data, first, ended)
}

// Finish passes on what is still held back.
func (c *Converter) Finish() error {
	if !c.inBody {
		if err := c.endHeaderLine(); err != nil {
			return err
		}
		return c.encodingLine()
	}
	return nil
}

func (c *Converter) emit(data []byte, ended bool) error { return c.Out(data, ended) }

// headerLine collects a header line; the next line that is none ends it.
func (c *Converter) headerLine(data []byte, first, ended bool) error {
	switch {
	case !first && c.passing:
		return c.emit(data, ended)
	case !first:
		c.header = append(c.header, data...)
	case len(data) == 0 && ended:
		return c.endHeader(true)
	case data0(data) && len(c.header) > 0:
		c.header = append(append(c.header, '\n'), data...)
	case data0(data) && c.passing:
		return c.emit(data, ended)
	default:
		if err := c.endHeaderLine(); err != nil {
			return err
		}
		if !fieldName(data) {
			// The body begins without an empty line.
			if err := c.endHeader(false); err != nil {
				return err
			}
			c.begun = false
			return c.Line(data, ended)
		}
		c.header = append(c.header, data...)
	}
	if len(c.header) > headerMax {
		held := c.header
		c.header, c.passing = nil, true
		return c.lines(string(held), ended)
	}
	return nil
}

func data0(data []byte) bool { return len(data) > 0 && (data[0] == ' ' || data[0] == '\t') }

// fieldName tells whether a line begins with a name and a colon. The first piece
// of a long line has at least its name.
func fieldName(data []byte) bool {
	i := bytes.IndexByte(data, ':')
	if i <= 0 {
		return false
	}
	for _, c := range bytes.TrimRight(data[:i], " \t") {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// endHeaderLine looks at a whole header line and passes it on.
func (c *Converter) endHeaderLine() error {
	c.passing = false
	if len(c.header) == 0 {
		return nil
	}
	text := string(c.header)
	c.header = c.header[:0]
	name, value, _ := strings.Cut(text, ":")
	name = strings.TrimRight(name, " \t")
	switch {
	case strings.EqualFold(name, "Content-Type"):
		c.part.Type = mime.ParseType(value, boundaryMax)
	case strings.EqualFold(name, "Content-Transfer-Encoding"):
		word := mime.ParseEncoding(value)
		c.part.eightBit = word == "8bit" || word == "binary"
		if c.SevenBit && c.part.eightBit {
			return nil // encodingLine says what it is now
		}
	}
	if !c.primary && c.Header != nil {
		text = c.Header(text)
	}
	return c.lines(text, true)
}

// lines passes on a text of several lines.
func (c *Converter) lines(text string, ended bool) error {
	for {
		line, rest, more := strings.Cut(text, "\n")
		if err := c.emit([]byte(line), more || ended); err != nil || !more {
			return err
		}
		text = rest
	}
}

// endHeader ends the header of a part; empty says that an empty line did.
func (c *Converter) endHeader(empty bool) error {
	if err := c.endHeaderLine(); err != nil {
		return err
	}
	if err := c.encodingLine(); err != nil {
		return err
	}
	empty = empty || c.SevenBit && c.part.eightBit // the new header line must be apart from the body
	c.inBody, c.primary = true, true
	if c.part.Kind == mime.Message && len(c.outer) < nesting {
		c.outer = append(c.outer, c.part)
		c.part = part{}
		c.inBody = false
	}
	if !empty {
		return nil
	}
	return c.emit(nil, true)
}

// encodingLine tells the new encoding of a part that was 8-bit. Only the innermost parts
// are encoded; what is around them is 7-bit then. RFC 2045, section 6.4.
func (c *Converter) encodingLine() error {
	if !c.SevenBit || !c.part.eightBit {
		return nil
	}
	if c.part.Kind == mime.Leaf {
		return c.lines("Content-Transfer-Encoding: quoted-printable", true)
	}
	return c.lines("Content-Transfer-Encoding: 7bit", true)
}

// boundary tells whether a line ends the part at hand: a boundary of one of the
// multiparts around it. The header of the next part begins, or the multipart
// is over.
func (c *Converter) boundary(data []byte) bool {
	if len(data) < 3 || data[0] != '-' || data[1] != '-' {
		return false
	}
	if c.inBody && c.part.Kind == mime.Multipart && len(c.outer) < nesting {
		// This may be the first boundary of the multipart itself.
		if closing, ok := matches(data, c.part.Boundary); ok {
			c.begin(append(c.outer, c.part), closing)
			return true
		}
	}
	for i := len(c.outer) - 1; i >= 0; i-- {
		if c.outer[i].Boundary == "" {
			continue
		}
		if closing, ok := matches(data, c.outer[i].Boundary); ok {
			c.begin(c.outer[:i+1], closing)
			return true
		}
	}
	return false
}

// begin starts what follows a boundary of the last part of outer.
func (c *Converter) begin(outer []part, closing bool) {
	if !c.inBody {
		c.endHeaderLine()
		c.encodingLine()
	}
	within := outer[len(outer)-1]
	c.primary = true
	if closing {
		// What comes until the next boundary belongs to no part.
		c.outer, c.part, c.inBody = outer[:len(outer)-1], part{}, true
		return
	}
	c.outer, c.part, c.inBody = outer, part{Type: within.Inside()}, false
}

// matches compares a line with a boundary. White space may follow it.
func matches(line []byte, boundary string) (closing, ok bool) {
	rest, ok := bytes.CutPrefix(line[2:], []byte(boundary))
	if !ok {
		return false, false
	}
	rest, closing = bytes.CutPrefix(rest, []byte("--"))
	return closing, len(bytes.TrimLeft(rest, " \t\r")) == 0
}
