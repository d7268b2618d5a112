package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/daemon/agent"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/dsn"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/record"
	"postrider/lib/service/bounce"
	"postrider/lib/service/cleanup"
	"postrider/lib/service/deliver"
)

// finish ends a message, and says what became of it. It reports success only
// after file and directory entry are on disk: from then on the message is ours.
func (m *message) finish() cleanup.Reply {
	if m.status == 0 && m.sizes.Recipients == 0 {
		m.status |= cleanup.StatusRcpt
	}
	if m.status == 0 && m.flags&cleanup.FlagDiscard != 0 {
		m.file.Discard()
		return cleanup.Reply{}
	}
	if m.status == 0 {
		m.commit()
	}
	if m.status == 0 {
		m.file.Close()
		m.wake()
		return cleanup.Reply{}
	}
	if m.flags&cleanup.FlagBounce != 0 && m.status&fatal == 0 {
		m.bounce()
	}
	m.file.Discard()
	return cleanup.Reply{Status: m.status, Reason: m.explain()}
}

// commit brings the file to disk and makes it part of a queue.
func (m *message) commit() {
	if m.flags&cleanup.FlagSMTPUTF8 != 0 {
		m.sizes.SMTPUTF8 |= record.UTF8Requested
	}
	if m.flags&cleanup.FlagRequireTLS != 0 {
		m.sizes.SMTPUTF8 |= record.RequireTLS
	}
	if m.sizes.SMTPUTF8&record.UTF8Any&^record.UTF8Requested != 0 && m.flags&cleanup.FlagAutoUTF8 != 0 {
		m.sizes.SMTPUTF8 |= record.UTF8Requested
	}
	m.patchSizes()
	if m.status != 0 {
		return
	}
	if m.flags&cleanup.FlagHold != 0 {
		if err := queue.Rename(m.id, m.file.Name, queue.Hold); err != nil {
			msg.Warn("%s: %v", m.id, err)
			m.status |= cleanup.StatusWrite
			return
		}
		m.file.Name = queue.Hold
		unfinished.set(m.file.Path())
		server.FlowPut(1) // the queue manager never sees this one
	}
	if err := m.file.Commit(queue.ModeReady); err != nil {
		m.writeError(err)
	}
}

// patchSizes fills in the first record: in memory while all of the message is
// there, else in the file.
func (m *message) patchSizes() {
	sizes := record.Append(nil, record.Size, m.sizes.String())
	if m.written == 0 {
		copy(m.out, sizes)
		m.flush()
		return
	}
	m.flush()
	if _, err := m.file.WriteAt(sizes, 0); err != nil {
		m.writeError(err)
	}
}

// wake tells the queue manager that there is something to do. When it does not
// run, it finds the file later.
func (m *message) wake() {
	if m.file.Name == queue.Hold {
		return
	}
	if err := waker.Wake(); err != nil && !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, os.ErrNotExist) {
		msg.Warn("%v", err)
	}
}

// explain is what the client can tell its own client.
func (m *message) explain() string {
	if m.status == 0 {
		return ""
	}
	code, status, text := m.status.Detail()
	if m.reason != "" {
		s, words := dsn.Split(m.reason, dsn.Status(status))
		status, text = string(s), words
	}
	if m.flags&cleanup.FlagSMTPReply == 0 {
		return text
	}
	if m.milters.reply != "" {
		return m.milters.reply
	}
	if m.reason == "" {
		return "" // the client knows the words for the status
	}
	if status[0] == '4' {
		code = 451
	}
	return fmt.Sprintf("%d %s %s", code, status, text)
}

// bounce returns a message that cannot be accepted from a client which is not
// there any more to hear of it, such as pickup(8).
func (m *message) bounce() {
	m.put(record.End, "")
	m.flush()
	if m.status&fatal != 0 {
		return
	}
	_, status, text := m.status.Detail()
	if m.reason != "" {
		s, words := dsn.Split(m.reason, dsn.Status(status))
		status, text = string(s), words
	}
	report := deliver.Report{Status: dsn.Status(status), Action: "failed", Reason: text}
	if m.status&cleanup.StatusRcpt != 0 {
		m.bounceOne(deliver.Recipient{}, report)
	}
	m.bounceAll(report)
	notice := bounce.Notice{Request: bounce.Flush, Flags: bounce.FlagClean, QueueName: string(m.file.Name), QueueID: m.id,
		Encoding: m.encoding, SMTPUTF8: int(m.sizes.SMTPUTF8), Sender: m.sender}
	if m.status&cleanup.StatusCont != 0 {
		notice.Return = dsn.ReturnHeaders // not again what nobody wants to have
	}
	if m.status&fatal == 0 {
		if err := m.sendBounce(notice); err == nil {
			m.status = 0
		}
	}
}

// bounceAll notes the trouble for each recipient in the queue file.
func (m *message) bounceAll(report deliver.Report) {
	var r recipient
	for rec, err := range record.All(m.file) {
		if err != nil {
			break
		}
		switch rec.Type {
		case record.Attribute:
			r.attribute(rec.Data)
		case record.Original:
			r.original = string(rec.Data)
		case record.Recipient:
			m.bounceOne(deliver.Recipient{Address: string(rec.Data), Original: r.original, OriginalDSN: r.dsnOriginal, Notify: r.notify}, report)
			m.logBounce(string(rec.Data), r.original, report)
			r = recipient{}
		}
	}
}

// logBounce writes the line that all deliveries have; its form is fixed.
func (m *message) logBounce(to, original string, report deliver.Report) {
	if original != "" && !strings.EqualFold(to, original) {
		to += ">, orig_to=<" + original
	}
	delays := agent.Delays(deliver.Times{Arrival: m.arrival}, time.Now(), 2)
	msg.Info("%s: to=<%s>, relay=none%s, dsn=%s, status=bounced (%s)", m.id, to, delays, report.Status, report.Reason)
}

func (m *message) bounceOne(to deliver.Recipient, report deliver.Report) {
	m.sendBounce(bounce.LogEntry{Request: bounce.Append, Flags: bounce.FlagClean, QueueID: m.id, Recipient: to, Report: report})
}

// sendBounce makes trouble with the bounce service temporary trouble with the
// message.
func (m *message) sendBounce(request any) error {
	err := bounce.Send(conf.Bounce.BounceServiceName, request, conf.IPCTimeout)
	if err != nil {
		msg.Warn("%s: %v", m.id, err)
		m.status |= cleanup.StatusWrite
	}
	return err
}
