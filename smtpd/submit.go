package main

import (
	"errors"
	"strconv"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/mail/dsn"
	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
)

// A submission takes the records of one message: cleanup(8), or for a session
// on this machine postdrop(1).
type submission interface {
	ID() (string, error)
	Record(t record.Type, data string)
	RecordBytes(t record.Type, data []byte)
	Raw(records []byte)
	Err() error
	Finish() (cleanup.Status, string, error)
	Abort()
}

// open connects to what takes the message, when that was not done yet. The
// queue ID is read later, when it is first needed.
func (s *session) open() reply {
	m := s.mail
	if m.queue != nil {
		return ok("")
	}
	submit := s.service.submit
	if conf.ProxyFilter != "" && !s.alone {
		submit = submitFilter
	}
	queue, err := submit(s)
	if f, filtering := queue.(*filter); filtering && err != nil {
		r := s.filterRefused(f, err)
		f.Abort()
		return r
	}
	if err != nil {
		msg.Warn("%v", err)
		return refuse("resource", "451 4.3.0 Error: queue file write error")
	}
	m.queue = queue
	if conf.ProxyFilter != "" {
		s.queueID()
	}
	return ok("")
}

// filterRefused is the reply of the content filter, or what to say without one.
func (s *session) filterRefused(f *filter, err error) reply {
	if !errors.Is(err, errFilter) {
		msg.Warn("%v", err)
		return refuse("software", "451 4.3.0 Error: queue file write error")
	}
	return refuse("policy", strings.Join(f.last.Lines, "\n"))
}

// noQueue stands in the log where there is no message yet, or none of ours.
const noQueue = "NOQUEUE"

// queueID is the ID of the current message, or NOQUEUE. It logs whose message
// that is before any other line with the ID.
func (s *session) queueID() string {
	m := s.mail
	if m == nil || m.queue == nil {
		return noQueue
	}
	if m.id != "" {
		return m.id
	}
	id, err := m.queue.ID()
	if err != nil {
		msg.Warn("%v", err)
		return noQueue
	}
	m.id = id
	line := id + ": client=" + s.nameAddr()
	if s.sasl.Method != "" {
		line += ", sasl_method=" + s.sasl.Method
	}
	if s.sasl.User != "" {
		line += ", sasl_username=" + s.sasl.User
	}
	if m.auth {
		line += ", sasl_sender=" + s.sasl.Sender
	}
	if f := s.forward; f != nil && f.ident != "" {
		line += ", orig_queue_id=" + f.ident
	}
	if f := s.forward; f != nil {
		line += ", orig_client=" + f.nameAddr()
	}
	msg.Info("%s", line)
	return id
}

// envelope sends all records up to the content, in the order of formats.md 2.4.
func (s *session) envelope() {
	m, q := s.mail, s.mail.queue
	s.queueID()
	s.announceMilters()
	q.Record(record.Time, strconv.FormatInt(m.arrived.Unix(), 10)+" "+strconv.Itoa(m.arrived.Nanosecond()/1000))
	if conf.Intake.ContentFilter != "" {
		q.Record(record.Filter, conf.Intake.ContentFilter)
	}
	add := func(name, value string) {
		if value != "" {
			q.Record(record.Attribute, name+"="+value)
		}
	}
	origin := s.origin()
	if !s.alone { // postdrop(1) takes little from users
		add("log_ident", origin.ident)
	}
	add("rewrite_context", s.rewriteContext())
	add("sasl_method", s.sasl.Method)
	add("sasl_username", s.sasl.User)
	add("sasl_sender", s.sasl.Sender)
	add("envelope_id", m.envID)
	if m.ret != 0 {
		add("ret_flags", strconv.Itoa(int(m.ret)))
	}
	q.Record(record.From, m.sender)
	add("encoding", m.encoding)
	if !s.alone {
		s.clientRecords(add, origin)
	}
	if m.verp != "" {
		q.Record(record.Verp, m.verp)
	}
	q.Raw(m.envelope)
	m.envelope = nil
}

// clientRecords tell where the message came from, for the log and for others
// who decide about it.
func (s *session) clientRecords(add func(name, value string), o forwarded) {
	add("log_client_name", o.name)
	add("log_client_address", o.address)
	add("log_client_port", o.port)
	add("log_message_origin", o.nameAddr())
	add("log_helo_name", o.helo)
	add("log_protocol_name", o.protocol)
	add("client_name", s.client.Name)
	add("reverse_client_name", s.client.Reverse)
	add("client_address", s.client.Address)
	add("client_port", s.client.Port)
	add("server_address", s.server.Address)
	add("server_port", s.server.Port)
	add("helo_name", s.helo)
	add("protocol_name", s.protocol)
	add("client_address_type", strconv.Itoa(s.family))
}

// rewriteContext says whether headers of this client are completed with our
// domain, or left as they are.
func (s *session) rewriteContext() string {
	if s.forward != nil && s.forward.source != "" {
		return s.forward.source
	}
	if s.alone || s.isLocalRewrite() {
		return "local"
	}
	return "remote"
}

// flags are what cleanup(8) may do with the message.
func (s *session) flags() int {
	flags := cleanup.MaskExternal | cleanup.FlagSMTPReply
	if s.filters != nil {
		flags |= cleanup.FlagMilter
	}
	flags, _ = conf.Intake.Override(flags)
	if s.mail.requireTLS {
		flags |= cleanup.FlagRequireTLS
	}
	if s.mail.utf8 {
		return flags | cleanup.FlagSMTPUTF8
	}
	return conf.Detect.Flags("smtpd", flags)
}

// abort ends a transaction without a message.
func (s *session) abort() {
	s.skipping = false
	if s.mail == nil {
		return
	}
	if s.mail.queue != nil {
		s.queueID() // whose message that was is logged in any case
		s.mail.queue.Abort()
	}
	s.endMail()
}

func (s *session) endMail() {
	s.filters.Abort()
	s.mail = nil
	s.forward = nil
	s.sasl.Sender = ""
	s.earlier.ForgetSender()
}

// verdict words what became of a message for the client.
func verdict(status cleanup.Status, reason, id string) reply {
	if status == 0 {
		return ok("250 2.0.0 Ok: queued as " + id)
	}
	code, detail, text := status.Detail()
	switch {
	case isReply(reason):
		return refuse(troubleOf(status), reason)
	case status&(cleanup.StatusCont|cleanup.StatusDefer) != 0 && statusOf(reason).Valid(): // a reply without its code
		return refuse(troubleOf(status), strconv.Itoa(code)+" "+reason)
	case status&cleanup.StatusBad != 0 && status&(cleanup.StatusDefer|cleanup.StatusBareLF) == 0:
		text = "internal error " + strconv.Itoa(int(status))
	}
	return refuse(troubleOf(status), strconv.Itoa(code)+" "+detail+" Error: "+text)
}

// refuseBareNewline logs and words a refusal.
func (s *session) refuseBareNewline() reply {
	s.log("reject", "bare <LF> received")
	return refuse("protocol", strconv.Itoa(conf.BareNewlineCode)+" 5.5.2 "+conf.MyHostname+" Error: bare <LF> received")
}

// isReply reports whether cleanup(8) has worded the whole reply.
func isReply(s string) bool {
	return len(s) > 3 && (s[0] == '4' || s[0] == '5') && strings.Trim(s[1:3], "0123456789") == "" && (s[3] == ' ' || s[3] == '-')
}

// statusOf is the first word of a text.
func statusOf(text string) dsn.Status {
	word, _, _ := strings.Cut(text, " ")
	return dsn.Status(word)
}

func troubleOf(status cleanup.Status) string {
	switch {
	case status&cleanup.StatusBad != 0:
		return "software"
	case status&(cleanup.StatusWrite|cleanup.StatusDefer) != 0:
		return "resource"
	case status&cleanup.StatusSize != 0:
		return "bounce"
	}
	return "policy"
}
