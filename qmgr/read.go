package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/mail/record"
	"postrider/lib/service/deliver"
	"postrider/qmgr/sched"
)

// errCorrupt is in all errors that no later attempt can mend.
var errCorrupt = errors.New("message rejected")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errCorrupt, fmt.Sprintf(format, args...))
}

// A fileReader reads a queue file, or the next portion of its recipients.
// Records that say something about the message count on the first reading;
// recipients count until there are enough of them.
type fileReader struct {
	*record.Reader
	m          *message
	again      bool // not the first reading
	limit      int  // recipients to take
	recipients []sched.Recipient
	prefix     sched.Recipient // what was said about the recipient to come
	inContent  bool            // behind the content already
	clientSet  bool            // log_client_* attributes were seen
}

// read takes up to limit recipients from the file, and on the first reading
// everything else. The error is an errCorrupt for a bad file.
func (r *fileReader) read() error {
	m := r.m
	if r.again = m.next != 0; r.again {
		r.SeekTo(m.next)
		r.inContent = m.next > m.sizes.DataOffset
		m.next = 0
	}
	for {
		t, data, err := r.Next()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return corrupt("missing end record")
		case errors.Is(err, record.ErrLength) || errors.Is(err, record.ErrPointer):
			return corrupt("%v", err)
		case err != nil:
			return err
		}
		end, err := r.record(t, data)
		if err != nil || end {
			return r.complete(err)
		}
	}
}

// record acts on one record.
func (r *fileReader) record(t record.Type, data []byte) (end bool, err error) {
	switch t {
	case record.Recipient, record.Done, record.Canceled:
		return r.recipient(t, string(data))
	case record.Original:
		r.prefix.Original = string(data)
		return false, nil
	case record.Message:
		return false, r.skipContent()
	case record.End:
		return true, nil
	case record.Attribute:
		return false, r.attribute(data)
	case record.OriginalRecipient, record.NotifyFlags, record.EnvelopeID, record.ReturnFlags, record.CreateTime:
		r.pseudo(t, string(data))
		return false, nil
	}
	if strings.IndexByte(record.EnvelopeTypes+record.ExtractedTypes, byte(t)) < 0 {
		return true, corrupt("unexpected record type %q at offset %d", string(rune(t)), r.Offset())
	}
	if r.again {
		return false, nil
	}
	return false, r.about(t, data)
}

// about takes what a record says about the message as a whole.
func (r *fileReader) about(t record.Type, data []byte) (err error) {
	m := r.m
	switch t {
	case record.Size:
		if m.sizes.DataOffset == 0 {
			m.sizes, err = record.ParseSizes(data)
			if err == nil && m.sizes.Flags&^knownFlags != 0 {
				err = fmt.Errorf("invalid flags in size record: %.100s", data)
			}
			if err != nil {
				return corrupt("%v", err)
			}
		}
	case record.Time:
		if m.arrival.IsZero() {
			m.arrival = parseTime(string(data))
		}
	case record.From:
		if !m.hasSender {
			m.sender, m.hasSender = string(data), true
		}
	case record.Filter:
		m.filter = string(data)
	case record.Redirect:
		m.redirect = string(data)
	case record.Verp:
		r.verp(string(data))
	case record.Warn:
		if m.warnAt == 0 {
			m.warnAt = r.Offset()
			m.warn, _ = strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
			if m.warn < 0 && conf.ConfirmDelayCleared {
				m.trace |= deliver.FlagDelayed
			}
		}
	}
	return nil
}

// knownFlags are the flags of a size record.
const knownFlags = record.FlagMixed | 15<<1

// recipient takes a recipient record, or notes where to go on later.
func (r *fileReader) recipient(t record.Type, address string) (end bool, err error) {
	m := r.m
	if m.next != 0 {
		return false, nil // enough already; only other records count
	}
	m.seen++
	recipient := r.prefix
	r.prefix = sched.Recipient{}
	if t == record.Recipient {
		recipient.Address, recipient.Offset = address, r.Offset()
		r.recipients = append(r.recipients, recipient)
	}
	if len(r.recipients) < r.limit || int64(m.seen) == m.sizes.Recipients {
		return false, nil
	}
	m.next = r.Tell()
	switch {
	case r.again:
		return true, nil
	case m.sizes.Flags&record.FlagMixed != 0:
		return false, nil
	case !r.inContent:
		return false, r.skipTo(m.sizes.DataOffset)
	}
	return true, nil
}

// skipContent goes on behind the content, where the extracted records are.
func (r *fileReader) skipContent() error {
	if r.Tell() != r.m.sizes.DataOffset {
		return corrupt("file position %d does not match the size record (%d)", r.Tell(), r.m.sizes.DataOffset)
	}
	return r.skipTo(r.m.sizes.DataOffset)
}

func (r *fileReader) skipTo(content int64) error {
	if r.inContent {
		return corrupt("envelope records out of order")
	}
	if content == 0 {
		return corrupt("missing size record")
	}
	r.inContent = true
	r.SeekTo(content + r.m.sizes.Span)
	t, _, err := r.Next()
	if err != nil || t != record.Extracted {
		return corrupt("size record does not match the content")
	}
	return nil
}

// complete checks what a message must have.
func (r *fileReader) complete(err error) error {
	m := r.m
	switch {
	case err != nil:
		return err
	case m.arrival.IsZero():
		return corrupt("missing arrival time record")
	case !m.hasSender:
		return corrupt("missing sender record")
	case m.sizes.DataOffset == 0:
		return corrupt("missing size record")
	}
	if m.next == 0 && int64(m.seen) != m.sizes.Recipients {
		msg.Warn("%s: rcpt count mismatch (%d)", m.id, int64(m.seen)-m.sizes.Recipients)
	}
	if m.created.IsZero() {
		m.created = m.arrival
	}
	return nil
}

// parseTime reads "seconds microseconds", or just seconds from old files.
func parseTime(text string) time.Time {
	sec, usec, _ := strings.Cut(text, " ")
	s, err := strconv.ParseInt(sec, 10, 64)
	if err != nil {
		return time.Time{}
	}
	u, _ := strconv.ParseInt(usec, 10, 64)
	return time.Unix(s, u*1000)
}
