package main

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/mail/dsn"
	"postrider/lib/mail/dsnlog"
	"postrider/lib/mail/notice"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/verp"
	"postrider/lib/service/bounce"
	"postrider/lib/service/cleanup"
)

// Bits of the flags of a trace request: why the sender wants a report.
const (
	flagVerifyUser   = 512  // sendmail -bv
	flagRecordResult = 1024 // sendmail -v
)

// failed is the status of a request that could not be done.
const failed = -1

// A job is one request for notices.
type job struct {
	bounce.Notice
	service    queue.Name
	delimiters string        // for a notice per recipient to a variable sender
	single     *dsnlog.Entry // instead of a log
	original   *original
	now        time.Time
	kind
}

// A kind says what notices of one request look like, and who gets them.
type kind struct {
	template *notice.Template
	what     string     // is attached
	why      dsn.Notify // what a recipient must have asked for; 0: nothing
	headers  bool       // the sender gets headers only
	name     string     // in the log
	action   string     // replaces that of the log
	retried  bool       // say until when

	copyTo  string // the postmaster for copies; "" when none wants them
	orphans string // the postmaster for mail without sender; "" when none wants them
	whole   bool   // and he gets the whole message
}

func (j *job) chooseKind() {
	k := &j.kind
	switch j.Request {
	case bounce.Warn:
		*k = kind{template: &templates.Delay, what: "Undelivered Message", why: dsn.NotifyDelay,
			headers: true, name: "delay", retried: true, whole: true}
		if notifyClasses.delay {
			k.copyTo, k.orphans = conf.DelayNoticeRecipient, conf.DelayNoticeRecipient
		}
	case bounce.Trace:
		*k = kind{template: &templates.Success, what: "Message", headers: true, name: "delivery status"}
		if j.Flags&(flagVerifyUser|flagRecordResult) != 0 {
			k.template = &templates.Verify
		}
		if notifyClasses.twice {
			k.orphans = conf.SecondBounceNoticeRecipient
		}
	default:
		*k = kind{template: &templates.Failure, what: "Undelivered Message", why: dsn.NotifyFailure,
			headers: j.Return == dsn.ReturnHeaders, name: "non-delivery", action: "failed", whole: true}
		if notifyClasses.bounce {
			k.copyTo = conf.BounceNoticeRecipient
		}
		if notifyClasses.bounce || notifyClasses.twice {
			k.orphans = conf.SecondBounceNoticeRecipient
		}
	}
}

// run sends all notices of the request, and finishes the log.
func (j *job) run() int {
	j.now = time.Now()
	j.chooseKind()
	status := j.send()
	if status == 0 && j.Flags&bounce.FlagDeleteRecipients != 0 && j.Request != bounce.Trace {
		j.markRecipients()
	}
	if status == 0 && j.Request != bounce.Warn && j.single == nil {
		if err := removeLog(j.service, j.QueueID); err != nil {
			msg.Warn("%s: %v", j.QueueID, err)
		}
	}
	return status
}

func (j *job) send() int {
	if strings.EqualFold(j.Sender, doubleBounce()) {
		if j.kind.name == "non-delivery" {
			msg.Warn("%s: undeliverable postmaster notification discarded", j.QueueID)
		}
		return 0
	}
	j.original = openOriginal(queue.Name(j.QueueName), j.QueueID)
	defer j.original.close()
	if j.delimiters == "" {
		return j.notify(j.Sender, j.entries())
	}
	for e, err := range j.entries() {
		if err != nil {
			msg.Warn("%s: %v", j.QueueID, err)
			break
		}
		sender := j.Sender
		if sender != "" {
			sender = verp.Sender(j.delimiters, sender, seenAddress(e))
		}
		if status := j.notify(sender, one(e)); status != 0 {
			return status
		}
	}
	return 0
}

// notify tells the sender, and the postmaster what he wants to know. When the
// postmaster cannot be told this is not tried again: the sender would hear
// everything twice.
func (j *job) notify(sender string, entries iter.Seq2[dsnlog.Entry, error]) int {
	r := report{
		now: j.now, template: j.template, what: j.what, original: j.original, entries: entries,
		queueID: j.QueueID, envelopeID: j.EnvelopeID, action: j.action,
		global: j.SMTPUTF8&utf8Requested != 0,
		eight:  conf.SMTPUTF8Enable || j.Encoding == "8bit" || !strings.EqualFold(j.template.Charset, "us-ascii"),
	}
	if j.retried {
		r.lifetime = conf.MaximalQueueLifetime
	}
	r.tlsOptional = conf.TLS.Optional(j.SMTPUTF8)
	if conf.TLS.Wanted(j.SMTPUTF8) {
		r.requireTLS = !conf.RedactDSN
		r.headers = conf.RedactDSN
		j.headers = j.headers || conf.RedactDSN
	}
	if sender == "" {
		return j.notifyOrphaned(r)
	}
	status := 0
	mine := r
	mine.to, mine.headers, mine.wanted = sender, j.headers || j.original.size > conf.BounceSizeLimit, everyone
	if j.why != 0 {
		mine.wanted = forSender(j.why)
	}
	if j.anything(entries, mine.wanted) {
		status = j.post(&mine, "sender")
	}
	if status == 0 && j.copyTo != "" {
		r.from, r.to, r.headers, r.wanted, r.postmaster = doubleBounce(), j.copyTo, true, everyone, true
		if j.anything(entries, everyone) && j.post(&r, "postmaster") != 0 {
			msg.Warn("%s: postmaster notice failed while notifying %s", j.QueueID, sender)
		}
	}
	return status
}

// notifyOrphaned tells the postmaster about mail that has no sender.
func (j *job) notifyOrphaned(r report) int {
	if j.orphans == "" || !j.anything(r.entries, everyone) {
		return 0
	}
	if j.retried {
		r.lifetime = conf.BounceQueueLifetime
	}
	r.from, r.to, r.wanted = doubleBounce(), j.orphans, everyone
	r.headers = r.headers || !j.whole || j.original.size > conf.BounceSizeLimit
	who := "sender"
	if j.Request != bounce.Trace {
		r.postmaster, who = true, "postmaster"
	}
	return j.post(&r, who)
}

// utf8Requested is the bit of the message flags that makes a notice an
// international one.
const utf8Requested = 1

// post puts a notice into the queue.
func (j *job) post(r *report, who string) int {
	w, err := cleanup.Open("public/"+conf.Cleanup.CleanupServiceName, r.cleanupFlags(), conf.IPCTimeout)
	if err != nil {
		msg.Warn("%s: %v", j.QueueID, err)
		return failed
	}
	if r.id, err = w.ID(); err != nil {
		w.Abort()
		msg.Warn("%s: %v", j.QueueID, err)
		return failed
	}
	r.out = w
	r.write()
	status, reason, err := w.Finish()
	switch {
	case err != nil:
		msg.Warn("%s: %v", j.QueueID, err)
		return failed
	case status != 0:
		if reason == "" {
			reason = status.Text()
		}
		msg.Warn("%s: %s %s notification not queued: %s", j.QueueID, who, j.kind.name, reason)
		return int(status)
	}
	msg.Info("%s: %s %s notification: %s", j.QueueID, who, j.kind.name, r.id)
	return 0
}

func (r *report) cleanupFlags() int {
	flags := cleanup.MaskInternal
	if strings.Contains(conf.FilterClasses, "bounce") {
		flags |= cleanup.FlagFilter | cleanup.FlagMilter
	}
	if r.global {
		flags |= cleanup.FlagSMTPUTF8
	}
	if r.requireTLS {
		flags |= cleanup.FlagRequireTLS
	}
	return flags
}

// doubleBounce is the sender of notices to the postmaster.
func doubleBounce() string { return fmt.Sprintf("%s@%s", conf.DoubleBounceSender, conf.MyHostname) }

// entries are those of the log, or the only one.
func (j *job) entries() iter.Seq2[dsnlog.Entry, error] {
	if j.single != nil {
		return one(*j.single)
	}
	return readLog(j.service, j.QueueID, j.deferred())
}

func (j *job) deferred() bool { return string(j.service) == conf.Services.DeferServiceName }

func one(e dsnlog.Entry) iter.Seq2[dsnlog.Entry, error] {
	return func(yield func(dsnlog.Entry, error) bool) { yield(e, nil) }
}

// markRecipients finishes the recipients of the log in the queue file, so that
// nobody tries them again.
func (j *job) markRecipients() {
	var f *queue.File
	for e, err := range j.entries() {
		if err != nil || e.Offset <= 0 {
			continue
		}
		if f == nil {
			if f, err = queue.Open(queue.Name(j.QueueName), j.QueueID); err != nil {
				msg.Warn("%s: mark recipients as done: %v", j.QueueID, err)
				return
			}
			defer f.Close()
		}
		if err := markRecipient(f, e.Offset); err != nil {
			msg.Warn("%s: %v", j.QueueID, err)
		}
	}
}

// markRecipient writes only where a recipient stands: the offset was read from
// a file.
func markRecipient(f *queue.File, offset int64) error {
	var b [1]byte
	if n, err := f.ReadAt(b[:], offset); n < 1 {
		return fmt.Errorf("mark recipient at offset %d as done: %v", offset, err)
	}
	switch b[0] {
	case 'D':
		return nil
	case 'R':
		return f.MarkDone(offset)
	}
	return fmt.Errorf("mark recipient at offset %d as done: there is a record of type %d", offset, b[0])
}
