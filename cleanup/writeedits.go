package main

import (
	"postrider/lib/base/msg"
	"postrider/lib/mail/address"
	"postrider/lib/mail/dsn"
	"postrider/lib/mail/record"
	"syscall"
)

// writeEdits brings all changes into the file.
func (m *message) writeEdits() {
	e := &m.milters.edits
	m.lateCopies()
	late := m.decisions.filter != "" || m.decisions.redirect != ""
	if e.sender == nil && e.recipients == nil && e.headers == nil && e.body == 0 && !late {
		m.sizes.Content -= pointerSize
		return
	}
	m.raiseLimit()
	if e.sender != nil {
		m.detour(e.senderAt, e.senderEnd, func() { m.out = append(m.out, e.sender...) })
	}
	if len(e.recipients) > 0 {
		m.detour(e.recipientsAt, e.recipientsAt+pointerSize, func() { m.out = append(m.out, e.recipients...) })
	}
	if late {
		m.detour(e.extractedAt, e.extractedAt+pointerSize, m.writeDecisions)
	}
	if e.headers != nil || e.body > 0 {
		m.writeContent()
	} else {
		m.sizes.Content -= pointerSize
	}
	m.flush()
}

// writeContent writes the headers again; what comes behind them is where it was,
// or the new body.
func (m *message) writeContent() {
	e := &m.milters.edits
	if !m.load() {
		return
	}
	body, size := e.bodyAt, e.endAt-e.bodyAt
	if e.body > 0 {
		body, size = e.body, e.bodySize
	}
	start := m.offset()
	m.detour(e.contentAt, body, func() {
		for _, text := range e.headers {
			m.writeHeader([]byte(text))
		}
		size += m.offset() - start
	})
	m.sizes.Content = size
}

// detour leads readers from at to new records, and from their end to back.
func (m *message) detour(at, back int64, write func()) {
	start := m.offset()
	write()
	m.put(record.Pointer, record.Number(back))
	m.flush()
	if _, err := m.file.WriteAt(record.Append(nil, record.Pointer, record.Number(start)), at); err != nil {
		m.writeError(err)
	}
}

// lateCopies adds the recipients that milter_header_checks wants.
func (m *message) lateCopies() {
	for _, external := range m.decisions.bcc {
		m.collectAside(&m.milters.recipients, func() {
			m.pending = recipient{notify: dsn.NotifyNever, hidden: true}
			m.recipient(address.Unquote(external))
		})
	}
	m.decisions.bcc = nil
}

// raiseLimit lets the queue file become larger than message_size_limit: the text
// that a filter has replaced is still in it.
func (m *message) raiseLimit() {
	if !m.milters.raised && conf.MessageSizeLimit > 0 {
		m.milters.raised = true
		setLimit(func(r *syscall.Rlimit) { r.Cur = r.Max })
	}
}

// lowerLimit sets the usual limit again.
func (e *edits) lowerLimit() {
	if e.raised {
		setLimit(func(r *syscall.Rlimit) { r.Cur = min(uint64(conf.MessageSizeLimit), r.Max) })
	}
}

func setLimit(change func(*syscall.Rlimit)) {
	var r syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &r)
	if err == nil {
		change(&r)
		err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &r)
	}
	if err != nil {
		msg.Fatal("set the limit of file sizes: %v", err)
	}
}
