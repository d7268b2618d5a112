package main

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"os"
	"strconv"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/mail/address"
	"postrider/lib/mail/dsn"
	"postrider/lib/service/deliver"
)

// An entry is what a log says about one recipient. Addresses are in external
// form, as they go into a notice.
type entry struct {
	recipient   string
	original    string // as first seen, when it is another address
	offset      int64  // of the recipient in the queue file, 0 when unknown
	originalDSN string // "rfc822;addr"
	notify      dsn.Notify
	status      string
	action      string
	diagType    string
	diagText    string
	remoteType  string
	remoteName  string
	reason      string
}

// What stands in for a value that a log does not have.
const (
	noRecipient = "(recipient address unavailable)"
	noReason    = "(description unavailable)"
)

// newEntry takes what a client says about a recipient.
func newEntry(r deliver.Recipient, report deliver.Report) entry {
	e := entry{
		recipient:   external(r.Address),
		originalDSN: printable(r.OriginalDSN),
		notify:      r.Notify,
		offset:      max(r.Offset, 0),
		status:      printable(string(report.Status)),
		action:      printable(report.Action),
		reason:      printable(report.Reason),
	}
	if r.Original != "" && !strings.EqualFold(r.Original, r.Address) {
		e.original = external(r.Original)
	}
	if report.DiagText != "" {
		e.diagType, e.diagText = printable(report.DiagType), printable(report.DiagText)
	}
	if report.RemoteName != "" {
		e.remoteType, e.remoteName = printable(report.RemoteType), printable(report.RemoteName)
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

// appendTo formats an entry: an empty line, name=value lines, an empty line.
// The form is shared with other mail systems of the family.
func (e entry) appendTo(b []byte, compatible bool) []byte {
	put := func(name, value string) {
		if value != "" {
			b = append(append(append(append(b, name...), '='), value...), '\n')
		}
	}
	b = append(b, '\n')
	if compatible {
		b = append(append(append(append(b, '<'), strings.Trim(e.recipient, "<>")...), ">: "...), e.reason...)
		b = append(b, '\n')
	}
	put("recipient", e.recipient)
	put("original_recipient", e.original)
	if e.offset > 0 {
		put("offset", strconv.FormatInt(e.offset, 10))
	}
	put("dsn_orig_rcpt", e.originalDSN)
	if e.notify != 0 {
		put("notify_flags", strconv.Itoa(int(e.notify)))
	}
	put("status", e.status)
	put("action", e.action)
	if e.diagText != "" {
		put("diag_type", e.diagType)
		put("diag_text", e.diagText)
	}
	if e.remoteName != "" {
		put("mta_type", e.remoteType)
		put("mta_mname", e.remoteName)
	}
	put("reason", e.reason)
	return append(b, '\n')
}

// lineLimit is the longest line of a log file that is read; the rest of a
// longer one is dropped.
const lineLimit = 64 * 1024

// readLog ranges over the entries of a log file. Deferred says that entries
// without a status are about delays. A file that is not there has no entries
// and gives no error but the one from opening it.
func readLog(path string, deferred bool) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(entry{}, err)
			return
		}
		defer f.Close()
		for e := range parseLog(f, path, deferred) {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// parseLog takes the blocks of lines of a log apart. Broken lines are named and
// skipped: what can be told must be told.
func parseLog(r io.Reader, path string, deferred bool) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		in := bufio.NewReaderSize(r, lineLimit)
		var block entry
		filled := false
		for {
			line, err := readLine(in)
			if line == "" {
				if filled && !yield(block.complete(deferred)) {
					return
				}
				block, filled = entry{}, false
			} else {
				block.take(line, path)
				filled = true
			}
			if err != nil {
				if filled {
					yield(block.complete(deferred))
				}
				return
			}
		}
	}
}

// readLine returns a line without its end, masked.
func readLine(in *bufio.Reader) (string, error) {
	b, err := in.ReadSlice('\n')
	line := printable(strings.TrimSuffix(string(b), "\n"))
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = in.ReadSlice('\n')
	}
	return line, err
}

// take adds a line to the entry.
func (e *entry) take(line, path string) {
	if line[0] == '<' {
		if recipient, reason, ok := strings.Cut(line[1:], ">: "); ok {
			if e.recipient == "" {
				e.recipient = recipient
			}
			if e.reason == "" {
				e.reason = reason
			}
		}
		return
	}
	name, value, ok := strings.Cut(line, "=")
	if !ok || name == "" {
		msg.Warn("%s: malformed record: %.200s", path, line)
		return
	}
	switch name {
	case "recipient":
		e.recipient = value
	case "original_recipient":
		e.original = value
	case "offset":
		e.offset, _ = strconv.ParseInt(value, 10, 64)
	case "dsn_orig_rcpt":
		e.originalDSN = value
	case "notify_flags":
		n, _ := strconv.Atoi(value)
		e.notify = dsn.Notify(n)
	case "status":
		e.status = value
	case "action":
		e.action = value
	case "diag_type":
		e.diagType = value
	case "diag_text":
		e.diagText = value
	case "mta_type":
		e.remoteType = value
	case "mta_mname":
		e.remoteName = value
	case "reason":
		e.reason = value
	default:
		msg.Warn("%s: unknown attribute name: %.100s, ignored", path, name)
	}
}

// complete replaces what is missing or impossible.
func (e entry) complete(deferred bool) entry {
	if e.recipient == "" {
		e.recipient = noRecipient
	}
	if e.reason == "" {
		e.reason = noReason
	}
	if !dsn.Status(e.status).Valid() {
		e.status = "5.0.0"
		if deferred {
			e.status = "4.0.0"
		}
	}
	switch e.action {
	case "failed", "delayed", "delivered", "relayed", "expanded", "deliverable", "undeliverable":
	default:
		e.action = "failed"
		if deferred {
			e.action = "delayed"
		}
	}
	return e
}

// address is what a variable sender is made of: the address that the sender
// wrote, in internal form.
func (e entry) address() string {
	if e.original != "" {
		return address.Unquote(e.original)
	}
	return address.Unquote(e.recipient)
}
