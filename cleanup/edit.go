package main

import (
	"bytes"
	"io"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
)

// What mail filters change is written behind the end of the queue file, and
// pointers that were reserved for this lead readers there and back: instead of
// the sender, in front of the text (which then is all of its headers, and the old
// or the new body), and at the end of the recipients and of the last section. The
// file is not promised to anybody yet, so that the order of these writes does not
// matter.

// edits are the changes to a message.
type edits struct {
	senderAt, senderEnd int64 // the sender and its padding; 0: no room
	recipientsAt        int64 // reserved pointers
	contentAt           int64
	extractedAt         int64
	bodyAt              int64 // the empty line before the body
	endAt               int64 // the record behind the text
	fileEnd             int64

	aside      bool // records are being collected, for later
	sender     []byte
	recipients []byte
	headers    []string // nil: as they are in the file
	own        int      // which of them the mail system itself has put in front
	body       int64    // where the new body is; 0: as it is
	bodySize   int64
	part       newBody
	raised     bool // the limit of file sizes
	grown      int  // how much text filters have added, the body apart
}

// newBody is a body that a filter is sending.
type newBody struct {
	at   int64
	line []byte
	size int64
}

// pointerSize is the length of a pointer record.
const pointerSize = 17

// room reserves a pointer, when filters may need it.
func (m *message) room(at *int64) {
	if m.hasMilters() {
		*at = m.offset()
		m.put(record.Pointer, record.Number(0))
	}
}

// Headers calls yield for each header but the first, which is our own.
func (m *message) Headers(yield func(name, value string) bool) error {
	i := -1
	return m.eachHeader(func(text string) bool {
		if i++; i == m.milters.own {
			return true
		}
		name, value, ok := strings.Cut(text, ":")
		return !ok || yield(name, value)
	})
}

// eachHeader calls yield for the headers as they are now.
func (m *message) eachHeader(yield func(text string) bool) error {
	if m.milters.headers != nil {
		for _, text := range m.milters.headers {
			if !yield(text) {
				break
			}
		}
		return nil
	}
	m.flush()
	r := record.NewReader(m.file)
	r.SeekTo(m.milters.contentAt + pointerSize)
	text, partial := "", false
	for r.Tell() < m.milters.bodyAt {
		t, data, err := r.Next()
		if err != nil {
			return err
		}
		switch {
		case partial:
		case text != "" && len(data) > 0 && (data[0] == ' ' || data[0] == '\t'):
			text += "\n"
		default:
			if text != "" && !yield(text) {
				return nil
			}
			text = ""
		}
		text += string(data)
		partial = t == record.Continued
	}
	if text != "" {
		yield(text)
	}
	return nil
}

// Body calls yield for pieces of the body as it is now.
func (m *message) Body(yield func(piece []byte) bool) error {
	m.flush()
	r := record.NewReader(m.file)
	r.SeekTo(m.milters.bodyAt)
	if m.milters.body > 0 {
		r.SeekTo(m.milters.body)
	}
	for first := true; ; first = false {
		t, data, err := r.Next()
		switch {
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case t == record.Extracted:
			return nil
		case first: // the empty line
			continue
		}
		more := yield(data)
		if more && t == record.Text {
			more = yield([]byte("\r\n"))
		}
		if !more {
			return nil
		}
	}
}

// load reads the headers, for changes.
func (m *message) load() bool {
	if m.milters.headers != nil {
		return true
	}
	list := []string{}
	if err := m.eachHeader(func(text string) bool { list = append(list, text); return true }); err != nil {
		msg.Warn("%s: read the headers: %v", m.id, err)
		m.status |= cleanup.StatusWrite
		return false
	}
	m.milters.headers = list
	return true
}

// joined is a header as a filter wants it, with newlines between its lines. Lines
// that do not continue it are made to: no filter ends the headers by mistake.
func joined(name, value string) string {
	lines := strings.Split(strings.TrimRight(value, "\r\n"), "\n")
	for i, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		if i > 0 && (line == "" || line[0] != ' ' && line[0] != '\t') {
			line = "\t" + line
		}
		lines[i] = line
	}
	return name + ":" + strings.Join(lines, "\n")
}

// checkHeader looks a header that a filter wants up in milter_header_checks. It
// returns what to write, if anything.
func (m *message) checkHeader(name, value string) (text string, wanted bool) {
	text = joined(name, value)
	if !m.grow(len(text)) || !m.load() {
		return "", false
	}
	m.milters.checking = true
	v := m.check(maps.milterHeader, "header", text)
	m.milters.checking = false
	switch {
	case v.prepend != "":
		msg.Warn("the milter_header/body_checks prepend action is not implemented")
	case v.replace != nil:
		text = *v.replace
	}
	if eightBit([]byte(text)) {
		m.sizes.SMTPUTF8 |= record.UTF8Header
	}
	return text, !v.drop && m.status == 0
}

// grow limits what filters can add to a message. False: that is too much, or the
// message is refused already.
func (m *message) grow(n int) bool {
	m.milters.grown += n
	if limit := conf.MessageSizeLimit; limit > 0 && int64(m.milters.grown) > limit {
		m.status |= cleanup.StatusSize
	}
	return m.status == 0
}

// AddHeader adds a header behind all others.
func (m *message) AddHeader(name, value string) {
	if text, wanted := m.checkHeader(name, value); wanted {
		m.milters.headers = append(m.milters.headers, text)
	}
}

// InsertHeader adds a header in front of the one at index, our own counted.
func (m *message) InsertHeader(index int, name, value string) {
	text, wanted := m.checkHeader(name, value)
	if !wanted {
		return
	}
	list := m.milters.headers
	at := min(index, len(list))
	if at <= m.milters.own {
		m.milters.own++
	}
	m.milters.headers = append(list[:at:at], append([]string{text}, list[at:]...)...)
}

// find is the place of a header in the list, or -1. Our own is not counted.
func (m *message) find(index int, name string) int {
	for i, text := range m.milters.headers {
		found, _, _ := strings.Cut(text, ":")
		if i != m.milters.own && strings.EqualFold(found, name) {
			if index--; index == 0 {
				return i
			}
		}
	}
	return -1
}

// ChangeHeader replaces a header, or adds it when it is not there.
func (m *message) ChangeHeader(index int, name, value string) {
	text, wanted := m.checkHeader(name, value)
	if !wanted {
		return
	}
	if i := m.find(index, name); i >= 0 {
		m.milters.headers[i] = text
		return
	}
	m.milters.headers = append(m.milters.headers, text)
}

// DeleteHeader removes a header.
func (m *message) DeleteHeader(index int, name string) {
	if !m.load() {
		return
	}
	if i := m.find(index, name); i >= 0 {
		if i < m.milters.own {
			m.milters.own--
		}
		m.milters.headers = append(m.milters.headers[:i:i], m.milters.headers[i+1:]...)
	}
}

// ReplaceBody takes a piece of a new body.
func (m *message) ReplaceBody(piece []byte) {
	b := &m.milters.part
	if b.at == 0 {
		m.raiseLimit()
		*b = newBody{at: m.offset()}
		m.put(record.Text, "") // the end of the headers
	}
	b.size += int64(len(piece))
	if limit := conf.MessageSizeLimit; limit > 0 && b.size > limit {
		m.status |= cleanup.StatusSize
		return
	}
	for {
		i := bytes.IndexByte(piece, '\n')
		if i < 0 {
			break
		}
		b.line = append(b.line, piece[:i]...)
		m.bodyPiece(record.Text, bytes.TrimSuffix(b.line, []byte{'\r'}))
		b.line, piece = b.line[:0], piece[i+1:]
	}
	b.line = append(b.line, piece...)
	for n := conf.LineLengthLimit; len(b.line) > n+1; b.line = b.line[n:] {
		m.putBytes(record.Continued, b.line[:n])
	}
}

// bodyPiece writes a line in pieces that readers take.
func (m *message) bodyPiece(t record.Type, line []byte) {
	for n := conf.LineLengthLimit; len(line) > n; line = line[n:] {
		m.putBytes(record.Continued, line[:n])
	}
	m.putBytes(t, line)
}

// EndBody is the end of a new body. When it is not whole, the old one stays.
func (m *message) EndBody(done bool) {
	b := m.milters.part
	m.milters.part = newBody{}
	if !done || b.at == 0 {
		return
	}
	if len(b.line) > 0 {
		m.bodyPiece(record.Text, b.line)
	}
	m.milters.body, m.milters.bodySize = b.at, m.offset()-b.at
	m.put(record.Pointer, record.Number(m.milters.endAt))
}
