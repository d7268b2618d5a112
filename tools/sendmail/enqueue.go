package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"postrider/lib/base/account"
	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/mail/address"
	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
)

// enqueue gives the message on standard input to postdrop(1).
func enqueue(r *request) {
	drop := startPostdrop()
	s := drop.stream
	envelope(s, r)
	record.Write(s, record.Message, "")
	var extracted []string
	if r.mode == 'v' {
		probe(s, r)
	} else {
		extracted = content(s, r)
	}
	record.Write(s, record.Extracted, "")
	for _, recipient := range extracted {
		writeRecipient(s, r, recipient)
	}
	record.Write(s, record.End, "")
	sender, _ := whoAmI(r)
	drop.finish()
	if r.mode == 'v' || r.verbose == 1 {
		fmt.Printf("Mail Delivery Status Report will be mailed to <%s>.\n", sender)
	}
}

// finish waits for the verdict and ends the command with it.
func (d *dropper) finish() {
	var reply cleanup.Reply
	err := attr.Read(d.stream, &reply)
	d.stream.Close()
	d.wait()
	switch {
	case err != nil:
		msg.Fatal("queue file write error: postdrop ended early (%v)", err)
	case reply.Status == 0:
		return
	}
	reason := reply.Reason
	if reason == "" {
		reason = reply.Status.Text()
	}
	msg.Fatal("%s: %s", caller(), reason)
}

// caller is the user who runs this command.
func caller() string {
	name := "unknown"
	if u, found, err := account.ByID(os.Getuid()); err == nil && found {
		name = u.Name
	}
	return fmt.Sprintf("%s(%d)", name, os.Getuid())
}

// Trace flags of a message: report what would happen, or what happened.
const (
	traceVerify = "512"
	traceReport = "1024"
)

// asked are the options of the sender, as flags of the message.
func (r *request) asked() (flags int64) {
	if r.utf8 {
		flags |= record.UTF8Requested
	}
	if r.requireTLS {
		flags |= record.RequireTLS
	}
	return flags
}

// envelope writes all records before the message.
func envelope(s *stream.Stream, r *request) {
	if asked := r.asked(); asked != 0 {
		record.Write(s, record.Size, record.Asked(asked))
	}
	record.WriteAttribute(s, "envelope_id", r.envelopeID)
	if r.ret != 0 {
		record.WriteAttribute(s, "ret_flags", fmt.Sprint(int(r.ret)))
	}
	context := "local"
	if r.remote {
		context = "remote"
	}
	record.WriteAttribute(s, "rewrite_context", context)
	sender, name := whoAmI(r)
	record.Write(s, record.FullName, name)
	record.Write(s, record.From, sender)
	record.WriteAttribute(s, "encoding", r.encoding)
	switch {
	case r.mode == 'v':
		record.WriteAttribute(s, "trace_flags", traceVerify)
	case r.verbose == 1:
		record.WriteAttribute(s, "trace_flags", traceReport)
	}
	if r.verp != "" {
		record.Write(s, record.Verp, r.verp)
	}
	for _, word := range r.recipients {
		spans := address.Find(word)
		if len(spans) == 0 {
			writeRecipient(s, r, "") // which cleanup(8) gives a meaning
		}
		for _, span := range spans {
			writeRecipient(s, r, span.Address)
		}
	}
}

// writeRecipient writes one recipient, given in external form.
func writeRecipient(s *stream.Stream, r *request, external string) {
	if r.notify != 0 {
		record.WriteAttribute(s, "notify_flags", fmt.Sprint(int(r.notify)))
	}
	record.Write(s, record.Recipient, address.Unquote(external))
}

// whoAmI returns the envelope sender and the full name.
func whoAmI(r *request) (sender, name string) {
	u, found, err := account.ByID(os.Getuid())
	if err != nil {
		msg.Fatal("look up user %d: %v", os.Getuid(), err)
	}
	environment, set := os.LookupEnv("NAME")
	switch {
	case r.nameSet:
		name = r.fullName
	case set:
		name = environment
	case found:
		name = fullName(u)
	}
	switch {
	case r.senderSet:
		sender = r.sender
	case found:
		sender = u.Name
	default:
		msg.Fatal("unable to determine the login name for user ID %d; use option -f", os.Getuid())
	}
	return sender, name
}

// fullName is the first part of the GECOS field, where & stands for the login
// name.
func fullName(u account.User) string {
	name, _, _ := strings.Cut(u.FullName, ",")
	if strings.Contains(name, "&") && u.Name != "" {
		name = strings.ReplaceAll(name, "&", strings.ToUpper(u.Name[:1])+u.Name[1:])
	}
	return strings.TrimSpace(name)
}

// content copies the message and returns the recipients of its headers, in
// external form, when they are wanted.
func content(s *stream.Stream, r *request) []string {
	in := stream.New(stream.Pair(0, 1))
	c := copier{out: s, limit: conf.LineLengthLimit, dots: !r.ignoreDots, strip: conf.FixLineEndings == "always"}
	if r.fromHeader {
		c.headers = &recipients{}
	}
	for c.next(in) {
	}
	if c.headers == nil {
		return nil
	}
	list := c.headers.list()
	if len(list) == 0 && len(r.recipients) == 0 {
		bad("%s: No recipient addresses found in message header", caller())
	}
	return list
}

// A copier turns text lines into records.
type copier struct {
	out     *stream.Stream
	limit   int  // longest record
	dots    bool // a single dot ends the message
	strip   bool // CR before LF goes away
	started bool
	partial bool // the last record was no whole line
	headers *recipients
}

// next copies one line, or a piece of a long one; false at the end.
func (c *copier) next(in *stream.Stream) bool {
	line, err := in.ReadSlice('\n', c.limit)
	whole := err == nil
	if err != nil && err != stream.ErrTooLong && err != io.EOF && err != io.ErrUnexpectedEOF {
		msg.Fatal("read standard input: %v", err)
	}
	if (err == io.EOF || err == io.ErrUnexpectedEOF) && len(line) == 0 {
		c.endLine()
		return false
	}
	more := err == nil || err == stream.ErrTooLong
	if whole {
		line = line[:len(line)-1]
	}
	if !c.started {
		c.begin(line)
	}
	if c.strip && (whole || !more) {
		line = bytes.TrimSuffix(line, []byte{'\r'})
	}
	if c.dots && (whole || !more) && !c.partial && len(line) == 1 && line[0] == '.' {
		return false
	}
	if !c.started && envelopeLine(line) {
		return more
	}
	c.started = true
	c.write(line, whole || !more)
	return more
}

// begin looks at the first line to know what kind of line ends there are.
func (c *copier) begin(line []byte) {
	if conf.FixLineEndings == "strict" {
		c.strip = bytes.HasSuffix(line, []byte{'\r'})
	}
}

// envelopeLine is what mailbox files have in front of a message.
func envelopeLine(line []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From "))
}

func (c *copier) write(line []byte, whole bool) {
	if c.headers != nil {
		before := c.headers.body
		line = c.headers.line(line, whole, c.partial)
		if !before && c.headers.body && len(line) > 0 {
			record.Write(c.out, record.Text, "") // the body begins without an empty line
		}
	}
	t := record.Text
	if !whole {
		t = record.Continued
	}
	c.partial = !whole
	if err := record.Write(c.out, t, line); err != nil {
		// Postdrop says why when its reply is read.
		msg.Debug("write to postdrop: %v", err)
	}
}

// endLine completes a last line that was cut into pieces.
func (c *copier) endLine() {
	if c.partial {
		c.write(nil, true)
	}
}
