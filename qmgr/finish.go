package main

import (
	"errors"
	"os"
	"syscall"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/address"
	"postrider/lib/mail/dsn"
	"postrider/lib/mail/queue"
	"postrider/lib/service/bounce"
	"postrider/lib/service/deliver"
	"postrider/lib/service/flush"
	"postrider/qmgr/sched"
)

// When all recipients in memory have an answer, the stages of this file follow
// each other: tell the sender what failed; read more recipients; report to the
// sender; give up, warn or wait; remove. A stage that asks another daemon goes
// on when the answer is there.

// done is called when no recipient of a message is in memory any more.
func (q *manager) done(m *message) {
	if m.gone {
		q.sched.Forget(&m.Message)
		return
	}
	q.sched.Hold(&m.Message)
	size, err := logSize(queue.Bounce, m.id)
	switch {
	case err != nil && !errors.Is(err, os.ErrNotExist):
		msg.Fatal("%v", err)
	case err != nil:
		q.afterBounce(m, true)
	case size == 0:
		queue.Remove(queue.Bounce, m.id)
		q.afterBounce(m, true)
	default:
		q.notify(m, conf.Bounce.BounceServiceName, m.returnNotice(bounce.FlagNone), func(ok bool) { q.afterBounce(m, ok) })
	}
}

func (q *manager) afterBounce(m *message, ok bool) {
	m.failed = m.failed || !ok
	if m.failed {
		if _, err := queue.Stat(queue.Active, m.id); errors.Is(err, queue.ErrNotReady) {
			q.setAside(m)
			q.sched.Release(&m.Message)
			return
		}
	}
	if m.next != 0 {
		q.more(m, q.sched.Room())
		q.sched.Release(&m.Message)
		return
	}
	if !m.wantsReport() || !exists(queue.Trace, m.id) {
		q.afterReport(m)
		return
	}
	q.notify(m, conf.Bounce.TraceServiceName, m.notice(bounce.Trace, m.trace), func(ok bool) {
		switch {
		case !ok:
			m.failed = true
		case m.trace&deliver.FlagRecord != 0 && m.traceAt > 0:
			if err := m.wasTraced(); err != nil {
				msg.Warn("%s: %v", m.id, err)
			}
		}
		q.afterReport(m)
	})
}

func (q *manager) afterReport(m *message) {
	if !m.failed {
		q.remove(m)
		return
	}
	lifetime := conf.MaximalQueueLifetime
	if m.sender == "" {
		lifetime = conf.BounceQueueLifetime
	}
	switch {
	case m.expire || m.age(q.now) > lifetime:
		q.expire(m)
	case m.warn > 0 && q.now.Unix() >= m.warn-1:
		q.warn(m)
	default:
		q.wait(m)
	}
}

// expire returns a message to the sender that took too long.
func (q *manager) expire(m *message) {
	how := "expired"
	if m.expire {
		how = "force-expired"
	}
	msg.Info("%s: from=<%s>, status=%s, returned to sender", m.id, logAddress(m.sender), how)
	q.notify(m, conf.Bounce.DeferServiceName, m.returnNotice(bounce.FlagDeleteRecipients), func(ok bool) {
		if ok {
			q.remove(m)
		} else {
			q.wait(m)
		}
	})
}

// warn tells the sender, once, that the message is late.
func (q *manager) warn(m *message) {
	q.notify(m, conf.Bounce.DeferServiceName, m.notice(bounce.Warn, bounce.FlagNone), func(ok bool) {
		if ok {
			if err := m.wasWarned(); err != nil {
				msg.Warn("%s: %v", m.id, err)
			}
		}
		q.wait(m)
	})
}

// wait leaves the message for later: as long as it is old, within limits.
func (q *manager) wait(m *message) {
	delay := max(min(m.age(q.now), conf.MaximalBackoffTime), conf.MinimalBackoffTime)
	err := queue.SetTime(queue.Active, m.id, q.now.Add(delay))
	if err == nil {
		err = queue.Rename(m.id, queue.Active, queue.Deferred)
	}
	q.leave(m, err)
}

// remove ends the life of a message.
func (q *manager) remove(m *message) {
	var err error
	if conf.DontRemove != 0 {
		err = queue.Rename(m.id, queue.Active, "saved")
	} else {
		err = queue.Remove(queue.Active, m.id)
	}
	if err == nil {
		msg.Info("%s: removed", m.id)
	}
	q.leave(m, err)
}

// leave forgets a message that left the active queue. An administrator may
// have been faster.
func (q *manager) leave(m *message, err error) {
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			msg.Fatal("%s: %v", m.id, err)
		}
		msg.Warn("%s: %v", m.id, err)
	}
	q.forget(m)
	q.sched.Release(&m.Message)
}

// notice makes a request for the daemons that tell the sender.
func (m *message) notice(request, flags int) bounce.Notice {
	return bounce.Notice{
		Request:    request,
		Flags:      flags,
		QueueName:  string(queue.Active),
		QueueID:    m.id,
		Encoding:   m.attributes.encoding,
		SMTPUTF8:   int(m.sizes.SMTPUTF8) & knownUTF8,
		Sender:     m.sender,
		EnvelopeID: m.envelopeID,
		Return:     m.ret,
	}
}

// returnNotice asks for one notice about all failed recipients, or, for a
// message with variable envelope return paths, for one each.
func (m *message) returnNotice(flags int) any {
	if m.verp == "" || m.sender == "" || conf.DisableVerpBounces {
		return m.notice(bounce.Flush, flags)
	}
	return bounce.VerpNotice{Notice: m.notice(bounce.Verp, flags), Delimiters: m.verp}
}

// notify sends a request to one of the three notice services, and goes on with
// then when it is answered.
func (q *manager) notify(m *message, service string, request any, then func(ok bool)) {
	q.ask("private/"+service, bounce.Protocol, request, func(list attr.List, err error) {
		var r bounce.Reply
		if err == nil {
			err = list.Into(&r)
		}
		if err != nil {
			msg.Warn("%s: service %s: %v", m.id, service, err)
		} else if r.Status != 0 {
			msg.Warn("%s: service %s: status %d", m.id, service, r.Status)
		}
		then(err == nil && r.Status == 0)
	})
}

// deferRecipient writes down on disk why a recipient has to wait. This is for
// times when even the retry transport does not work.
func (q *manager) deferRecipient(m *message, r sched.Recipient, why sched.Trouble) {
	m.failed = true
	reporter := q.reporter(m)
	to := toDeliver(r)
	outcome := agent.Outcome{Status: dsn.Status(why.Status), Reason: why.Reason}
	q.sched.Hold(&m.Message)
	q.notify(m, conf.Bounce.DeferServiceName, reporter.Entry(&to, "delayed", outcome), func(ok bool) {
		reporter.Line(&to, "none", outcome, "deferred")
		q.remember(m, to.Address)
		q.sched.Release(&m.Message)
	})
}

// remember lets flush(8) know that a message waits for a site.
func (q *manager) remember(m *message, recipient string) {
	domain := address.Domain(recipient)
	if domain == "" || conf.FastFlushDomains == "" {
		return
	}
	request := flush.AddRequest{Request: "add", Site: domain, QueueID: m.id}
	q.ask("public/"+conf.Flush.FlushServiceName, flush.Protocol, request, func(_ attr.List, err error) {
		if err != nil {
			msg.Warn("%s: %v", m.id, err)
		}
	})
}

func exists(name queue.Name, id string) bool {
	_, err := logSize(name, id)
	return err == nil
}

// logSize returns the size of a file of bounce(8).
func logSize(name queue.Name, id string) (int64, error) {
	var st syscall.Stat_t
	err := syscall.Lstat(queue.Path(name, id), &st)
	return st.Size, err
}
