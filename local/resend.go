package main

import (
	"fmt"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/address"
	"postrider/lib/mail/date"
	"postrider/lib/mail/dsn"
	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
)

// A resend is a new message that is being made out of the one at hand. There is
// one for each sender and Delivered-To address.
type resend struct {
	sender, delivered string
	to                *cleanup.Writer
	time              time.Time
}

// indirect delivers by means of a new message, which has a record of its own
// for the recipient.
func (t task) indirect() bool {
	if t.seen.before("indirect %s", t.to.Address) {
		return true
	}
	if t.TraceOnly() {
		return t.sent("forwards to %s", address.Quote(t.to.Address))
	}
	r, err := t.newMessage()
	if err != nil {
		msg.Warn("%s: %v", t.QueueID, err)
		return t.failed("4.3.0", "unable to forward message")
	}
	if t.to.Notify != 0 {
		r.to.Attribute("notify_flags", fmt.Sprint(int(t.to.Notify)))
	}
	r.to.Attribute("dsn_orig_rcpt", t.to.OriginalDSN)
	if t.to.Original != "" {
		r.to.Record(record.Original, t.to.Original)
	}
	r.to.Record(record.Recipient, t.to.Address)
	return true
}

// newMessage returns the message that gets the recipient, and starts one when
// there is none yet.
func (t task) newMessage() (*resend, error) {
	for _, r := range t.resends {
		if r.sender == t.sender && r.delivered == t.delivered {
			return r, nil
		}
	}
	flags := conf.Detect.Flags("forward", cleanup.FlagBounce|cleanup.MaskInternal)
	if t.SMTPUTF8&record.UTF8Requested != 0 {
		flags |= cleanup.FlagSMTPUTF8
	}
	if t.SMTPUTF8&record.RequireTLS != 0 {
		flags |= cleanup.FlagRequireTLS
	}
	w, err := cleanup.Open(conf.Cleanup.Path(), flags, conf.IPCTimeout)
	if err != nil {
		return nil, err
	}
	r := &resend{t.sender, t.delivered, w, time.Now()}
	w.Time(r.time)
	w.Record(record.From, t.sender)
	if t.ret != 0 {
		w.Attribute("ret_flags", fmt.Sprint(int(t.ret)))
	}
	for _, a := range [][2]string{
		{"envelope_id", t.envelopeID}, {"log_client_name", t.ClientName}, {"log_client_address", t.ClientAddress},
		{"log_client_port", t.ClientPort}, {"log_protocol_name", t.ClientProtocol}, {"log_helo_name", t.ClientHelo},
		{"sasl_method", t.SASLMethod}, {"sasl_username", t.SASLUsername}, {"sasl_sender", t.SASLSender},
		{"log_ident", t.LogIdent}, {"rewrite_context", t.RewriteContext},
	} {
		w.Attribute(a[0], a[1])
	}
	t.delivery.resends = append(t.delivery.resends, r)
	return r, nil
}

// forward finishes the new messages, when all else for the recipient is done;
// if not they are thrown away, for the whole recipient will be tried again.
func (d *delivery) forward(done bool) bool {
	for i, r := range d.resends {
		if !done {
			r.to.Abort()
			continue
		}
		o := d.send(r)
		to := d.top
		to.Notify &^= dsn.NotifySuccess // the new message asks for that
		if done = d.Record(&to, d.Service, o); d.corrupt {
			for _, rest := range d.resends[i+1:] {
				rest.to.Abort()
			}
			return false
		}
	}
	return done
}

// send writes the content of a new message. Its first headers say where it
// comes from, which is what stops loops.
func (d *delivery) send(r *resend) agent.Outcome {
	unable := agent.Deferred("4.3.0", "unable to forward message")
	id, err := r.to.ID()
	if err != nil {
		msg.Warn("%s: %v", d.QueueID, err)
		return unable
	}
	w := r.to
	w.Record(record.Message, "")
	w.Line(fmt.Sprintf("Received: by %s (%s)", conf.MyHostname, conf.MailName), conf.LineLengthLimit)
	w.Line(fmt.Sprintf("\tid %s; %s", id, date.Header(r.time)), conf.LineLengthLimit)
	if site.prepend["forward"] {
		w.Line("Delivered-To: "+address.Quote(r.delivered), conf.LineLengthLimit)
	}
	if err := d.copyContent(w); err != nil {
		w.Abort()
		d.Corrupt(err)
		d.corrupt = true
		return unable
	}
	w.Record(record.Extracted, "")
	w.Record(record.End, "")
	status, _, err := w.Finish()
	if err != nil || status != 0 {
		msg.Warn("%s: forward as %s: %s %v", d.QueueID, id, status.Text(), err)
		return unable
	}
	return agent.Outcome{Status: "2.0.0", Reason: "forwarded as " + id, Action: "relayed"}
}

// copyContent copies the records of the content as they are.
func (d *delivery) copyContent(w *cleanup.Writer) error {
	in := record.NewReader(d.File)
	in.SeekTo(d.Offset)
	for w.Err() == nil {
		t, data, err := in.Next()
		switch {
		case err != nil:
			return err
		case t == record.Extracted:
			return nil
		case t != record.Text && t != record.Continued:
			return fmt.Errorf("bad record type: %d in message content", t)
		}
		w.RecordBytes(t, data)
	}
	return nil
}
