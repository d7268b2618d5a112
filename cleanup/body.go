package main

import (
	"bytes"
	"strconv"
	"strings"

	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
)

// contentRecord copies a line of the body, or a piece of one.
func (m *message) contentRecord(t record.Type, data []byte) {
	switch t {
	case record.Text, record.Continued:
		if data = m.clean(data); m.wanted() {
			m.bodyRecord(t, data)
		}
	case record.Extracted:
		if m.content.parts.inside {
			m.put(record.Text, "") // the last line has an end
		}
		m.endContent()
	default:
		m.bad("unexpected record type %q in the message text", byte(t))
	}
}

// bodyRecord follows the structure of the message.
func (m *message) bodyRecord(t record.Type, data []byte) {
	p := &m.content.parts
	start := !p.inside
	p.inside = t == record.Continued
	closing, ok := false, false
	if start {
		closing, ok = p.boundary(data)
	}
	m.bodyLine(t, data)
	switch {
	case ok && closing: // what comes until the next boundary belongs to no part
		p.part.Kind, p.encoding = 0, ""
	case ok:
		p.beginPart()
		m.section = (*message).headerRecord
	}
}

// characters that the site does not want in messages.
type characters struct{ reject, strip string }

// clean takes away what may not stand inside a line, or refuses it.
func (m *message) clean(data []byte) []byte {
	var unwanted characters
	if m.flags&cleanup.FlagFilter != 0 {
		unwanted = maps.characters
	}
	if unwanted.reject != "" && m.status == 0 {
		for _, c := range data {
			if strings.IndexByte(unwanted.reject, c) >= 0 {
				m.refuse("content", string(data), "disallowed character")
				break
			}
		}
	}
	if unwanted.strip == "" && (!conf.ReplaceStrayCRLF || bytes.IndexByte(data, '\r') < 0 && bytes.IndexByte(data, '\n') < 0) {
		return data
	}
	return cleaned(make([]byte, 0, len(data)), data, unwanted.strip)
}

// cleaned appends what is left of rest to result.
func cleaned(result, rest []byte, strip string) []byte {
	for _, c := range rest {
		switch {
		case strings.IndexByte(strip, c) >= 0:
		case conf.ReplaceStrayCRLF && (c == '\r' || c == '\n'):
			result = append(result, ' ')
		default:
			result = append(result, c)
		}
	}
	return result
}

// unescape reads a list of characters with C escapes.
func unescape(list string) string {
	var b strings.Builder
	for i := 0; i < len(list); i++ {
		if list[i] != '\\' || i+1 == len(list) {
			b.WriteByte(list[i])
			continue
		}
		i++
		if k := strings.IndexByte("abfnrtv", list[i]); k >= 0 {
			b.WriteByte("\a\b\f\n\r\t\v"[k])
			continue
		}
		n := i
		for n < len(list) && n < i+3 && list[n] >= '0' && list[n] <= '7' {
			n++
		}
		if n == i {
			b.WriteByte(list[i])
			continue
		}
		c, _ := strconv.ParseUint(list[i:n], 8, 16)
		b.WriteByte(byte(c))
		i = n - 1
	}
	return b.String()
}

// endContent closes the content section and notes what was learned from it.
func (m *message) endContent() {
	m.sizes.Span = m.offset() - m.sizes.DataOffset
	m.sizes.Content = m.sizes.Span
	m.milters.endAt = m.offset()
	m.put(record.Extracted, "")
	if m.content.parts.error != "" {
		m.status |= cleanup.StatusCont
		m.reason = "5.6.0 " + m.content.parts.error
	}
	m.writeDecisions()
	if m.encoding != "8bit" && m.content.parts.eightBit {
		m.attribute("encoding", "8bit")
	}
	m.section = (*message).extractedRecord
}

// extractedRecord handles what follows the message text: recipients from
// headers, and late decisions of the client.
func (m *message) extractedRecord(t record.Type, data []byte) {
	switch t {
	case record.Attribute, record.NotifyFlags, record.OriginalRecipient, record.Original, record.Recipient:
		m.recipientRecord(t, data)
	case record.Filter, record.Redirect:
		m.destination(t, data)
	case record.End:
		m.copies()
		m.room(&m.milters.extractedAt)
		m.milters.fileEnd = m.offset()
		m.put(record.End, "")
		m.askMilters()
	case record.Done, record.Canceled, record.Killed, record.ReturnReceipt, record.ErrorsTo, record.Priority, record.FullName,
		record.Inspector, record.Padding:
		// Of no use.
	default:
		m.bad("unexpected record type %q after the message text", byte(t))
	}
}
