package agent

import (
	"strconv"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/mail/address"
	"postrider/lib/mail/dsn"
	"postrider/lib/service/bounce"
	"postrider/lib/service/deliver"
	"postrider/lib/service/flush"
	"postrider/lib/service/verify"
)

// A Reporter records outcomes for the recipients of one message. The queue
// manager has one for mail that reaches no agent.
type Reporter struct {
	Params  *Report
	ID      string
	Flags   int // of the delivery request
	Times   deliver.Times
	Timeout time.Duration // for a conversation with bounce(8)
	Filter  *table.List   // replaces status codes and texts; may be nil

	Features string // for the log: how TLS was used
}

// Record logs what became of a recipient, after bounce(8) has it on disk. It
// returns false when the recipient must be tried again.
func (r *Reporter) Record(to *deliver.Recipient, relay string, o Outcome) bool {
	o = filtered(r.Filter, o)
	if r.Flags&deliver.FlagProbe != 0 {
		return r.probed(to, relay, o)
	}
	switch o.Status.Class() {
	case '2':
		return r.sent(to, relay, o)
	case '5':
		return r.bounced(to, relay, o)
	}
	return r.deferred(to, relay, o)
}

// probed tells verify(8) what would have become of mail. The address is the one
// that verify asked about. Without an answer the probe is tried again.
func (r *Reporter) probed(to *deliver.Recipient, relay string, o Outcome) bool {
	found, word := verify.Deferred, "undeliverable"
	switch o.Status.Class() {
	case '2':
		found, word = verify.Deliverable, "deliverable"
	case '5':
		found = verify.Undeliverable
	}
	if found != verify.Deliverable && !r.Params.Negative.AddressVerifyNegativeCache {
		r.line(to, relay, o, "undeliverable-but-not-cached")
		return true
	}
	service := r.Params.Verify.AddressVerifyServiceName
	client := verify.New(service, r.Timeout, 0, 0)
	defer client.Close()
	if err := client.Update(orElse(to.Original, to.Address), found, o.Reason); err != nil {
		msg.Warn("%s: %s service failure: %v", r.ID, service, err)
		return false
	}
	r.line(to, relay, o, word)
	return true
}

func (r *Reporter) sent(to *deliver.Recipient, relay string, o Outcome) bool {
	word := "sent"
	if r.Flags&deliver.FlagTraceOnly != 0 {
		word = "deliverable"
	}
	if r.traced() || to.Notify&dsn.NotifySuccess != 0 {
		if err := r.Trace(to, relay, o); err != nil {
			return r.deferred(to, relay, Deferred("4.3.0", "%s: trace service failed", r.ID))
		}
	}
	r.line(to, relay, o, word)
	return true
}

// Trace tells the sender what became of a recipient, without a line in the log.
func (r *Reporter) Trace(to *deliver.Recipient, relay string, o Outcome) error {
	if relay != "none" {
		o.Reason = "delivery via " + relay + ": " + o.Reason
	}
	return r.log(r.Params.Bounce.TraceServiceName, to, orElse(o.Action, r.goodAction()), o)
}

// traced reports whether the sender wants to hear of every recipient.
func (r *Reporter) traced() bool {
	return r.Flags&(deliver.FlagUserProbe|deliver.FlagRecord|deliver.FlagDelayed) != 0
}

func (r *Reporter) goodAction() string {
	if r.Flags&deliver.FlagTraceOnly != 0 {
		return "deliverable"
	}
	return "delivered"
}

func (r *Reporter) bounced(to *deliver.Recipient, relay string, o Outcome) bool {
	if r.Flags&deliver.FlagTraceOnly != 0 {
		return r.undeliverable(to, relay, o)
	}
	if r.Params.SoftBounce {
		o.Status = o.Status.WithClass('4')
		return r.postpone(to, relay, o, "SOFTBOUNCE")
	}
	if err := r.log(r.Params.Bounce.BounceServiceName, to, "failed", o); err != nil {
		msg.Warn("%s: %v", r.ID, err)
		return r.deferred(to, relay, Deferred("4.3.0", "%s: bounce service failed", r.ID))
	}
	r.line(to, relay, o, "bounced")
	return true
}

func (r *Reporter) undeliverable(to *deliver.Recipient, relay string, o Outcome) bool {
	if r.Flags&deliver.FlagUserProbe != 0 {
		traced := o
		traced.Action = "undeliverable"
		if err := r.Trace(to, relay, traced); err != nil {
			msg.Warn("%s: %v", r.ID, err)
			return false
		}
	}
	r.line(to, relay, o, "undeliverable")
	return true
}

func (r *Reporter) deferred(to *deliver.Recipient, relay string, o Outcome) bool {
	if r.Flags&deliver.FlagTraceOnly != 0 {
		return r.undeliverable(to, relay, o)
	}
	return r.postpone(to, relay, o, "deferred")
}

func (r *Reporter) postpone(to *deliver.Recipient, relay string, o Outcome, word string) bool {
	if err := r.log(r.Params.Bounce.DeferServiceName, to, "delayed", o); err != nil {
		msg.Warn("%s: %v", r.ID, err)
	}
	// Whoever reads the line and then asks for another attempt finds the message
	// deferred, not on its way there.
	r.remember(to)
	r.line(to, relay, o, word)
	return false
}

// remember lets flush(8) know which message waits for the destination.
func (r *Reporter) remember(to *deliver.Recipient) {
	domain := address.Domain(to.Address)
	if domain == "" || r.Params.FastFlushDomains == "" {
		return
	}
	if _, err := flush.Add(r.Params.Flush, domain, r.ID, r.Timeout); err != nil {
		msg.Warn("%s: %v", r.ID, err)
	}
}

// log appends to the bounce, defer or trace log of the message.
func (r *Reporter) log(service string, to *deliver.Recipient, action string, o Outcome) error {
	return bounce.Send(service, r.Entry(to, action, o), r.Timeout)
}

// Entry is what the log of the message gets, for those who send it themselves.
func (r *Reporter) Entry(to *deliver.Recipient, action string, o Outcome) bounce.LogEntry {
	entry := bounce.LogEntry{Request: bounce.Append, Flags: r.Flags &^ deliver.FlagDefault, QueueID: r.ID, Recipient: *to,
		Report: deliver.Report{Status: o.Status, DiagType: o.DiagType, DiagText: o.DiagText,
			Action: action, Reason: o.Reason}}
	if entry.Offset < 0 {
		entry.Offset = 0
	}
	if o.RemoteName != "" {
		entry.RemoteType, entry.RemoteName = "dns", o.RemoteName
	}
	return entry
}

// Line writes the line of a recipient that was recorded in another way.
func (r *Reporter) Line(to *deliver.Recipient, relay string, o Outcome, status string) {
	r.line(to, relay, o, status)
}

// line writes the line that log readers depend on; its form is fixed.
func (r *Reporter) line(to *deliver.Recipient, relay string, o Outcome, status string) {
	var b strings.Builder
	b.WriteString(r.ID)
	b.WriteString(": to=<")
	b.WriteString(r.address(to.Address))
	if to.Original != "" && !strings.EqualFold(to.Original, to.Address) {
		b.WriteString(">, orig_to=<")
		b.WriteString(r.address(to.Original))
	}
	b.WriteString(">, relay=")
	b.WriteString(relay)
	if r.Times.Reuse > 0 {
		b.WriteString(", conn_use=" + strconv.Itoa(r.Times.Reuse+1))
	}
	b.WriteString(Delays(r.Times, time.Now(), r.Params.DelayResolution))
	b.WriteString(r.Features)
	b.WriteString(", dsn=" + string(o.Status) + ", status=" + status + " (")
	b.WriteString(o.Reason)
	b.WriteString(")")
	msg.Info("%s", b.String())
}

func (r *Reporter) address(internal string) string {
	if r.Params.LogAddressFormat == "internal" {
		return internal
	}
	return address.Quote(internal)
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
