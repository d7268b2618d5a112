// Package dsnlog is the form of the logs about recipients that bounce(8)
// writes below bounce, defer and trace: for each recipient a block of
// name=value lines, with an empty line before and after.
package dsnlog

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"os"
	"strconv"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/mail/dsn"
)

// An Entry is what a log says about one recipient. Addresses are in external
// form; the null address is <>.
type Entry struct {
	Recipient   string
	Original    string // as first seen, when it is another address
	Offset      int64  // of the recipient in the queue file, 0 when unknown
	OriginalDSN string // "rfc822;addr"
	Notify      dsn.Notify
	Status      string
	Action      string
	DiagType    string
	DiagText    string
	RemoteType  string
	RemoteName  string
	Reason      string
}

// What stands in for a value that a log does not have.
const (
	NoRecipient = "(recipient address unavailable)"
	NoReason    = "(description unavailable)"
)

// AppendTo formats an entry. Compatible adds the line that programs of before
// the year 2000 read. Values must not hold newlines.
func (e *Entry) AppendTo(b []byte, compatible bool) []byte {
	put := func(name, value string) {
		if value != "" {
			b = append(append(append(append(b, name...), '='), value...), '\n')
		}
	}
	b = append(b, '\n')
	if compatible {
		b = append(append(append(append(b, '<'), strings.Trim(e.Recipient, "<>")...), ">: "...), e.Reason...)
		b = append(b, '\n')
	}
	put("recipient", e.Recipient)
	put("original_recipient", e.Original)
	if e.Offset > 0 {
		put("offset", strconv.FormatInt(e.Offset, 10))
	}
	put("dsn_orig_rcpt", e.OriginalDSN)
	if e.Notify != 0 {
		put("notify_flags", strconv.Itoa(int(e.Notify)))
	}
	put("status", e.Status)
	put("action", e.Action)
	if e.DiagText != "" {
		put("diag_type", e.DiagType)
		put("diag_text", e.DiagText)
	}
	if e.RemoteName != "" {
		put("mta_type", e.RemoteType)
		put("mta_mname", e.RemoteName)
	}
	put("reason", e.Reason)
	return append(b, '\n')
}

// lineLimit is the longest line that is read; the rest of a longer one is
// dropped.
const lineLimit = 64 * 1024

// Read ranges over the entries of a log file. Deferred says that entries
// without a status are about delays. The only error is that of opening it.
func Read(path string, deferred bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer f.Close()
		for e := range NewParser(f, path, deferred).Entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// A Parser takes the blocks of lines of a log apart. Broken lines are named and
// skipped: what can be told must be told. Control characters are masked.
type Parser struct {
	in       *bufio.Reader
	path     string // for messages
	deferred bool
}

// NewParser returns a parser that reads from r.
func NewParser(r io.Reader, path string, deferred bool) *Parser {
	return &Parser{bufio.NewReaderSize(r, lineLimit), path, deferred}
}

// Reset starts over with another log; the buffer is kept.
func (p *Parser) Reset(r io.Reader, path string) {
	p.in.Reset(r)
	p.path = path
}

// Entries ranges over the entries.
func (p *Parser) Entries(yield func(Entry) bool) {
	var block Entry
	filled := false
	for {
		line, err := p.line()
		if len(line) == 0 {
			if filled && !yield(block.Complete(p.deferred)) {
				return
			}
			block, filled = Entry{}, false
		} else {
			block.take(line, p.path)
			filled = true
		}
		if err != nil {
			if filled {
				yield(block.Complete(p.deferred))
			}
			return
		}
	}
}

// line returns a line without its end, masked.
func (p *Parser) line() (string, error) {
	b, err := p.in.ReadSlice('\n')
	line := msg.Printable(strings.TrimSuffix(string(b), "\n"))
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = p.in.ReadSlice('\n')
	}
	return line, err
}

// take adds a line to the entry.
func (e *Entry) take(line, path string) {
	if line[0] == '<' {
		if recipient, reason, ok := strings.Cut(line[1:], ">: "); ok {
			if e.Recipient == "" {
				e.Recipient = recipient
			}
			if e.Reason == "" {
				e.Reason = reason
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
		e.Recipient = value
	case "original_recipient":
		e.Original = value
	case "offset":
		e.Offset, _ = strconv.ParseInt(value, 10, 64)
	case "dsn_orig_rcpt":
		e.OriginalDSN = value
	case "notify_flags":
		n, _ := strconv.Atoi(value)
		e.Notify = dsn.Notify(n)
	case "status":
		e.Status = value
	case "action":
		e.Action = value
	case "diag_type":
		e.DiagType = value
	case "diag_text":
		e.DiagText = value
	case "mta_type":
		e.RemoteType = value
	case "mta_mname":
		e.RemoteName = value
	case "reason":
		e.Reason = value
	default:
		msg.Warn("%s: unknown attribute name: %.100s, ignored", path, name)
	}
}

// Complete returns the entry with what is missing or impossible replaced.
func (e Entry) Complete(deferred bool) Entry {
	if e.Recipient == "" {
		e.Recipient = NoRecipient
	}
	if e.Reason == "" {
		e.Reason = NoReason
	}
	if !dsn.Status(e.Status).Valid() {
		e.Status = "5.0.0"
		if deferred {
			e.Status = "4.0.0"
		}
	}
	switch e.Action {
	case "failed", "delayed", "delivered", "relayed", "expanded", "deliverable", "undeliverable":
	default:
		e.Action = "failed"
		if deferred {
			e.Action = "delayed"
		}
	}
	return e
}
