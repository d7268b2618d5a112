package main

import (
	"bytes"
	"strings"

	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
)

// A content turns the text of a message into records. Lines that are longer
// than line_length_limit become several records and are whole again when they
// are delivered.
type content struct {
	queue    submission
	limit    int64 // message_size_limit; 0: none
	line     int
	received int64 // bytes, as on the network: a line ends in CR LF
	status   cleanup.Status

	partial bool   // a line has begun
	rest    []byte // of the line, that fits into one record with what comes
	started bool   // the first line was seen
	held    []byte // a chunk ended within this line
	bytes   int64  // that came in chunks
}

// header sends a header line of our own, which may be folded.
func (c *content) header(text string) {
	for line := range strings.SplitSeq(text, "\n") {
		c.queue.Record(record.Text, line)
	}
}

// piece takes a line, or a part of one when end is false.
func (c *content) piece(line []byte, end bool) {
	c.received += int64(len(line))
	if end {
		c.received += 2
	}
	if c.limit > 0 && c.received > c.limit {
		c.status |= cleanup.StatusSize
	}
	if c.status != 0 || c.queue.Err() != nil {
		return
	}
	if !c.started {
		if end && !c.partial && fromLine(line) {
			c.queue.Record(record.Text, "X-Mailbox-Line: "+string(line))
			return
		}
		c.started = true
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			c.queue.Record(record.Text, "") // no header to continue: this is the body
		}
	}
	if len(c.rest) > 0 {
		line = append(c.rest, line...)
	}
	for len(line) > c.line {
		c.queue.RecordBytes(record.Continued, line[:c.line])
		line = line[c.line:]
	}
	if end {
		c.queue.RecordBytes(record.Text, line)
		line = nil
	}
	c.rest = append(c.rest[:0], line...)
	c.partial = !end
}

// fromLine recognizes the line before a message in a mailbox file.
func fromLine(line []byte) bool {
	line = bytes.TrimLeft(line, ">")
	return len(line) >= 5 && strings.EqualFold(string(line[:5]), "From ")
}

// chunk takes a part of the message that BDAT sent. There, lines end where
// they end, and dots mean nothing.
func (c *content) chunk(data []byte, bare bareNewline) {
	for len(data) > 0 {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			c.hold(data)
			return
		}
		line := data[:i]
		if len(c.held) > 0 {
			c.held = append(c.held, line...)
			line = c.held
		}
		if !bytes.HasSuffix(line, []byte{'\r'}) && bare == bareReject {
			c.status |= cleanup.StatusBareLF
		}
		c.piece(bytes.TrimRight(line, "\r"), true)
		c.held = c.held[:0]
		data = data[i+1:]
	}
}

// hold keeps the begin of a line until its end comes; of a long one only a
// part.
func (c *content) hold(data []byte) {
	for len(c.held)+len(data) > c.line+2 {
		n := c.line + 2 - len(c.held)
		c.held = append(c.held, data[:n]...)
		data = data[n:]
		keep := len(c.held) - len(bytes.TrimRight(c.held, "\r"))
		cut := len(c.held) - keep
		if cut == 0 { // nothing but CR: they are text
			cut = len(c.held)
		}
		c.piece(c.held[:cut], false)
		c.held = append(c.held[:0], c.held[cut:]...)
	}
	c.held = append(c.held, data...)
}

// end finishes a last line without an end.
func (c *content) end() {
	if len(c.held) > 0 || c.partial {
		c.piece(c.held, true)
		c.held = nil
		c.bytes += 2
	}
}
