package main

import (
	"postrider/lib/base/msg"
	"postrider/lib/mail/address"
	"postrider/lib/mail/addrmap"
	"postrider/lib/mail/dsn"
	"postrider/lib/service/cleanup"
)

// copyFor remembers who gets a copy of mail for a recipient.
func (m *message) copyFor(recipient string) {
	if m.flags&cleanup.FlagBcc == 0 || maps.recipientBcc.Empty() || m.copying {
		return
	}
	m.bcc = append(m.bcc, m.lookupBcc(maps.recipientBcc, recipient)...)
}

func (m *message) lookupBcc(table *addrmap.Maps, internal string) []string {
	list, _, err := table.Addresses(internal, false)
	if err != nil {
		msg.Warn("%s: %v", m.id, err)
		m.status |= cleanup.StatusWrite
		m.reason = "4.3.0 BCC mapping error"
	}
	return list
}

// copies adds the automatic recipients at the end. Nobody hears of their
// troubles.
func (m *message) copies() {
	if m.status != 0 {
		return
	}
	m.copying = true
	for _, external := range m.decisions.bcc {
		m.pending = recipient{notify: dsn.NotifyNever, hidden: true}
		m.recipient(address.Unquote(external))
	}
	m.decisions.bcc = nil
	if m.flags&cleanup.FlagBcc != 0 {
		if conf.AlwaysBcc != "" {
			m.bcc = append(m.bcc, conf.AlwaysBcc)
		}
		if !maps.senderBcc.Empty() && m.sender != "" {
			m.bcc = append(m.bcc, m.lookupBcc(maps.senderBcc, m.sender)...)
		}
	}
	for _, external := range m.bcc {
		m.pending = recipient{notify: dsn.NotifyNever}
		m.recipient(address.Unquote(external))
	}
}
