package main

import (
	"fmt"
	"iter"
	"os"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/mail/address"
	"postrider/lib/mail/dsn"
	"postrider/lib/mail/dsnlog"
	"postrider/lib/mail/notice"
	"postrider/lib/mail/record"
	"postrider/lib/service/bounce"
)

// A recorder takes the records of a new message.
type recorder interface {
	Record(t record.Type, data string)
	RecordBytes(t record.Type, data []byte)
	Line(text string, limit int)
}

// A report is one notice, about to be written. Source: RFC 3464, RFC 6522.
type report struct {
	out      recorder
	id       string // of the new message
	now      time.Time
	template *notice.Template
	what     string // "Undelivered Message": how the third part is called
	original *original
	entries  iter.Seq2[dsnlog.Entry, error] // nil error but for a log that cannot be opened

	queueID     string // of the message that this is about
	envelopeID  string
	from, to    string // envelope addresses, internal form
	postmaster  bool   // a copy for somebody who knows the words
	headers     bool   // attach only headers
	global      bool   // the message needs SMTPUTF8: RFC 6533
	eight       bool   // 8-bit text is possible
	requireTLS  bool   // the notice must have TLS on its way
	tlsOptional bool   // the message has the header "TLS-Required: no"

	wanted   func(dsnlog.Entry) bool
	action   string        // replaces that of the log
	lifetime time.Duration // of the message; 0: say nothing about further attempts
}

// write writes the message, from the first record to the last.
func (r *report) write() {
	r.envelope()
	r.header()
	r.text()
	r.status()
	r.message()
	r.line("")
	r.line("--%s--", r.boundary())
	r.out.Record(record.Extracted, "")
	r.out.Record(record.End, "")
}

func (r *report) line(format string, args ...any) {
	r.out.Line(fmt.Sprintf(format, args...), conf.LineLengthLimit)
}

func (r *report) envelope() {
	r.out.Record(record.Time, fmt.Sprintf("%d %d", r.now.Unix(), r.now.Nanosecond()/1000))
	r.out.Record(record.Attribute, "log_message_origin=local")
	r.out.Record(record.Attribute, "trace_flags=0")
	r.out.Record(record.From, r.from)
	r.out.Record(record.Recipient, r.to)
	r.out.Record(record.Message, "")
}

func (r *report) boundary() string {
	return fmt.Sprintf("%s.%d/%s", r.queueID, r.now.Unix(), conf.MyHostname)
}

func (r *report) header() {
	subject, auto := r.template.Subject, "auto-replied"
	if r.postmaster {
		// Not an answer to anybody's mail. RFC 3834, section 5.
		auto = "auto-generated"
	}
	if r.postmaster && r.template.PostmasterSubject != "" {
		subject = r.template.PostmasterSubject
	}
	date := mailDate(r.now)
	r.line("Received: by %s (%s)", conf.MyHostname, conf.MailName)
	r.line("\tid %s; %s", r.id, date)
	r.line("Date: %s", date)
	r.line("From: %s", r.sender())
	r.line("Subject: %s", subject)
	r.line("To: %s", printable(address.Quote(r.to)))
	if id := r.original.messageID; id != "" {
		r.line("References: %s", id)
		r.line("In-Reply-To: %s", id)
	}
	r.line("Auto-Submitted: %s", auto)
	if r.tlsOptional {
		r.line("TLS-Required: no")
	}
	r.line("MIME-Version: 1.0")
	r.line("Content-Type: multipart/report; report-type=delivery-status;")
	r.line("\tboundary=\"%s\"", r.boundary())
	r.encoding()
	r.line("")
	r.line("This is a MIME-encapsulated message.")
}

// sender is the From: header. The built-in one follows header_from_format.
func (r *report) sender() string {
	if !r.template.OwnFrom && strings.EqualFold(conf.HeaderFromFormat, "obsolete") {
		return notice.ObsoleteFrom
	}
	return r.template.From
}

func (r *report) encoding() {
	if r.eight {
		r.line("Content-Transfer-Encoding: 8bit")
	}
}

// part begins a part of the message.
func (r *report) part(description, contentType string) {
	r.line("")
	r.line("--%s", r.boundary())
	r.line("Content-Description: %s", description)
	r.line("Content-Type: %s", contentType)
}

// text is the part for people.
func (r *report) text() {
	charset := r.template.Charset
	if r.eight && strings.EqualFold(charset, "us-ascii") {
		charset = "utf-8"
	}
	r.part("Notification", "text/plain; charset="+charset)
	r.encoding()
	r.line("")
	if !r.postmaster {
		for _, line := range r.template.Lines(values) {
			r.line("%s", line)
		}
	}
	for e, err := range r.entries {
		switch {
		case err != nil:
			r.line("")
			r.line("\t--- Delivery report unavailable ---")
		case r.wanted(e):
			r.line("")
			r.wrap(sentence(e))
		}
	}
}

// sentence says what happened to a recipient.
func sentence(e dsnlog.Entry) string {
	text := "<" + strings.Trim(e.Recipient, "<>") + ">"
	if e.Original != "" {
		text += " (expanded from <" + strings.Trim(e.Original, "<>") + ">)"
	}
	return text + ": " + e.Reason
}

// wrap folds long text; lines after the first are indented.
func (r *report) wrap(text string) {
	const width, indent = 79, "    "
	prefix := ""
	for {
		text = strings.TrimRight(text, " ")
		limit := width - len(prefix)
		if len(text) <= limit {
			r.line("%s%s", prefix, text)
			return
		}
		cut := strings.LastIndexByte(text[:limit+1], ' ')
		if cut <= 0 {
			if cut = strings.IndexByte(text, ' '); cut <= 0 {
				r.line("%s%s", prefix, text)
				return
			}
		}
		r.line("%s%s", prefix, strings.TrimRight(text[:cut], " "))
		text, prefix = strings.TrimLeft(text[cut:], " "), indent
	}
}

// status is the part for programs. Source: RFC 3464, sections 2.2 and 2.3.
func (r *report) status() {
	if r.global {
		r.part("Delivery report", "message/global-delivery-status")
		r.encoding()
	} else {
		r.part("Delivery report", "message/delivery-status")
	}
	r.line("")
	r.line("Reporting-MTA: dns; %s", conf.MyHostname)
	if r.envelopeID != "" {
		r.line("Original-Envelope-Id: %s", printable(r.envelopeID))
	}
	r.line("X-%s-Queue-ID: %s", conf.MailName, r.queueID)
	if r.original.hasSender {
		r.line("X-%s-Sender: %s", conf.MailName, typed(r.original.returnPath()))
	}
	if !r.original.arrival.IsZero() {
		r.line("Arrival-Date: %s", mailDate(r.original.arrival))
	}
	for e, err := range r.entries {
		if err == nil && r.wanted(e) {
			r.recipient(e)
		}
	}
}

func (r *report) recipient(e dsnlog.Entry) {
	action := e.Action
	if r.action != "" {
		action = r.action
	}
	r.line("")
	r.line("Final-Recipient: %s", typed(e.Recipient))
	switch {
	case e.OriginalDSN != "":
		r.line("Original-Recipient: %s", e.OriginalDSN)
	case e.Original != "":
		r.line("Original-Recipient: %s", typed(e.Original))
	}
	r.line("Action: %s", action)
	r.line("Status: %s", e.Status)
	if e.RemoteName != "" {
		r.line("Remote-MTA: %s; %s", e.RemoteType, e.RemoteName)
	}
	if e.DiagText != "" {
		r.wrap(fmt.Sprintf("Diagnostic-Code: %s; %s", e.DiagType, e.DiagText))
	} else {
		r.wrap(fmt.Sprintf("Diagnostic-Code: X-%s; %s", conf.MailName, e.Reason))
	}
	if r.lifetime > 0 && !r.original.arrival.IsZero() {
		r.line("Will-Retry-Until: %s", mailDate(r.original.arrival.Add(r.lifetime)))
	}
}

// typed puts the address type in front of an address. RFC 6533, section 3.
func typed(addr string) string {
	for _, c := range []byte(addr) {
		if c >= 0x80 {
			return "utf-8; " + addr
		}
	}
	return "rfc822; " + addr
}

// returnPath is the sender in external form. Notices have no sender; the name
// of who wrote them says more than nothing.
func (o *original) returnPath() string {
	if o.sender == "" {
		return "MAILER-DAEMON@" + conf.MyHostname
	}
	return external(o.sender)
}

// message attaches the message or its headers.
func (r *report) message() {
	description, kind := r.what, "message/rfc822"
	switch {
	case r.headers && r.global:
		description, kind = r.what+" Headers", "message/global-headers"
	case r.headers:
		description, kind = r.what+" Headers", "text/rfc822-headers"
	case r.global:
		kind = "message/global"
	}
	r.part(description, kind)
	r.encoding()
	r.line("")
	if !r.original.readable {
		r.line("\t--- Undelivered message unavailable ---")
		return
	}
	if r.original.hasSender {
		r.line("Return-Path: <%s>", r.original.returnPath())
	}
	records := r.original.lines
	if r.headers {
		records = r.original.header
	}
	last := record.Text
	for t, data := range records {
		r.out.RecordBytes(t, data)
		last = t
	}
	if last == record.Continued {
		r.line("")
	}
}

// mailDate is the date of RFC 5322, section 3.3.
func mailDate(t time.Time) string { return t.Format("Mon, 02 Jan 2006 15:04:05 -0700 (MST)") }

// everyone and forSender say which recipients a notice is about.
func everyone(dsnlog.Entry) bool { return true }

func forSender(why dsn.Notify) func(dsnlog.Entry) bool {
	return func(e dsnlog.Entry) bool { return e.Notify == 0 || e.Notify&why != 0 }
}

// anything reports whether a notice has something to say. When a log about
// failure or delay is lost, the loss is worth a notice; a report of success is
// asked for also when there was no success yet.
func (j *job) anything(entries iter.Seq2[dsnlog.Entry, error], wanted func(dsnlog.Entry) bool) bool {
	for e, err := range entries {
		if err != nil {
			if !os.IsNotExist(err) {
				msg.Warn("%s: %v", j.QueueID, err)
			}
			return j.Request != bounce.Trace
		}
		if wanted(e) {
			return true
		}
	}
	return false
}
