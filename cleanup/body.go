package main

import (
	"bytes"
	"strings"

	"postrider/lib/mail/record"
)

// contentRecord copies a line of the body, or a piece of one.
func (m *message) contentRecord(t record.Type, data []byte) {
	switch t {
	case record.Text, record.Continued:
		m.content.parts.line(t, data)
		m.putBytes(t, m.clean(data))
	case record.Extracted:
		if m.content.parts.inside {
			m.put(record.Text, "") // the last line has an end
		}
		m.endContent()
	default:
		m.bad("unexpected record type %q in the message text", byte(t))
	}
}

// clean takes away what may not stand inside a line.
func (m *message) clean(data []byte) []byte {
	strip := conf.MessageStripCharacters
	if (!conf.ReplaceStrayCRLF || bytes.IndexByte(data, '\r') < 0 && bytes.IndexByte(data, '\n') < 0) &&
		(strip == "" || !bytes.ContainsAny(data, strip)) {
		return data
	}
	result := make([]byte, 0, len(data))
	for _, c := range data {
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

// endContent closes the content section and notes what was learned from it.
func (m *message) endContent() {
	m.sizes.Span = m.offset() - m.sizes.DataOffset
	m.sizes.Content = m.sizes.Span
	m.put(record.Extracted, "")
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
		m.put(record.End, "")
	case record.Done, record.Canceled, record.Killed, record.ReturnReceipt, record.ErrorsTo, record.Priority, record.FullName,
		record.Inspector, record.Padding:
		// Of no use.
	default:
		m.bad("unexpected record type %q after the message text", byte(t))
	}
}
