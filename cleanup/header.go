package main

import (
	"bytes"
	"fmt"
	"mime"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/mail/address"
	"postrider/lib/mail/date"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/record"
	"postrider/lib/mail/requiretls"
	"postrider/lib/service/cleanup"
	"postrider/lib/service/rewrite"
)

// header is the header that is being read, and what was seen of the others.
type header struct {
	text    []byte // physical lines with newlines between them
	partial bool   // the last piece did not end its line
	seen    map[string]bool
	resent  bool
}

// addressClass are the headers with addresses.
var addressClass = map[string]class{
	"from": headerSender, "sender": headerSender, "reply-to": headerSender, "return-path": headerSender,
	"errors-to": headerSender, "return-receipt-to": headerSender, "disposition-notification-to": headerSender,
	"mail-followup-to": headerSender,
	"resent-from":      headerSender, "resent-sender": headerSender, "resent-reply-to": headerSender,
	"to": headerRecipient, "cc": headerRecipient, "bcc": headerRecipient, "apparently-to": headerRecipient,
	"resent-to": headerRecipient, "resent-cc": headerRecipient, "resent-bcc": headerRecipient,
}

// headerRecord collects lines until a header is complete: of the message, and of
// parts and messages in it.
func (m *message) headerRecord(t record.Type, data []byte) {
	h, p := &m.header, &m.content.parts
	switch {
	case t == record.Extracted:
		m.endHeaders()
		m.contentRecord(t, data)
		return
	case t != record.Text && t != record.Continued:
		m.bad("unexpected record type %q in the message text", byte(t))
		return
	}
	if data = m.clean(data); !m.wanted() {
		return
	}
	switch {
	case h.partial:
		m.collect(data)
	case len(h.text) > 0 && len(data) > 0 && (data[0] == ' ' || data[0] == '\t'):
		h.text = append(h.text, '\n')
		m.collect(data)
	case headerName(data) > 0 && (p.block == ownHeader || !bytes.HasPrefix(data, []byte("--"))):
		m.headerDone()
		m.collect(data)
	default:
		m.endHeaderBlock(t, data)
		return
	}
	h.partial = t == record.Continued
}

// endHeaderBlock takes the first line that is no header.
func (m *message) endHeaderBlock(t record.Type, data []byte) {
	own := m.content.parts.block == ownHeader
	if own && len(data) > 0 {
		m.headerDone()
		m.notEmpty(data)
	}
	m.endHeaders()
	more := m.endBlock()
	if len(data) > 0 {
		if own {
			m.put(record.Text, "") // the line between headers and body is missing
		}
		m.bodyRecord(t, data)
		return
	}
	m.bodyRecord(t, data)
	if more {
		m.section = (*message).headerRecord
	}
}

// notEmpty does what $non_empty_end_of_header_action wants when the header ends with a
// line of text.
func (m *message) notEmpty(data []byte) {
	switch strings.ToLower(conf.NonEmptyEndOfHeader) {
	case "add_header":
		m.put(record.Text, "MIME-Error: message header was not terminated by empty line")
	case "reject":
		m.mimeError("message header was terminated with non-empty line", string(data))
	}
}

// collect adds to the header; what is too long is dropped.
func (m *message) collect(data []byte) {
	room := conf.HeaderSizeLimit - len(m.header.text)
	m.header.text = append(m.header.text, data[:min(len(data), max(0, room))]...)
}

// headerName returns the length of the header name at the start of a line, or
// 0 when there is none. RFC 5322, section 2.2.
func headerName(line []byte) int {
	n := 0
	for n < len(line) && line[n] > ' ' && line[n] < 0x7f && line[n] != ':' {
		n++
	}
	end := n
	for end < len(line) && (line[end] == ' ' || line[end] == '\t') {
		end++
	}
	if end == len(line) || line[end] != ':' {
		return 0
	}
	return n
}

// headerDone looks at a complete header and writes it.
func (m *message) headerDone() {
	h := &m.header
	if len(h.text) == 0 {
		return
	}
	text := h.text
	h.text, h.partial = h.text[:0], false
	name, value := splitHeader(text)
	if blanks := len(text) - len(value) - len(name) - 1; blanks > 0 { // RFC 5322, section 2.2
		text = append(text[:len(name)], text[len(name)+blanks:]...)
		value = text[len(name)+1:]
	}
	m.structure(name, string(value))
	if (conf.Strict7bitHeaders || conf.Strict8bitMIME) && m.flags&cleanup.FlagSMTPUTF8 == 0 && eightBit(text) {
		m.mimeError("improper use of 8-bit data in message header", string(text))
	}
	v := m.check(m.headerCheck(name), "header", string(text))
	if v.prepend != "" {
		m.writeHeader([]byte(v.prepend))
	}
	switch {
	case v.drop:
		return
	case v.replace != nil:
		text = []byte(*v.replace)
		name, value = splitHeader(text)
	}
	if name == "" || m.content.parts.block != ownHeader {
		m.writeHeader(text)
		return
	}
	m.ownHeader(name, text, value)
}

// splitHeader returns the name of a header, in lower case, and what comes behind
// the colon.
func splitHeader(text []byte) (name string, value []byte) {
	n := headerName(text)
	if n == 0 {
		return "", nil
	}
	return strings.ToLower(string(text[:n])), text[n+bytes.IndexByte(text[n:], ':')+1:]
}

// ownHeader completes and writes a header of the message itself.
func (m *message) ownHeader(name string, text, value []byte) {
	h := &m.header
	if h.seen == nil {
		h.seen = map[string]bool{}
	}
	m.note(name, value)
	if maps.drop[name] {
		return
	}
	h.seen[name] = true
	c, hasAddresses := addressClass[name]
	if !hasAddresses || m.context != rewrite.Local && conf.Rewrite.RemoteHeaderRewriteDomain == "" {
		m.writeHeader(text)
		return
	}
	part := string(text[:len(text)-len(value)]) + address.Limit(string(value), conf.HeaderAddressTokenLimit)
	result, changed := address.Rewrite(part, func(external string) string {
		return m.mapHeader(addresses.Rewrite(m.context, external), c)
	})
	if !changed {
		m.writeHeader(text)
		return
	}
	m.writeHeader([]byte(result))
}

// note remembers what matters about a header.
func (m *message) note(name string, value []byte) {
	switch name {
	case "resent-date", "resent-from", "resent-message-id", "resent-reply-to", "resent-sender":
		m.header.resent = true
	default:
		m.header.resent = m.header.resent || addressClass[name] == headerRecipient && strings.HasPrefix(name, "resent-")
	}
	if eightBit(value) {
		m.sizes.SMTPUTF8 |= record.UTF8Header
	}
	switch name {
	case "received":
		if m.content.received++; m.content.received > conf.HopcountLimit {
			m.status |= cleanup.StatusHops
		}
	case "message-id":
		if !m.content.logged {
			m.logMessageID(string(bytes.TrimSpace(value)))
		}
	case "tls-required":
		if conf.TLS.TLSRequiredEnable && bytes.EqualFold(bytes.TrimSpace(value), []byte("no")) {
			m.sizes.SMTPUTF8 |= record.TLSOptional
		}
	case "require-tls-esmtp":
		if conf.TLS.RequireTLSEnable && conf.TLSHeader.ESMTPHeader && bytes.EqualFold(bytes.TrimSpace(value), []byte("yes")) {
			m.sizes.SMTPUTF8 |= record.RequireTLS
		}
	case "resent-message-id":
		msg.Info("%s: resent-message-id=%s", m.id, bytes.TrimSpace(value))
	}
}

func (m *message) logMessageID(value string) {
	m.content.logged, m.content.messageID = true, value
	if value == "" {
		value = "<>"
	}
	msg.Info("%s: message-id=%s", m.id, value)
}

func eightBit(data []byte) bool {
	for _, c := range data {
		if c >= 0x80 {
			return true
		}
	}
	return false
}

// writeHeader writes the physical lines of a header.
func (m *message) writeHeader(text []byte) {
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		for len(line) > conf.LineLengthLimit {
			m.putBytes(record.Continued, line[:conf.LineLengthLimit])
			line = line[conf.LineLengthLimit:]
		}
		m.putBytes(record.Text, line)
	}
}

// endHeaders ends a block of headers. To those of the message it adds what is
// missing.
func (m *message) endHeaders() {
	m.headerDone()
	m.section = (*message).contentRecord
	if m.content.parts.block != ownHeader || !m.wanted() {
		return
	}
	if m.context == rewrite.Local || conf.AlwaysAddMissingHeaders {
		m.addMissing()
	}
	if m.flags&cleanup.FlagRequireTLS != 0 && conf.TLSHeader.ESMTPHeader && m.sizes.SMTPUTF8&record.RequireTLS == 0 {
		m.put(record.Text, requiretls.HeaderLine)
	}
	if !m.content.logged {
		m.logMessageID("")
	}
	if m.content.received == 0 {
		m.bad("no Received: header")
	}
	m.milters.bodyAt = m.offset()
}

// addMissing completes the headers of mail from this site. RFC 5322, section
// 3.6.
func (m *message) addMissing() {
	seen, prefix, resent := m.header.seen, "", ""
	if m.header.resent {
		prefix, resent = "Resent-", "resent-"
	}
	now := time.Now()
	if !seen[resent+"message-id"] {
		id := fmt.Sprintf("<%s.%s@%s>", now.UTC().Format("20060102150405"), m.id, conf.MyHostname)
		if queue.LongID(m.id) { // its name has the time in it
			id = fmt.Sprintf("<%s@%s>", m.id, conf.MyHostname)
		}
		m.put(record.Text, prefix+"Message-Id: "+id)
		if prefix == "" {
			m.logMessageID(id)
		} else {
			msg.Info("%s: resent-message-id=%s", m.id, id)
		}
	}
	if !seen[resent+"date"] {
		m.put(record.Text, prefix+"Date: "+date.Header(now))
	}
	switch {
	case seen[resent+"from"]:
	case m.sender == "": // a notice, from nobody in particular
		m.put(record.Text, prefix+"From: MAILER-DAEMON")
	default:
		m.writeHeader([]byte(prefix + "From: " + m.fromHeader()))
	}
	if !seen["to"] && !seen["cc"] && !seen["bcc"] && !seen["resent-to"] && !seen["resent-cc"] && !seen["resent-bcc"] &&
		conf.UndisclosedRecipientsHeader != "" {
		m.put(record.Text, conf.UndisclosedRecipientsHeader)
	}
}

// fromHeader is the value of a From: header for the envelope sender.
func (m *message) fromHeader() string {
	from := address.Quote(maps.hide(m.sender, headerSender))
	switch {
	case m.fullName == "":
		return from
	case eightBit([]byte(m.fullName)):
		return encodedName(m.fullName, from)
	case strings.EqualFold(conf.HeaderFromFormat, "obsolete"):
		return from + " (" + strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`).Replace(m.fullName) + ")"
	}
	return phrase(m.fullName) + " <" + from + ">"
}

// encodedName is fromHeader for a name that is not ASCII: it is encoded, so that the
// message needs no SMTPUTF8. A short or mostly printable one stays readable. RFC
// 2047, section 5.
func encodedName(name, from string) string {
	encoder, other := mime.QEncoding, 0
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' {
			other++
		}
	}
	if len(name) > 10 && other > len(name)/2 {
		encoder = mime.BEncoding
	}
	charset := conf.FullNameEncodingCharset
	if !validCharset(charset) {
		msg.Warn("parameter full_name_encoding_charset: %q is not the name of a character set; the full name is left out", charset)
		return from
	}
	name = encoder.Encode(charset, name)
	if strings.EqualFold(conf.HeaderFromFormat, "obsolete") {
		return from + " (" + name + ")"
	}
	return name + " <" + from + ">"
}

// validCharset tells whether a word can stand in an encoded word.
func validCharset(word string) bool {
	for i := range len(word) {
		if c := word[i]; c <= ' ' || c > '~' || strings.IndexByte(`()<>@,;:"/[]?.=`, c) >= 0 {
			return false
		}
	}
	return word != ""
}

// phrase quotes a name where it needs that.
func phrase(name string) string {
	for i := range len(name) {
		if c := name[i]; c != ' ' && c < 0x80 && !address.Atom(c) {
			return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
		}
	}
	return name
}
