// Package convert changes the content of a message on its way:
// 8-bit parts become quoted-printable, and header lines may be rewritten.
//
// Sources: RFC 2045 and 2046 (MIME); RFC 6152, section 3.
package convert

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"postrider/lib/mail/mime"
)

const (
	nesting     = 101        // multiparts inside each other
	boundaryMax = 2048       // bytes of a boundary that are compared
	headerMax   = 100 * 1024 // a longer header line is passed on as it is
)

// ErrNesting says that parts could not be followed, and changed where it must be.
var ErrNesting = errors.New("MIME nesting exceeds safety limit")

// A Converter takes the lines of a message and passes them on, changed where need
// be. Lines may come in pieces; only the last one is "ended".
type Converter struct {
	SevenBit bool // change 8-bit parts to quoted-printable

	// Header, unless nil, says what to send instead of a header line: nothing,
	// or several. Continuation lines are separated by newlines. Made are lines that
	// tell of a new encoding.
	Header func(place Place, line string, made bool) ([]string, error)

	Out  func(data []byte, ended bool) error
	Body func(data []byte, ended bool) error // lines of bodies; nil: Out

	inBody  bool
	part    part
	outer   []mime.Type // the multiparts around, innermost last
	header  []byte      // the header line at hand, with its continuation lines
	begun   bool        // a physical line was begun
	passing bool        // the header line at hand was too long to keep
	place   Place       // of headers that come now
	qp      quoted
}

// A Place is where a header line stands.
type Place int

// Places.
const (
	Own    Place = iota // in the header of the message
	Part                // of a part
	Nested              // of a message in the message
)

// A part is one entity of the message: its header, then its body.
type part struct {
	mime.Type
	eightBit bool // so its header says
}

// Line takes a line, or a piece of one.
func (c *Converter) Line(data []byte, ended bool) error {
	first := !c.begun
	c.begun = !ended
	if first {
		switch found, err := c.boundary(data); {
		case err != nil:
			return err
		case found:
			return c.emit(data, ended)
		}
	}
	if c.inBody {
		if c.SevenBit && c.part.eightBit && c.part.Kind == mime.Leaf {
			return c.qp.line(data, ended, c.emit)
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

// emit passes on a line of a body, or one between the parts.
func (c *Converter) emit(data []byte, ended bool) error {
	if c.Body != nil {
		return c.Body(data, ended)
	}
	return c.Out(data, ended)
}

// headerLine collects a header line; the next line that is none ends it.
func (c *Converter) headerLine(data []byte, first, ended bool) error {
	switch {
	case !first && c.passing:
		return c.Out(data, ended)
	case !first:
		c.header = append(c.header, data...)
	case len(data) == 0 && ended:
		return c.endHeader(true)
	case data0(data) && len(c.header) > 0:
		c.header = append(append(c.header, '\n'), data...)
	case data0(data) && c.passing:
		return c.Out(data, ended)
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
		switch {
		case c.part.Kind != mime.Multipart:
		case len(c.outer) <= nesting:
			c.outer = append(c.outer, c.part.Type)
		case c.SevenBit:
			return errors.Join(c.headerLines(text, false), ErrNesting)
		}
	case strings.EqualFold(name, "Content-Transfer-Encoding"):
		word := mime.ParseEncoding(value)
		c.part.eightBit = word == "8bit" || word == "binary"
		if c.SevenBit && c.part.eightBit {
			return nil // encodingLine says what it is now
		}
	}
	return c.headerLines(text, false)
}

// headerLines passes on a whole header line, or what comes instead.
func (c *Converter) headerLines(text string, made bool) error {
	if c.Header == nil {
		return c.lines(text, true)
	}
	list, err := c.Header(c.place, text, made)
	if err != nil {
		return err
	}
	for _, text := range list {
		if err := c.lines(text, true); err != nil {
			return err
		}
	}
	return nil
}

// lines passes on a text of several lines.
func (c *Converter) lines(text string, ended bool) error {
	for {
		line, rest, more := strings.Cut(text, "\n")
		if err := c.Out([]byte(line), more || ended); err != nil || !more {
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
	c.inBody = true
	if c.part.Kind == mime.Message {
		c.part, c.place = part{}, Nested
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
		return c.headerLines("Content-Transfer-Encoding: quoted-printable", true)
	}
	return c.headerLines("Content-Transfer-Encoding: 7bit", true)
}

// boundary tells whether a line ends the part at hand: a boundary of one of the
// multiparts around it. The header of the next part begins, or the multipart
// is over.
func (c *Converter) boundary(data []byte) (found bool, err error) {
	if len(c.outer) == 0 || !bytes.HasPrefix(data, []byte("--")) || !c.inBody && c.place == Own {
		return false, nil
	}
	for i, around := range slices.Backward(c.outer) {
		if rest, ok := bytes.CutPrefix(data[2:], []byte(around.Boundary)); ok {
			if !c.inBody {
				err = errors.Join(c.endHeaderLine(), c.encodingLine())
			}
			c.begin(i, bytes.HasPrefix(rest, []byte("--")))
			return true, err
		}
	}
	return false, nil
}

// begin starts what follows a boundary of a multipart.
func (c *Converter) begin(depth int, closing bool) {
	c.place = Part
	if closing {
		// What comes until the next boundary belongs to no part.
		c.outer, c.part, c.inBody = c.outer[:depth], part{}, true
		return
	}
	c.part, c.inBody = part{Type: c.outer[depth].Inside()}, false
	c.outer = c.outer[:depth+1]
}
