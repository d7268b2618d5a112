package main

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/record"
)

// An original is the message that a notice is about. When it cannot be read,
// the notice goes out without it.
type original struct {
	f         *queue.File
	in        *record.Reader
	readable  bool      // up to the content
	content   int64     // offset of the first record of the content
	size      int64     // of the content
	arrival   time.Time // zero when unknown
	sender    string    // internal form
	hasSender bool
	messageID string // "<id>", when notices are threaded
}

// openOriginal reads the envelope of a queue file.
func openOriginal(name queue.Name, id string) *original {
	o := &original{}
	f, err := queue.OpenRead(name, id)
	if err != nil {
		msg.Debug("%s: read message: %v", id, err)
		return o
	}
	o.f, o.in = f, record.NewReader(f)
	f.Lock(false)
	if err := o.envelope(); err != nil {
		msg.Warn("%s: read envelope in queue %s: %v", id, name, err)
		return o
	}
	if conf.EnableThreadedBounces && o.messageID == "" {
		o.messageID = o.findMessageID()
	}
	return o
}

func (o *original) close() {
	if o.f != nil {
		o.f.Close()
	}
}

func (o *original) envelope() error {
	for {
		t, data, err := o.in.Next()
		switch {
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case strings.IndexByte(record.EnvelopeTypes, byte(t)) < 0:
			return record.ErrLength
		}
		switch t {
		case record.Message:
			o.content, o.readable = o.in.Tell(), true
			return nil
		case record.Size:
			if sizes, err := record.ParseSizes(data); err == nil {
				o.size = max(sizes.Content, sizes.Span)
			}
		case record.Time:
			o.setArrival(string(data))
		case record.From:
			o.sender, o.hasSender = string(data), true
		case record.Attribute:
			if name, value, ok := record.SplitAttribute(data); ok && name == "message_id" {
				o.setMessageID(value)
			}
		}
	}
}

func (o *original) setArrival(text string) {
	seconds, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	if n, err := strconv.ParseInt(seconds, 10, 64); err == nil && n > 0 && o.arrival.IsZero() {
		o.arrival = time.Unix(n, 0)
	}
}

func (o *original) setMessageID(id string) {
	if conf.EnableThreadedBounces && validMessageID(id) {
		o.messageID = id
	}
}

// validMessageID reports whether text is <left@right> and nothing else.
func validMessageID(text string) bool {
	return len(text) > 4 && len(text) < 900 && text[0] == '<' && strings.IndexByte(text, '>') == len(text)-1 &&
		strings.Contains(text, "@") && !strings.ContainsAny(text, " \t\r\n\x00") && printable(text) == text
}

// lines ranges over the records of the content. It ends where the file does,
// broken or not.
func (o *original) lines(yield func(t record.Type, data []byte) bool) {
	if !o.readable {
		return
	}
	o.in.SeekTo(o.content)
	for {
		t, data, err := o.in.Next()
		if err != nil || t != record.Text && t != record.Continued || !yield(t, data) {
			return
		}
	}
}

// header ranges over the records of the header, without the line that ends it.
func (o *original) header(yield func(t record.Type, data []byte) bool) {
	previous := record.Text
	first := true
	for t, data := range o.lines {
		if previous == record.Text && !headerLine(data, first) {
			return
		}
		if !yield(t, data) {
			return
		}
		previous, first = t, false
	}
}

// headerLine reports whether a line belongs to a header: name and colon, or
// the continuation of a line before.
func headerLine(line []byte, first bool) bool {
	if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
		return !first
	}
	name, _, ok := bytes.Cut(line, []byte(":"))
	name = bytes.TrimRight(name, " \t")
	if !ok || len(name) == 0 {
		return false
	}
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// findMessageID looks for the message ID in the header.
func (o *original) findMessageID() string {
	const name = "message-id:"
	id, inside := "", false
	for _, data := range o.header {
		switch {
		case inside && len(data) > 0 && (data[0] == ' ' || data[0] == '\t'):
			id += string(data)
		case inside:
			inside = false
		}
		if !inside && id == "" && len(data) > len(name) && strings.EqualFold(string(data[:len(name)]), name) {
			id, inside = string(data[len(name):]), true
		}
		if len(id) > 1000 {
			return ""
		}
	}
	if id = strings.TrimSpace(id); validMessageID(id) {
		return id
	}
	return ""
}
