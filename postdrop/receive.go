package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
)

// What a user may send, section by section.
const (
	userEnvelope  = "MFSRVAin"
	userContent   = "XLN"
	userExtracted = "EAR"
)

// A message is what came so far.
type message struct {
	file      *queue.File
	uid       int
	out       []byte // not yet written
	senders   int
	rcpts     int
	options   bool // were written
	err       error
	rejected  cleanup.Status
	complaint string
}

// writeSize is how much is collected before it is written.
const writeSize = 64 * 1024

// receive copies records from the caller to the file. When something is wrong
// with them it reads on to the end, so that the caller can hear of it.
func receive(in *stream.Stream, f *queue.File, uid int) (cleanup.Status, string) {
	m := &message{file: f, uid: uid, out: make([]byte, 0, writeSize)}
	m.put(record.Time, []byte(fmt.Sprintf("%d %d", f.Time.Unix(), f.Time.Nanosecond()/1000)))
	allowed, next := userEnvelope, []string{userContent, userExtracted}
	for {
		t, data, err := record.Read(in, conf.LineLengthLimit+slack)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			cancel(f) // the caller changed its mind
		}
		if err != nil {
			msg.Warn("uid=%d: malformed input: %v", uid, err)
			f.Discard()
			return cleanup.StatusBad, "malformed input"
		}
		switch {
		case t == record.Time:
			continue // ours counts
		case t == record.Size && allowed == userEnvelope:
			m.asked(data)
			continue
		case strings.IndexByte(allowed, byte(t)) < 0:
			msg.Warn("uid=%d: unexpected record type: %q", uid, byte(t))
			f.Discard()
			return cleanup.StatusBad, fmt.Sprintf("unexpected record type %q", byte(t))
		case t == record.Message || t == record.Extracted:
			allowed, next = next[0], next[1:]
		}
		m.record(t, data)
		if t == record.End {
			return m.finish()
		}
	}
}

// asked keeps what the sender wants of the mail system, option -O of sendmail.
func (m *message) asked(data []byte) {
	if flags := record.AskedFor(data) & (record.UTF8Requested | record.RequireTLS); flags != 0 && !m.options {
		m.options = true
		m.put(record.Size, []byte(record.Asked(flags)))
	}
}

// slack is what an envelope record may have beyond a text record: attribute
// names in front of addresses.
const slack = 256

func cancel(f *queue.File) {
	f.Discard()
	os.Exit(0)
}

func (m *message) record(t record.Type, data []byte) {
	switch t {
	case record.From:
		m.senders++
		if m.rejected == 0 && !maySend(m.uid, string(data)) {
			m.rejected = cleanup.StatusNoPerm
			m.complaint = fmt.Sprintf("5.7.1 User %s(%d) is not allowed to use sender address %s", login(m.uid), m.uid, data)
			msg.Warn("uid=%d: not allowed to use sender address %s", m.uid, data)
		}
	case record.Recipient:
		m.rcpts++
	case record.Attribute:
		if !userMaySet(data) {
			msg.Warn("uid=%d: ignoring attribute record: %s", m.uid, data)
			return
		}
	}
	m.put(t, data)
}

// userMaySet says which attributes a user may give to a message.
func userMaySet(data []byte) bool {
	name, value, ok := record.SplitAttribute(data)
	if !ok {
		return false
	}
	switch name {
	case "encoding":
		return value == "" || value == "7bit" || value == "8bit"
	case "rewrite_context":
		return value == "local" || value == "remote"
	case "trace_flags":
		return value == "512" || value == "1024"
	}
	_, pseudo := record.PseudoTypes[name]
	return pseudo
}

func (m *message) put(t record.Type, data []byte) {
	if m.err != nil || m.rejected != 0 {
		return
	}
	if bytes.IndexByte(data, 0) >= 0 && t != record.Text && t != record.Continued {
		data = bytes.ReplaceAll(data, []byte{0}, nil)
	}
	m.out = record.Append(m.out, t, data)
	if len(m.out) >= writeSize-4096 {
		m.flush()
	}
}

func (m *message) flush() {
	if m.err == nil && len(m.out) > 0 {
		_, m.err = m.file.Write(m.out)
	}
	m.out = m.out[:0]
}

// finish makes the file part of the queue, or removes it.
func (m *message) finish() (cleanup.Status, string) {
	m.flush()
	switch {
	case m.rejected != 0:
		m.file.Discard()
		return m.rejected, m.complaint
	case m.err == nil && (m.senders != 1 || m.rcpts == 0):
		msg.Warn("uid=%d: malformed input: %d sender and %d recipient records", m.uid, m.senders, m.rcpts)
		m.file.Discard()
		return cleanup.StatusBad, "malformed input"
	}
	if m.err == nil {
		m.err = m.file.Commit(queue.ModeMaildrop)
	}
	if m.err == nil {
		return 0, ""
	}
	m.file.Discard()
	if errors.Is(m.err, syscall.EFBIG) {
		msg.Warn("uid=%d: File too large", m.uid)
		return cleanup.StatusSize, "message file too big"
	}
	msg.Warn("uid=%d: %v", m.uid, m.err)
	return cleanup.StatusWrite, "queue file write error"
}
