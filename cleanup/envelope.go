package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/mail/address"
	"postrider/lib/mail/dsn"
	"postrider/lib/mail/record"
)

// envelopeRecord handles a record before the message text.
func (m *message) envelopeRecord(t record.Type, data []byte) {
	switch t {
	case record.Time:
		m.time(data)
	case record.From:
		m.from(string(data))
	case record.FullName:
		m.fullName = string(data)
		m.putBytes(t, data)
	case record.Attribute, record.EnvelopeID, record.ReturnFlags, record.NotifyFlags, record.OriginalRecipient, record.Original,
		record.Recipient:
		m.recipientRecord(t, data)
	case record.Filter, record.Redirect:
		m.destination(t, data)
	case record.Verp:
		m.verp(data)
	case record.Message:
		m.endEnvelope()
	case record.Size, record.Warn, record.CreateTime, record.Killed, record.Done, record.Canceled, record.Padding, record.Inspector:
		// Left over from an earlier stay in a queue, or reserved.
	default:
		m.bad("unexpected record type %q in the envelope", byte(t))
	}
}

// time takes the arrival time, and adds the time of our own clock: what counts
// for the age of the message.
func (m *message) time(data []byte) {
	if !m.arrival.IsZero() {
		return
	}
	sec, usec, _ := strings.Cut(string(data), " ")
	s, err := strconv.ParseInt(sec, 10, 64)
	u, _ := strconv.ParseInt(usec, 10, 64)
	if err != nil || s <= 0 || u < 0 || u > 999999 {
		m.bad("bad arrival time: %q", data)
		return
	}
	m.arrival = time.Unix(s, u*1000)
	m.putBytes(record.Time, data)
	m.attribute("create_time", strconv.FormatInt(time.Now().Unix(), 10))
}

func (m *message) from(internal string) {
	if m.senderSeen {
		m.bad("more than one sender")
		return
	}
	if m.arrival.IsZero() {
		m.bad("a sender before the arrival time")
		return
	}
	m.senderSeen = true
	m.sender = m.mapSender(internal)
	m.sizes.SMTPUTF8 |= utf8Flag(m.sender, record.UTF8Sender)
	m.putSender()
	m.emulateMail()
}

// utf8Flag returns the flag when the text is not ASCII.
func utf8Flag(text string, flag int64) int64 {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return flag
		}
	}
	return 0
}

// recipientRecord handles attributes and recipients, which may come in the
// envelope and after the message text.
func (m *message) recipientRecord(t record.Type, data []byte) {
	name, value := "", string(data)
	switch t {
	case record.Attribute:
		var ok bool
		if name, value, ok = record.SplitAttribute(data); !ok || value == "" {
			msg.Warn("%s: message from %s: attribute without name or value is ignored: %.100q", m.id, m.origin(), data)
			return
		}
	case record.EnvelopeID:
		name = "envelope_id"
	case record.ReturnFlags:
		name = "ret_flags"
	case record.NotifyFlags:
		name = "notify_flags"
	case record.OriginalRecipient:
		name = "dsn_orig_rcpt"
	case record.Original:
		m.pending.original = value
		return
	case record.Recipient:
		m.recipient(value)
		return
	}
	m.namedAttribute(name, value)
}

func (m *message) namedAttribute(name, value string) {
	switch name {
	case "create_time":
		return // ours counts
	case "notify_flags":
		n, err := strconv.Atoi(value)
		if err != nil || !dsn.Notify(n).Valid() {
			msg.Warn("%s: message from %s: bad notify_flags %q are ignored", m.id, m.origin(), value)
			return
		}
		m.pending.notify = dsn.Notify(n)
		return
	case "dsn_orig_rcpt":
		m.pending.dsnOriginal = value
		return
	case "rewrite_context":
		m.context = value
	case "encoding":
		m.encoding = value
	case "log_message_origin":
		m.logOrigin = value
	case "log_protocol_name":
		m.protocol = value
	case "log_helo_name":
		m.helo = value
	}
	m.milters.note(name, value)
	if m.count++; m.count > conf.AttributeLimit {
		m.bad("more than %d attributes; see parameter queue_file_attribute_count_limit", conf.AttributeLimit)
		return
	}
	if m.rcptSeen {
		m.sizes.Flags |= record.FlagMixed
	}
	m.attribute(name, value)
}

// destination takes a filter or a redirection; a bad one is ignored.
func (m *message) destination(t record.Type, data []byte) {
	if t == record.Filter && !strings.Contains(string(data), ":") {
		msg.Warn("%s: bad content_filter %q is ignored: write transport:destination", m.id, data)
		return
	}
	if m.rcptSeen {
		m.sizes.Flags |= record.FlagMixed
	}
	m.putBytes(t, data)
}

func (m *message) verp(data []byte) {
	if m.sender == "" {
		return // nobody to return to
	}
	if len(data) != 2 {
		m.bad("bad VERP delimiters: %q", data)
		return
	}
	m.putBytes(record.Verp, data)
}

// endEnvelope checks that nothing is missing.
func (m *message) endEnvelope() {
	switch {
	case !m.senderSeen:
		m.bad("envelope without sender")
		return
	case m.arrival.IsZero():
		m.bad("envelope without arrival time")
		return
	}
	m.warnTime()
	m.room(&m.milters.recipientsAt)
	m.put(record.Message, "")
	m.sizes.DataOffset = m.offset()
	m.room(&m.milters.contentAt)
	m.section = (*message).headerRecord
	if conf.ForceMIMEInputConversion && !conf.DisableMIMEInputProcessing {
		m.startConversion()
	}
}

// warnTime writes when the sender will be told that the mail is late, before
// the first recipient.
func (m *message) warnTime() {
	if m.warned {
		return
	}
	m.warned = true
	if m.sender != "" && conf.DelayWarningTime > 0 {
		m.put(record.Warn, record.Number(time.Now().Add(conf.DelayWarningTime).Unix()))
	}
}

// originalForm is the original recipient as RFC 3461 writes it.
func originalForm(internal string) string {
	kind := "rfc822"
	if utf8Flag(internal, 1) != 0 {
		kind = "utf-8"
	}
	return fmt.Sprintf("%s;%s", kind, address.Quote(internal))
}
