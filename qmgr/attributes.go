package main

import (
	"strconv"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/mail/dsn"
	"postrider/lib/mail/record"
	"postrider/lib/service/deliver"
)

// pseudo takes what stands in an attribute but has a type of its own.
func (r *fileReader) pseudo(t record.Type, text string) {
	m := r.m
	number, err := strconv.Atoi(text)
	switch {
	case t == record.OriginalRecipient:
		r.prefix.DSN = text
	case t == record.NotifyFlags:
		if err != nil || !dsn.Notify(number).Valid() {
			msg.Warn("%s: ignoring malformed DSN notify flags <%.200s>", m.id, text)
			return
		}
		r.prefix.Notify = number
	case r.again:
	case t == record.EnvelopeID:
		m.envelopeID = text
	case t == record.ReturnFlags:
		if ret := dsn.Return(number); err == nil && (ret == dsn.ReturnFull || ret == dsn.ReturnHeaders) {
			m.ret = ret
		} else {
			msg.Warn("%s: ignoring malformed DSN RET flags in queue file record: %.100s", m.id, text)
		}
	case t == record.CreateTime && m.created.IsZero() && err == nil:
		m.created = time.Unix(int64(number), 0)
	}
}

func (r *fileReader) attribute(data []byte) error {
	name, value, ok := record.SplitAttribute(data)
	if !ok {
		if !r.again {
			msg.Warn("%s: bad attribute record: %.200s", r.m.id, data)
		}
		return nil
	}
	if t, is := record.PseudoTypes[name]; is {
		r.pseudo(t, value)
		return nil
	}
	if r.again {
		return nil
	}
	a := &r.m.attributes
	if last := r.lastWins(name); last != nil {
		*last = value
		return nil
	}
	if first := a.firstWins(name); first != nil {
		if *first == "" {
			*first = value
		} else {
			msg.Warn("%s: ignoring multiple %s attribute: %.200s", r.m.id, name, value)
		}
		return nil
	}
	if name == "trace_flags" && r.m.traceAt == 0 {
		flags, _ := strconv.Atoi(value)
		r.m.trace |= flags & traceFlags
		r.m.traceAt = r.Offset()
	}
	return nil
}

// traceFlags are the flags that a queue file may ask for.
const traceFlags = deliver.FlagProbe | deliver.FlagUserProbe | deliver.FlagRecord | deliver.FlagDelayed

// lastWins returns where an attribute is kept of which the last one counts.
// Files without log_client_* attributes, from before they existed, use the
// real client instead.
func (r *fileReader) lastWins(name string) *string {
	a := &r.m.attributes
	if name == "encoding" {
		return &a.encoding
	}
	log := strings.HasPrefix(name, "log_")
	if log {
		name = name[len("log_"):]
	}
	var at *string
	switch name {
	case "client_name":
		at = &a.clientName
	case "client_address":
		at = &a.clientAddress
	case "client_port":
		at = &a.clientPort
	case "protocol_name":
		at = &a.clientProtocol
	case "helo_name":
		at = &a.clientHelo
	}
	switch {
	case at == nil:
	case log:
		r.clientSet = true
	case r.clientSet:
		return new(string)
	}
	return at
}

func (a *attributes) firstWins(name string) *string {
	switch name {
	case "sasl_method":
		return &a.saslMethod
	case "sasl_username":
		return &a.saslUsername
	case "sasl_sender":
		return &a.saslSender
	case "log_ident":
		return &a.ident
	case "rewrite_context":
		return &a.context
	}
	return nil
}

// verp notes that each recipient gets a sender address of its own.
func (r *fileReader) verp(delimiters string) {
	m := r.m
	switch {
	case m.verp != "":
	case !m.hasSender || m.sender == "":
		msg.Warn("%s: ignoring VERP request for null sender", m.id)
	case !conf.Verp.Valid(delimiters):
		msg.Warn("%s: ignoring bad VERP request: \"%.100s\"", m.id, delimiters)
	default:
		m.verp = delimiters
		m.Single = true
	}
}
