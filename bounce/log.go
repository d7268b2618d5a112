package main

import (
	"iter"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/mail/address"
	"postrider/lib/mail/dsnlog"
	"postrider/lib/mail/queue"
	"postrider/lib/service/deliver"
)

// newEntry takes what a client says about a recipient.
func newEntry(r deliver.Recipient, report deliver.Report) dsnlog.Entry {
	e := dsnlog.Entry{
		Recipient:   external(r.Address),
		OriginalDSN: printable(r.OriginalDSN),
		Notify:      r.Notify,
		Offset:      max(r.Offset, 0),
		Status:      printable(string(report.Status)),
		Action:      printable(report.Action),
		Reason:      printable(report.Reason),
	}
	if r.Original != "" && !strings.EqualFold(r.Original, r.Address) {
		e.Original = external(r.Original)
	}
	if report.DiagText != "" {
		e.DiagType, e.DiagText = printable(report.DiagType), printable(report.DiagText)
	}
	if report.RemoteName != "" {
		e.RemoteType, e.RemoteName = printable(report.RemoteType), printable(report.RemoteName)
	}
	return e
}

func external(internal string) string {
	if internal == "" {
		return "<>"
	}
	return address.Quote(printable(internal))
}

// printable masks what must not stand in a log file or notice. Without
// SMTPUTF8 that is everything that is not ASCII.
func printable(s string) string {
	s = msg.Printable(s)
	if conf.SMTPUTF8Enable {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		if c >= 0x80 {
			b[i] = '?'
		}
	}
	return string(b)
}

// readLog ranges over the entries of the log of a message.
func readLog(name queue.Name, id string, deferred bool) iter.Seq2[dsnlog.Entry, error] {
	return func(yield func(dsnlog.Entry, error) bool) {
		for e, err := range dsnlog.Read(queue.Path(name, id), deferred) {
			if !conf.SMTPUTF8Enable {
				for _, field := range []*string{&e.Recipient, &e.Original, &e.OriginalDSN, &e.DiagType, &e.DiagText, &e.RemoteType, &e.RemoteName, &e.Reason} {
					*field = printable(*field)
				}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// seenAddress is what a variable sender is made of: the address that the
// sender wrote, in internal form.
func seenAddress(e dsnlog.Entry) string {
	if e.Original != "" {
		return address.Unquote(e.Original)
	}
	return address.Unquote(e.Recipient)
}
