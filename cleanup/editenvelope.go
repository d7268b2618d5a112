package main

import (
	"bytes"
	"io"
	"postrider/lib/base/msg"
	"postrider/lib/mail/address"
	"postrider/lib/mail/dsn"
	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
	"strconv"
	"strings"
)

// Hold is asked for with a reason, which nobody wants to see.
func (m *message) Hold(string) {}

// collectAside makes records that are written later.
func (m *message) collectAside(into *[]byte, do func()) {
	saved := m.out
	m.out, m.milters.aside = *into, true
	do()
	*into = m.out
	m.out, m.milters.aside = saved, false
}

// AddRecipient adds a recipient, with ESMTP parameters.
func (m *message) AddRecipient(external, params string) {
	if !m.grow(len(external) + len(params)) {
		return
	}
	internal := address.Unquote(bare(external))
	if internal == "" {
		msg.Warn("%s: ignoring attempt from Milter to add null recipient", m.id)
		return
	}
	r := recipient{original: m.standard(internal)}
	for _, p := range strings.Fields(params) {
		name, value, _ := strings.Cut(p, "=")
		switch strings.ToUpper(name) {
		case "NOTIFY":
			if notify, ok := dsn.ParseNotify(value); ok {
				r.notify = notify
				continue
			}
		case "ORCPT":
			if kind, addr, ok := strings.Cut(value, ";"); ok && kind != "" {
				if decoded, ok := decodeXtext(addr); ok {
					r.dsnOriginal = kind + ";" + decoded
					continue
				}
			}
		}
		msg.Warn("%s: ignoring ESMTP argument from Milter or header/body_checks: %q", m.id, p)
	}
	r.hidden = r.dsnOriginal == ""
	last := m.lastRecipient
	m.collectAside(&m.milters.recipients, func() {
		m.pending = r
		m.recipient(internal)
	})
	m.lastRecipient = last
}

// bare is an address without angle brackets.
func bare(external string) string {
	external = strings.TrimSpace(external)
	if strings.HasPrefix(external, "<") && strings.HasSuffix(external, ">") {
		return external[1 : len(external)-1]
	}
	return external
}

// decodeXtext undoes the encoding of RFC 3461, section 4.
func decodeXtext(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '+' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(n))
		i += 2
	}
	return b.String(), true
}

// DeleteRecipient removes the recipients that an address has become: filters know
// it as the client has said it.
func (m *message) DeleteRecipient(external string) {
	if m.status != 0 {
		return
	}
	m.flush()
	wanted := address.Unquote(bare(external))
	m.cancel(wanted, m.file, func(at int64) {
		if err := m.file.Mark(at, byte(record.Canceled)); err != nil {
			m.writeError(err)
		}
	})
	added := append(m.milters.recipients, byte(record.End), 0)
	m.cancel(wanted, bytes.NewReader(added), func(at int64) { m.milters.recipients[at] = byte(record.Canceled) })
}

// cancel finds the records of a recipient.
func (m *message) cancel(wanted string, in io.ReaderAt, mark func(at int64)) {
	var r recipient
	reader := record.NewReader(in)
	for {
		t, data, err := reader.Next()
		switch {
		case err != nil:
			msg.Warn("%s: find a recipient: %v", m.id, err)
			m.status |= cleanup.StatusWrite
			return
		case t == record.End:
			return
		case t == record.Message:
			reader.SeekTo(m.sizes.DataOffset + m.sizes.Span)
		case t == record.Attribute:
			r.attribute(data)
		case t == record.Original:
			r.original = string(data)
		case t == record.Recipient:
			if r.address = string(data); r.original == wanted {
				mark(reader.Offset())
				m.recipients.forget(r.key())
			}
			r = recipient{}
		}
	}
}

// attribute takes what stands in front of a recipient.
func (r *recipient) attribute(data []byte) {
	switch name, value, _ := record.SplitAttribute(data); name {
	case "notify_flags":
		n, _ := strconv.Atoi(value)
		r.notify = dsn.Notify(n)
	case "dsn_orig_rcpt":
		r.dsnOriginal = value
	}
}

// ChangeSender replaces the sender, with ESMTP parameters.
func (m *message) ChangeSender(external, params string) {
	if m.status != 0 {
		return
	}
	var attributes [2]string
	for _, p := range strings.Fields(params) {
		name, value, _ := strings.Cut(p, "=")
		switch strings.ToUpper(name) {
		case "RET":
			if ret, ok := dsn.ParseReturn(value); ok {
				attributes[1] = "ret_flags=" + strconv.Itoa(int(ret))
				continue
			}
		case "ENVID":
			if id, ok := decodeXtext(value); ok && id != "" {
				attributes[0] = "envelope_id=" + id
				continue
			}
		}
		msg.Warn("Ignoring bad ESMTP parameter %q in SMFI_CHGFROM request", p)
	}
	m.sender = m.mapSender(address.Unquote(bare(external)))
	m.sizes.SMTPUTF8 |= utf8Flag(m.sender, record.UTF8Sender)
	m.milters.sender = nil
	m.collectAside(&m.milters.sender, func() {
		for _, a := range attributes {
			if a != "" {
				m.put(record.Attribute, a)
			}
		}
		m.put(record.From, m.sender)
	})
}
