// Package mailbox brings a message from its queue file to where users read it:
// mailbox files, maildirs, and the input of commands.
package mailbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"postrider/lib/mail/address"
	"postrider/lib/mail/record"
)

// A Message is what is copied out of a queue file, and what is written above
// it. Addresses are in internal form.
type Message struct {
	Source    io.ReaderAt // queue file
	Offset    int64       // of the content in it
	Sender    string
	Original  string // recipient for X-Original-To; "" for no such header
	Delivered string // recipient for Delivered-To; "" for no such header
	Time      time.Time
}

// A Form says what a copy looks like.
type Form struct {
	From       bool   // begins with the "From sender  date" line of mbox files
	ReturnPath bool   // has the sender in a Return-Path header
	Quote      bool   // "From " at the start of a line becomes ">From "
	Dot        bool   // "." at the start of a line becomes ".."
	Blank      bool   // ends with an empty line
	EOL        string // what ends a line; "\n" when empty
}

// Forms of local deliveries.
var (
	Mbox    = Form{From: true, ReturnPath: true, Quote: true, Blank: true}
	Maildir = Form{ReturnPath: true}
	Command = Form{From: true, ReturnPath: true}
)

// MailerDaemon is the name of the mail system itself. It stands for the empty
// sender where something must stand.
const MailerDaemon = "MAILER-DAEMON"

// A SourceError says that the queue file is damaged or cannot be read. The
// file should be set aside.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return "error reading message: " + e.Err.Error() }
func (e *SourceError) Unwrap() error { return e.Err }

// WriteTo copies the message to w. The error is a *SourceError, or that of w.
func (m Message) WriteTo(w io.Writer, f Form) error {
	if f.EOL == "" {
		f.EOL = "\n"
	}
	out := bufio.NewWriterSize(w, 32*1024)
	m.writeHead(out, f)
	if err := m.writeContent(out, f); err != nil {
		return err
	}
	if f.Blank {
		out.WriteString(f.EOL)
	}
	return out.Flush()
}

func (m Message) writeHead(out *bufio.Writer, f Form) {
	sender := address.Quote(m.Sender)
	if f.From {
		name := sender
		if name == "" {
			name = MailerDaemon
		}
		fmt.Fprintf(out, "From %s  %s%s", name, m.Time.Local().Format(time.ANSIC), f.EOL)
	}
	if f.ReturnPath {
		fmt.Fprintf(out, "Return-Path: <%s>%s", sender, f.EOL)
	}
	if m.Original != "" {
		fmt.Fprintf(out, "X-Original-To: %s%s", address.Quote(m.Original), f.EOL)
	}
	if m.Delivered != "" {
		fmt.Fprintf(out, "Delivered-To: %s%s", address.Quote(m.Delivered), f.EOL)
	}
}

// writeContent copies the content records. A line is any number of Continued
// records and one Text record.
func (m Message) writeContent(out *bufio.Writer, f Form) error {
	start := true
	for t, data := range m.records() {
		switch t {
		case record.Text, record.Continued:
		case record.Extracted:
			if !start {
				out.WriteString(f.EOL)
			}
			return nil
		case broken:
			return &SourceError{errors.New(string(data))}
		default:
			return &SourceError{fmt.Errorf("record type %q in the content", byte(t))}
		}
		if start && f.Quote && bytes.HasPrefix(data, []byte("From ")) {
			out.WriteByte('>')
		}
		if start && f.Dot && len(data) > 0 && data[0] == '.' {
			out.WriteByte('.')
		}
		_, err := out.Write(data)
		start = t == record.Text
		if start {
			_, err = out.WriteString(f.EOL)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// broken stands for the end of a file that ends too early.
const broken record.Type = 0

// records ranges over the content, up to and including the record after it.
func (m Message) records() func(yield func(record.Type, []byte) bool) {
	return func(yield func(record.Type, []byte) bool) {
		r := record.NewReader(m.Source)
		r.SeekTo(m.Offset)
		for {
			t, data, err := r.Next()
			if err != nil {
				yield(broken, []byte(err.Error()))
				return
			}
			if !yield(t, data) || t == record.Extracted {
				return
			}
		}
	}
}
