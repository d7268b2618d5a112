package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/mail/convert"
	"postrider/lib/mail/dsn"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
)

// A message is one queue file in the making.
type message struct {
	file    *queue.File
	id      string
	flags   int            // what the client asked for
	status  cleanup.Status // what went wrong
	reason  string         // for the client, when there is more to say
	section func(*message, record.Type, []byte)

	out     []byte // what is not written yet
	written int64  // bytes in the file

	envelope
	header    header
	content   content
	decisions decisions
	milters   milters
	sizes     record.Sizes
}

// envelope is what is known of the message from its envelope.
type envelope struct {
	arrival    time.Time
	senderSeen bool
	sender     string // internal form, after mapping
	fullName   string
	converter  *convert.Converter // nil: the text stays as it is
	context    string             // "local" or "remote"
	logOrigin  string             // who sent it, for the log
	protocol   string
	helo       string
	count      int  // of attributes
	warned     bool // the record of the delay warning is written
	encoding   string

	pending       recipient // attributes for the next recipient
	recipients    duplicates
	lastRecipient string
	rcptSeen      bool     // a recipient was written to the envelope
	bcc           []string // automatic recipients, in external form
	copying       bool     // they are being added
}

// content is what is counted of headers and body.
type content struct {
	body      bool
	parts     parts
	received  int
	messageID string
	logged    bool
}

// writeSize is how much of a message is collected before it is written. Most
// messages are written in one piece.
const writeSize = 64 * 1024

var output = make([]byte, 0, writeSize+8192)

func newMessage(f *queue.File) *message {
	m := &message{file: f, id: f.ID, out: output[:0], section: (*message).envelopeRecord}
	m.context = "local"
	m.put(record.Size, record.Sizes{}.String())
	return m
}

// take handles one record of the client. After trouble the rest is read and
// thrown away, so that the client can finish.
func (m *message) take(t record.Type, data []byte) {
	if m.status != 0 && !m.wanted() {
		return
	}
	if t == record.CleanupFlags {
		m.extraFlags(data)
		return
	}
	if m.converter != nil && m.convert(t, data) {
		return
	}
	m.section(m, t, data)
}

// startConversion makes quoted-printable of what claims to be 8-bit, in front of all that
// looks at the text.
func (m *message) startConversion() {
	m.converter = &convert.Converter{SevenBit: true, Out: func(data []byte, ended bool) error {
		t := record.Text
		if !ended {
			t = record.Continued
		}
		m.section(m, t, data)
		return nil
	}}
}

// convert takes a record of the text. False means that it is one of another kind. Parts that
// are too deep to follow stay as they are.
func (m *message) convert(t record.Type, data []byte) bool {
	switch t {
	case record.Text, record.Continued:
		m.converter.Line(data, t == record.Text)
		return true
	case record.Extracted:
		m.converter.Finish()
		m.converter = nil
	}
	return false
}

// wanted reports whether anybody will read the message: a mailbox, or a notice.
func (m *message) wanted() bool {
	if m.flags&cleanup.FlagDiscard != 0 {
		return false
	}
	return m.status == 0 || m.flags&cleanup.FlagBounce != 0 && m.status&fatal == 0
}

// fatal are the kinds of trouble that a bounce message cannot repair.
const fatal = cleanup.StatusBad | cleanup.StatusWrite | cleanup.StatusSize | cleanup.StatusDefer

func (m *message) extraFlags(data []byte) {
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || n&^cleanup.MaskExtra != 0 {
		m.bad("bad extra flags: %q", data)
		return
	}
	m.flags |= n
}

// bad says that the client broke the protocol.
func (m *message) bad(format string, args ...any) {
	msg.Warn("%s: message from %s rejected: %s", m.id, m.origin(), fmt.Sprintf(format, args...))
	m.status |= cleanup.StatusBad
}

// origin is who sent the message, for the log.
func (m *message) origin() string {
	if o := m.logOrigin; o != "" {
		return o
	}
	return "local"
}

// offset is where the next record will be.
func (m *message) offset() int64 { return m.written + int64(len(m.out)) }

// put writes one record.
func (m *message) put(t record.Type, data string) {
	m.out = record.Append(m.out, t, data)
	m.flushLarge()
}

func (m *message) putBytes(t record.Type, data []byte) {
	m.out = record.Append(m.out, t, data)
	m.flushLarge()
}

func (m *message) flushLarge() {
	if len(m.out) >= writeSize && !m.milters.aside {
		m.flush()
	}
}

// flush brings what was collected into the file.
func (m *message) flush() {
	n, err := m.file.Write(m.out)
	m.written += int64(n)
	m.out = m.out[:0]
	if err != nil {
		m.writeError(err)
	}
}

func (m *message) writeError(err error) {
	if errors.Is(err, syscall.EFBIG) {
		m.status |= cleanup.StatusSize
		return
	}
	msg.Warn("%s: write queue file: %v", m.id, err)
	m.status |= cleanup.StatusWrite
}

// attribute writes name=value.
func (m *message) attribute(name, value string) { m.put(record.Attribute, name+"="+value) }

// notify remembers, for the size record, what senders want to hear.
func (m *message) notify(n dsn.Notify) { m.sizes.Flags |= int64(n) << 1 }
