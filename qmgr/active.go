package main

import (
	"errors"
	"os"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/mail/address"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/record"
	"postrider/qmgr/sched"
)

// Limits of one reading of a queue file.
const (
	portion    = 5000             // recipients
	clockSlack = time.Second      // a file may be this far in the future
	lockRetry  = 60 * time.Second // until a locked file is looked at again
	linkAge    = 60 * time.Second // until a second name of a file is strange
)

// activate takes a file into the active queue, unless it is not its time.
func (q *manager) activate(from queue.Name, id string, mode scanMode) {
	st, err := queue.Stat(from, id)
	if err != nil {
		if !errors.Is(err, queue.ErrNotReady) && !errors.Is(err, os.ErrNotExist) {
			msg.Warn("%s: %v", id, err)
		}
		return
	}
	if st.Nlink > 1 && q.now.Sub(time.Unix(st.Ctim.Unix())) > linkAge {
		msg.Warn("%s: queue file has %d names", id, st.Nlink)
	}
	if !mode.all && time.Unix(st.Mtim.Unix()).Sub(q.now) > clockSlack {
		return
	}
	if q.messages[id] != nil {
		q.postpone(from, id)
		return
	}
	if err := queue.Rename(id, from, queue.Active); err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			msg.Fatal("%s: %v", id, err)
		}
		return
	}
	if from == queue.Incoming {
		q.tokens++
	}
	m := &message{id: id, from: from, active: q.now}
	m.Mail, m.Queued = m, q.now
	m.wakes = st.Mode&queue.ModeFlush != 0
	m.flush = mode.flush || m.wakes
	m.expire = st.Mode&queue.ModeExpire != 0
	q.messages[id] = m
	q.sched.Hold(&m.Message)
	q.open(m, st.Mode)
	q.sched.Release(&m.Message)
}

// postpone leaves a file alone that somebody else works on, such as an agent
// that outlived the last queue manager, and looks again later.
func (q *manager) postpone(in queue.Name, id string) {
	msg.Info("%s: skipped, still being delivered", id)
	if err := queue.SetTime(in, id, q.now.Add(lockRetry)); err != nil && !errors.Is(err, os.ErrNotExist) {
		msg.Fatal("%v", err)
	}
	if !q.looksAgain {
		q.looksAgain = true
		q.after(lockRetry+clockSlack, func() {
			q.looksAgain = false
			q.incoming.request()
		})
	}
}

// open reads a message for the first time.
func (q *manager) open(m *message, mode uint32) {
	f, err := queue.Open(queue.Active, m.id)
	if err != nil {
		q.lost(m, err)
		return
	}
	defer f.Close()
	if ok, err := f.Lock(true); err != nil {
		msg.Fatal("%v", err)
	} else if !ok {
		q.postpone(queue.Active, m.id)
		if err := queue.Rename(m.id, queue.Active, queue.Incoming); err != nil && !errors.Is(err, os.ErrNotExist) {
			msg.Fatal("%s: %v", m.id, err)
		}
		q.forget(m)
		return
	}
	if mode&queue.ModeFlush != 0 {
		if err := f.Chmod(mode & 0o777 &^ queue.ModeFlush); err != nil {
			msg.Fatal("%v", err)
		}
	}
	recipients, err := q.read(m, f, q.sched.Room())
	if err != nil {
		q.reject(m, err)
		return
	}
	msg.Info("%s: from=<%s>, size=%d, nrcpt=%d (queue active)", m.id, logAddress(m.sender), m.sizes.Content, m.sizes.Recipients)
	if m.probe() {
		q.probes++
	}
	if m.expire && q.explained(m.id) {
		// The sender gets the reasons of earlier attempts.
		m.failed, m.next = true, 0
		return
	}
	if err := queue.Remove(queue.Defer, m.id); err != nil && !errors.Is(err, os.ErrNotExist) {
		msg.Fatal("%s: %v", m.id, err)
	}
	q.assign(m, f, recipients)
}

// explained says whether the log of delays has something in it.
func (q *manager) explained(id string) bool {
	size, err := logSize(queue.Defer, id)
	return err == nil && size > 0
}

// read takes up to limit recipients from the file.
func (q *manager) read(m *message, f *queue.File, limit int) ([]sched.Recipient, error) {
	q.reader.Reset(f)
	r := fileReader{Reader: q.reader, m: m, limit: min(limit, portion), recipients: q.recipients[:0]}
	err := r.read()
	q.recipients = r.recipients
	if err == nil && m.redirect != "" && len(r.recipients) > 0 {
		for i := range r.recipients {
			r.recipients[i].Address = m.redirect
		}
	}
	return r.recipients, err
}

// more reads the next portion of the recipients of a message.
func (q *manager) more(m *message, limit int) {
	f, err := queue.Open(queue.Active, m.id)
	if err != nil {
		m.next = 0
		q.sched.SetUnread(&m.Message, 0)
		q.lost(m, err)
		return
	}
	defer f.Close()
	recipients, err := q.read(m, f, limit)
	if err != nil {
		m.next = 0
		q.sched.SetUnread(&m.Message, 0)
		q.reject(m, err)
		return
	}
	q.assign(m, f, recipients)
}

// lost forgets a message whose file is gone: an administrator removed it.
func (q *manager) lost(m *message, err error) {
	if !errors.Is(err, os.ErrNotExist) {
		msg.Fatal("%s: %v", m.id, err)
	}
	msg.Warn("%s: %v", m.id, err)
	q.forget(m)
}

// reject sets a file aside that cannot be read: it must not hold up others.
func (q *manager) reject(m *message, err error) {
	msg.Warn("%s: %v", m.id, err)
	q.setAside(m)
}

// setAside moves a file to the corrupt queue.
func (q *manager) setAside(m *message) {
	if err := queue.Rename(m.id, queue.Active, queue.Corrupt); err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			msg.Fatal("%s: save corrupt file: %v", m.id, err)
		}
	} else {
		msg.Warn("saving corrupt file %q from queue %q to queue %q", m.id, queue.Active, queue.Corrupt)
	}
	q.forget(m)
}

// forget ends a message in memory. What agents still do for it does not
// matter any more.
func (q *manager) forget(m *message) {
	if m.gone {
		return
	}
	m.gone = true
	if m.probe() && m.hasSender && q.probes > 0 {
		q.probes--
	}
	q.sched.SetUnread(&m.Message, 0)
	delete(q.messages, m.id)
}

// wasWarned overwrites the time of the delay warning, so that there is one
// only.
func (m *message) wasWarned() error {
	f, err := queue.Open(queue.Active, m.id)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(record.Append(nil, record.Warn, record.Number(-1)), m.warnAt)
	return err
}

// wasTraced makes the trace_flags attribute void, so that the report is sent
// only once.
func (m *message) wasTraced() error {
	f, err := queue.Open(queue.Active, m.id)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Mark(m.traceAt, byte(record.Killed))
}

// logAddress is the form of an address in log lines.
func logAddress(internal string) string {
	if conf.LogAddressFormat == "internal" {
		return internal
	}
	return address.Quote(internal)
}
