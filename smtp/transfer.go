package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/address"
	"postrider/lib/mail/convert"
	"postrider/lib/mail/dsn"
	"postrider/lib/net/dialogue"
	"postrider/lib/service/deliver"
)

// A stage is a step of the mail transaction, in the words of log lines: what we
// do "while ..." and what a reply is "in reply to ...".
type stage struct{ while, command string }

var (
	xforwardName  = stage{"sending XFORWARD name/address", "XFORWARD name/address command"}
	xforwardProto = stage{"sending XFORWARD protocol/helo_name", "XFORWARD helo/protocol command"}
	mailFrom      = stage{"sending MAIL FROM", "MAIL FROM command"}
	rcptTo        = stage{"sending RCPT TO", "RCPT TO command"}
	dataCommand   = stage{"sending DATA command", "DATA command"}
	messageBody   = stage{"sending message body", "message body"}
	endOfData     = stage{"sending end of data -- message may be sent more than once", "end of DATA command"}
)

// A command is one that may be sent together with others.
type command struct {
	stage
	text  string
	limit time.Duration
	rcpt  *recipient // of RCPT TO
}

// A transaction sends one message to those recipients that have no answer yet.
type transaction struct {
	*session
	d        *delivery
	accepted []*recipient
	refused  bool // MAIL FROM or DATA: no recipient can be served
	ready    bool // the server waits for the content
	quitting bool // QUIT is sent already
}

// transfer runs the transaction. Each recipient is then answered or, when
// another server is to be tried, kept.
func (s *session) transfer(d *delivery) {
	t := &transaction{session: s, d: d}
	s.done, s.clean = true, false
	commands, why := t.commands()
	if why != nil {
		d.failAll(s, why, false)
		return
	}
	for len(commands) > 0 && !t.dead {
		n := t.together(commands)
		if n = t.send(commands[:n]); n == 0 {
			break
		}
		if !t.receive(commands[:n]) {
			return
		}
		commands = commands[n:]
	}
	switch {
	case t.ready && len(t.accepted) > 0 && !t.refused && !d.req.TraceOnly():
		t.content()
	case t.ready && !t.refused && !d.req.TraceOnly():
		t.nothing()
	case t.ready:
		t.dead = true // anything more would be the content
	}
	if t.dead {
		t.lost()
	}
}

// lost answers for those that a server forgot when it hung up with 421.
func (t *transaction) lost() {
	if len(t.d.open()) > 0 {
		t.d.failAll(t.session, t.broken(nil, rcptTo.while), true)
	}
}

// commands makes the commands of the transaction, up to DATA.
func (t *transaction) commands() ([]command, *agent.Outcome) {
	if t.sizeLimit > 0 && t.d.req.Size > t.sizeLimit {
		return nil, failure("5.3.4", "message size %d exceeds size limit %d of server %s", t.d.req.Size, t.sizeLimit, t.name())
	}
	list := t.xforwardCommands()
	mail, why := t.mailCommand()
	if why != nil {
		return nil, why
	}
	list = append(list, command{stage: mailFrom, text: mail, limit: conf.MailTimeout})
	for _, r := range t.d.open() {
		text, why := t.rcptCommand(r)
		if why != nil {
			t.d.failOne(t.session, r, why)
			continue
		}
		list = append(list, command{stage: rcptTo, text: text, limit: conf.RcptTimeout, rcpt: r})
	}
	if !t.d.req.TraceOnly() || strings.EqualFold(conf.AddressVerifyTarget, "data") {
		list = append(list, command{stage: dataCommand, text: "DATA", limit: conf.DataInitTimeout})
	}
	return list, nil
}

// mailCommand makes MAIL FROM with the parameters of the extensions that the
// server has. RFC 1870, RFC 6152, RFC 6531, RFC 3461.
func (t *transaction) mailCommand() (string, *agent.Outcome) {
	req := t.d.req
	sender, err := outside(req.Sender)
	if err != nil {
		return "", failure("4.3.0", "%v", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "MAIL FROM:<%s>", envelope(sender))
	if t.size {
		fmt.Fprintf(&b, " SIZE=%d", req.Size)
	}
	if t.eightBit && req.Encoding != "" {
		b.WriteString(map[string]string{"8bit": " BODY=8BITMIME", "7bit": " BODY=7BIT"}[req.Encoding])
	}
	if t.smtputf8 && req.SMTPUTF8&smtputf8Mask != 0 {
		b.WriteString(" SMTPUTF8")
	}
	if conf.SASL.DummyMailAuth && t.offersAuth && logins != nil {
		b.WriteString(" AUTH=<>")
	}
	if t.d.need != needNothing && t.requireTLS && t.tls != nil {
		b.WriteString(" REQUIRETLS")
	}
	if t.dsn {
		if req.EnvelopeID != "" {
			b.WriteString(" ENVID=" + xtext(req.EnvelopeID))
		}
		if req.Return != 0 {
			b.WriteString(" RET=" + req.Return.String())
		}
	}
	return b.String(), nil
}

// rcptCommand makes RCPT TO. RFC 3461, sections 4.1 and 4.2.
func (t *transaction) rcptCommand(r *recipient) (string, *agent.Outcome) {
	to, err := outside(r.Address)
	if err != nil {
		return "", failure("4.3.0", "%v", err)
	}
	text := "RCPT TO:<" + envelope(to) + ">"
	if !t.dsn {
		return text, nil
	}
	original := r.OriginalDSN
	if original == "" && r.Original != "" {
		original = "rfc822;" + address.Quote(r.Original)
	}
	if kind, value, ok := strings.Cut(original, ";"); ok {
		if strings.EqualFold(kind, "utf-8") {
			text += " ORCPT=" + kind + ";" + utf8xtext(value)
		} else {
			text += " ORCPT=" + kind + ";" + xtext(value)
		}
	}
	if r.Notify != 0 {
		text += " NOTIFY=" + r.Notify.String()
	}
	return text, nil
}

// envelope is an address in the form that the server is to see.
func envelope(addr string) string {
	if conf.QuoteRFC821Envelope {
		return address.Quote(addr)
	}
	return addr
}

// together tells how many commands go out in one write: one without
// PIPELINING; else as many as surely fit in the buffers between us and the
// server, with their replies on the way back. RFC 2920.
func (t *transaction) together(list []command) int {
	if !t.pipelining {
		return 1
	}
	const most = 100
	bytes := 0
	for i, c := range list {
		if bytes += len(c.text) + 2; i == most || bytes > window/2 {
			return max(i, 1)
		}
	}
	return len(list)
}

// send writes commands into the buffer. DATA for nobody is not sent; then there
// is nothing more to do.
func (t *transaction) send(list []command) int {
	for i, c := range list {
		if c.stage == dataCommand && i == 0 && len(t.accepted) == 0 || t.refused {
			return i
		}
		t.say(c.text)
	}
	return len(list)
}

// receive reads the answers to commands. False means that the conversation
// broke off, which is told already.
func (t *transaction) receive(list []command) bool {
	for _, c := range list {
		t.within(c.limit)
		reply, err := t.reply()
		if err != nil {
			t.d.failAll(t.session, t.broken(err, c.while), true)
			return false
		}
		t.take(c, reply)
	}
	return true
}

// take does what the answer to a command calls for.
func (t *transaction) take(c command, reply dialogue.Reply) {
	switch c.stage {
	case xforwardName, xforwardProto: // a courtesy: a server that refuses it gets the mail too
		if reply.Class() != 2 {
			msg.Warn("host %s said: %s (in reply to %s)", t.relay(), reply.Text(), c.command)
		}
	case mailFrom:
		if reply.Class() != 2 {
			t.d.failAll(t.session, t.said(reply, c.stage), false)
			t.refused = true
		}
	case rcptTo:
		if !t.refused {
			t.takeRecipient(c.rcpt, reply)
		}
	case dataCommand:
		t.ready = reply.Class() == 3
		switch {
		case t.refused || len(t.accepted) == 0:
		case !t.ready:
			t.d.failAll(t.session, t.said(reply, c.stage), false)
			t.refused = true
		case t.d.req.TraceOnly():
			for _, r := range t.accepted {
				t.sent(r, reply)
			}
		}
	}
}

// takeRecipient does what the answer to RCPT TO calls for.
func (t *transaction) takeRecipient(r *recipient, reply dialogue.Reply) {
	if reply.Class() == 2 {
		t.accepted = append(t.accepted, r)
		if t.d.req.TraceOnly() && !strings.EqualFold(conf.AddressVerifyTarget, "data") {
			t.sent(r, reply)
		}
		return
	}
	t.d.failOne(t.session, r, t.said(reply, rcptTo))
}

// content sends the message and takes the answer: one for the message or, with
// LMTP, one for each recipient. RFC 2033, section 4.2.
func (t *transaction) content() {
	t.within(conf.DataXferTimeout)
	if err := t.body(); err != nil {
		t.dead = true
		t.d.failAll(t.session, t.broken(err, messageBody.while), !errors.Is(err, convert.ErrNesting))
		return
	}
	t.WriteString(".\r\n")
	if t.pipelining && conf.SkipQuitResponse && !t.mayGoOn() {
		t.say("QUIT")
		t.quitting = true
	}
	t.within(conf.DataDoneTimeout)
	count := 1
	if lmtp {
		count = len(t.accepted)
	}
	for i := range count {
		reply, err := t.reply()
		if err != nil {
			t.d.failAll(t.session, t.broken(err, endOfData.while), true)
			break
		}
		t.d.req.Times.Done = time.Now()
		switch {
		case lmtp && reply.Class() == 2:
			t.sent(t.accepted[i], reply)
		case lmtp:
			t.d.failOne(t.session, t.accepted[i], t.said(reply, endOfData))
		case reply.Class() == 2:
			for _, r := range t.accepted {
				t.sent(r, reply)
			}
		default:
			t.d.failAll(t.session, t.said(reply, endOfData), false)
		}
	}
	t.clean = !t.dead
	if t.quitting {
		t.dead = true
	}
}

// nothing is content for nobody: the server refused all recipients, and waits for
// it nevertheless.
func (t *transaction) nothing() {
	t.WriteString(".\r\n")
	if t.mayGoOn() {
		t.within(conf.DataDoneTimeout)
		_, err := t.reply()
		t.clean = err == nil
	}
}

// sent reports that a server took the mail for a recipient. A server with DSN
// will tell the sender itself. RFC 3461, section 5.2.
func (t *transaction) sent(r *recipient, reply dialogue.Reply) {
	o := t.answered(reply, reply.Text())
	o.Action = "relayed"
	switch {
	case t.dsn:
		r.Notify &^= dsn.NotifySuccess
	case finalDelivery || lmtp && conf.AssumeFinal:
		o.Action = "delivered"
	}
	if reply.Class() != 2 { // the answer to DATA decides about a probe
		o.Status = "2.0.0"
	}
	if t.d.req.Flags&deliver.FlagTraceOnly != 0 {
		o.Action = "deliverable"
	}
	t.d.report(t.session, r, o)
}
