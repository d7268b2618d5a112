package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/mail/record"
)

// Options say what to show of a file, and how.
type options struct {
	body, envelope, header bool
	types, offsets         bool
	raw, verbose           bool
	start                  int64
}

// A part of a queue file.
type part int

const (
	inEnvelope part = iota
	inHeader
	inBody
	inExtracted
)

// A dump prints one file.
type dump struct {
	options
	out  *bufio.Writer
	in   *record.Reader
	file io.ReaderAt
	path string
	part part

	piece bool // the record before was a piece of a line
	open  bool // the line that was printed last is not complete
	named bool // the begin of the file was printed
}

func newDump(out *bufio.Writer, o options, f io.ReaderAt, path string) *dump {
	in := record.NewReader(f)
	in.Raw = true // pointers are followed here, because -v shows them
	in.SeekTo(o.start)
	return &dump{options: o, out: out, in: in, file: f, path: path, named: o.start > 0}
}

// run prints all records. The error is one of reading.
func (d *dump) run() error {
	var first [1]byte
	if n, _ := d.file.ReadAt(first[:], 0); n == 1 && d.start == 0 && strings.IndexByte(record.EnvelopeTypes, first[0]) < 0 {
		d.warn("input is not a valid queue file")
		return nil
	}
	follow := follower{path: d.path}
	for {
		t, data, err := d.in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			d.out.WriteString(d.ending())
			if errors.Is(err, io.ErrUnexpectedEOF) {
				d.cut()
			}
			return err
		}
		if t == record.Pointer {
			d.layout(t, data)
			if !d.raw {
				target, err := follow.target(d.in.Offset(), data)
				if err != nil {
					return err
				}
				if target > 0 {
					d.in.SeekTo(target)
				}
			}
			continue
		}
		if d.record(t, data) {
			return nil
		}
	}
}

// record prints a record. Done says that it was the last one.
func (d *dump) record(t record.Type, data []byte) (done bool) {
	switch {
	case t == record.Padding:
		d.layout(t, data)
	case t == record.Message:
		d.message()
	case t == record.Extracted:
		d.extracted()
	case t == record.End:
		if d.part != inEnvelope && d.part != inExtracted {
			d.warn("out-of-order message end marker")
		}
		d.section("MESSAGE FILE END")
		return true
	case d.part == inHeader || d.part == inBody:
		d.content(t, data)
		return d.part == inBody && !d.body && !d.envelope
	default:
		d.metadata(t, data)
	}
	return false
}

// cut warns of a record that the file ends in.
func (d *dump) cut() {
	var begin [6]byte // the type and the length
	n, _ := d.file.ReadAt(begin[:], d.in.Offset())
	length := 0
	for i := 1; i < n; i++ {
		length |= int(begin[i]&0x7f) << (7 * (i - 1))
		if begin[i] < 0x80 {
			d.warn(fmt.Sprintf("unexpected EOF in data, record type %d length %d", begin[0], length))
			return
		}
	}
	d.warn("unexpected EOF in the length of a record")
}

func (d *dump) warn(text string) {
	d.out.Flush()
	msg.Warn("%s: %s", d.path, text)
}

// prefix prints where a record is and which type it has.
func (d *dump) prefix(t record.Type) {
	if d.offsets {
		d.out.WriteString(pad(strconv.FormatInt(d.in.Offset(), 10), 9) + " ")
	}
	if d.types {
		d.out.WriteString(pad(strconv.Itoa(int(t)), 3) + " ")
	}
}

func pad(text string, width int) string {
	return strings.Repeat(" ", max(0, width-len(text))) + text
}

// section prints the line between two parts of the file.
func (d *dump) section(title string) {
	if !d.envelope {
		return
	}
	d.out.WriteString(d.ending())
	t := map[string]record.Type{"MESSAGE CONTENTS": record.Message, "HEADER EXTRACTED": record.Extracted, "MESSAGE FILE END": record.End}[title]
	if t != 0 {
		d.prefix(t)
	}
	d.out.WriteString("*** " + title + " " + d.path + " ***\n")
}

// ending ends a line of the message that the file leaves open.
func (d *dump) ending() string {
	if !d.open {
		return ""
	}
	d.open = false
	return "\n"
}

// layout shows a record that only says where to go on.
func (d *dump) layout(t record.Type, data []byte) {
	if d.verbose && (d.envelope || d.part == inHeader && d.header || d.part == inBody && d.body) {
		d.line(t, data)
	}
}

func (d *dump) line(t record.Type, data []byte) {
	d.begin()
	d.prefix(t)
	d.out.WriteString(t.String() + ": ")
	d.out.Write(data)
	d.out.WriteByte('\n')
}

// begin prints the title of the envelope.
func (d *dump) begin() {
	if !d.named {
		d.named = true
		d.section("ENVELOPE RECORDS")
	}
}

// message goes on with the content.
func (d *dump) message() {
	d.begin()
	if d.part != inEnvelope {
		d.warn("out-of-order message content marker")
	}
	d.section("MESSAGE CONTENTS")
	d.part = inHeader
}

func (d *dump) extracted() {
	if d.part != inHeader && d.part != inBody {
		d.warn("out-of-order extracted segment marker")
	}
	d.section("HEADER EXTRACTED")
	d.part = inExtracted
}

// content prints a line of the message, or a piece of one.
func (d *dump) content(t record.Type, data []byte) {
	if t != record.Text && t != record.Continued {
		d.out.WriteString(d.ending())
		d.metadata(t, data)
		return
	}
	if d.part == inHeader && !d.piece && !headerLine(data) {
		d.part = inBody
	}
	d.piece = t == record.Continued
	if d.part == inHeader && !d.header || d.part == inBody && !d.body {
		return
	}
	d.prefix(t)
	if d.verbose {
		d.out.WriteString(contentNames[t] + ": ")
	}
	d.out.Write(data)
	if t == record.Text || d.verbose || d.offsets {
		d.out.WriteByte('\n')
		d.open = false
		return
	}
	d.open = true
}

// contentNames are what lines of the message are called with -v.
var contentNames = map[record.Type]string{record.Text: "regular_text", record.Continued: "unterminated_text"}

// headerLine reports whether a line belongs to the header: name and colon, or a
// line that continues one.
func headerLine(line []byte) bool {
	if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
		return true
	}
	name, _, ok := bytes.Cut(line, []byte(":"))
	name = bytes.TrimRight(name, " \t")
	return ok && len(name) > 0 && !bytes.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// metadata prints a record of the envelope.
func (d *dump) metadata(t record.Type, data []byte) {
	if !d.envelope {
		return
	}
	switch t {
	case record.Time:
		d.line(t, asDate(data))
	case record.Warn:
		d.line(t, asDate(data))
	case record.Attribute:
		d.attribute(t, data)
	default:
		d.line(t, data)
	}
}

// attribute prints name=value; the creation time as a date.
func (d *dump) attribute(t record.Type, data []byte) {
	name, value, ok := record.SplitAttribute(data)
	switch {
	case !ok:
		d.begin()
		d.warn("malformed attribute: missing '=' after attribute name: " + strings.ToValidUTF8(string(data), "?"))
	case name == "create_time":
		d.begin()
		d.prefix(t)
		d.out.WriteString("create_time: ")
		d.out.Write(asDate([]byte(value)))
		d.out.WriteByte('\n')
	default:
		d.line(t, data)
	}
}

// asDate is a number of seconds as a date.
func asDate(data []byte) []byte {
	digits, _, _ := bytes.Cut(bytes.TrimSpace(data), []byte(" "))
	n, _ := strconv.ParseInt(string(digits), 10, 64)
	return []byte(time.Unix(n, 0).Format("Mon Jan _2 15:04:05 2006"))
}

// A follower checks pointers.
type follower struct {
	path  string
	jumps int
}

// jumpLimit is how often pointers may go backwards.
const jumpLimit = 10000

var errPointer = errors.New("bad pointer record")

// target is the place that a pointer at offset names; 0: go on behind it.
func (f *follower) target(offset int64, data []byte) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil || n < 0 {
		msg.Warn("%s: malformed pointer record value: %.100s", f.path, strings.TrimSpace(string(data)))
		return 0, errPointer
	}
	if n > 0 && n <= offset {
		if f.jumps++; f.jumps > jumpLimit {
			msg.Warn("%s: too many reverse jump records", f.path)
			return 0, errPointer
		}
	}
	return n, nil
}
