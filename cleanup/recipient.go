package main

import (
	"strconv"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/mail/address"
	"postrider/lib/mail/dsn"
	"postrider/lib/mail/record"
	"postrider/lib/service/bounce"
	"postrider/lib/service/cleanup"
	"postrider/lib/service/deliver"
	"postrider/lib/service/rewrite"
)

// A recipient is one address with what the sender asked for.
type recipient struct {
	dsnOriginal string
	notify      dsn.Notify
	original    string // as first seen
	hidden      bool   // nobody asked for this one
	address     string // internal form
}

// recipient maps one address and writes what it becomes.
func (m *message) recipient(internal string) {
	r := m.pending
	m.pending = recipient{}
	standard := m.standard(internal)
	if internal == "" {
		standard = m.standard(conf.Address.EmptyAddressRecipient)
	}
	r.address = m.mapRecipient(standard)
	m.lastRecipient = r.address
	m.emulateRcpt(r.address)
	if r.original == "" {
		r.original = internal
	}
	if r.dsnOriginal == "" && !r.hidden {
		r.dsnOriginal = originalForm(r.address)
	}
	m.copyFor(r.address)
	if m.flags&cleanup.FlagMap == 0 || maps.alias.Empty() {
		m.write(r)
		return
	}
	m.expand(r)
}

// standard brings an address in internal form into standard form.
func (m *message) standard(internal string) string {
	if internal == "" || rewrite.Standard(internal) {
		return internal
	}
	return address.Unquote(addresses.Rewrite(rewrite.Local, address.Quote(internal)))
}

// expand replaces a virtual alias by what it stands for.
func (m *message) expand(r recipient) {
	list, err := maps.expandAlias(m, r.address)
	if err != nil {
		msg.Warn("%s: %v", m.id, err)
		m.status |= cleanup.StatusWrite
		m.reason = "4.6.0 Alias expansion error"
		return
	}
	if r.notify&dsn.NotifySuccess != 0 && (len(list) != 1 || !strings.EqualFold(list[0], r.address)) {
		r.notify = m.reportExpansion(r)
	}
	for _, a := range list {
		each := r
		each.address = a
		m.write(each)
	}
}

// reportExpansion tells a sender who wants to hear of success that the address
// was an alias: what happens after that is not reported.
func (m *message) reportExpansion(r recipient) dsn.Notify {
	entry := bounce.LogEntry{Request: bounce.Append, QueueID: m.id,
		Recipient: deliver.Recipient{Original: r.original, Address: r.address, OriginalDSN: r.dsnOriginal, Notify: r.notify},
		Report:    deliver.Report{Status: "2.0.0", Action: "expanded", Reason: "alias expanded"}}
	if err := bounce.Send(conf.Bounce.TraceServiceName, entry, conf.IPCTimeout); err != nil {
		msg.Warn("%s: %v", m.id, err)
		m.status |= cleanup.StatusWrite
	}
	// The trace log is sent when a recipient asked for it.
	m.notify(dsn.NotifySuccess)
	if r.notify == dsn.NotifySuccess {
		return dsn.NotifyNever
	}
	return r.notify &^ dsn.NotifySuccess
}

// key is what makes a recipient a duplicate of another one.
func (r *recipient) key() string {
	if conf.Address.EnableOriginalRecipient {
		return strings.ToLower(r.dsnOriginal + "\x00" + r.original + "\x00" + strconv.Itoa(int(r.notify)) + "\x00" + r.address)
	}
	return strings.ToLower(r.address)
}

// write adds one recipient to the queue file, unless it is there already.
func (m *message) write(r recipient) {
	if m.recipients.seen(r.key()) {
		return
	}
	if m.sizes.DataOffset == 0 {
		m.warnTime()
		m.rcptSeen = true
	}
	if r.notify != 0 {
		m.attribute("notify_flags", strconv.Itoa(int(r.notify)))
	}
	if !r.hidden {
		m.notify(r.notify)
		m.attribute("dsn_orig_rcpt", r.dsnOriginal)
	}
	m.put(record.Original, r.original)
	m.put(record.Recipient, r.address)
	m.sizes.Recipients++
	if m.flags&cleanup.FlagAutoUTF8 != 0 {
		m.sizes.SMTPUTF8 |= utf8Flag(r.address, record.UTF8Requested)
	}
}

// duplicates are the recipients of a message so far.
type duplicates struct {
	first string // most messages have one recipient: no map for those
	more  map[string]bool
}

// seen reports whether the key was there, and adds it while there is room.
func (d *duplicates) seen(key string) bool {
	switch {
	case d.first == "":
		d.first = key
		return false
	case d.first == key || d.more[key]:
		return true
	}
	if d.more == nil {
		d.more = map[string]bool{}
	}
	if limit := conf.Address.DuplicateFilterLimit; limit == 0 || len(d.more)+1 < limit {
		d.more[key] = true
	}
	return false
}

// forget takes a recipient out that is not one any more.
func (d *duplicates) forget(key string) {
	if d.first == key {
		d.first = "\x00" // no key is like that
	}
	delete(d.more, key)
}
