package main

import (
	"bytes"
	"fmt"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/address"
	"postrider/lib/mail/record"
)

// body sends the content of the message: its lines with CR and LF, with a
// second dot where one stands first, and no line longer than
// $smtp_line_length_limit. RFC 5321, sections 2.3.8 and 4.5.2.
func (t *transaction) body() error {
	w := &lineWriter{t: t, start: time.Now(), room: lineLimit()}
	for _, line := range t.d.prepended() {
		w.write([]byte(line), true)
	}
	reader.Reset(t.d.content)
	reader.SeekTo(t.d.req.Offset)
	send := w.write
	c := t.converter(w)
	if c != nil {
		send = c.Line
	}
	for {
		kind, data, err := reader.Next()
		if err != nil {
			return t.unreadable(err)
		}
		switch kind {
		case record.Text, record.Continued:
			if err := send(data, kind == record.Text); err != nil {
				return err
			}
		case record.Extracted:
			if c != nil {
				if err := c.Finish(); err != nil {
					return err
				}
			}
			if t.d.tableFailed {
				return errLocal
			}
			return w.finish()
		default:
			return t.unreadable(fmt.Errorf("%s: bad record type: %d in message content", t.id, kind))
		}
	}
}

// reader keeps its buffer from message to message.
var reader = record.NewReader(nil)

// unreadable sets a damaged queue file aside. The connection ends without the
// last dot, so that the server forgets what it got.
func (t *transaction) unreadable(err error) error {
	corrupt(t.d.req, err)
	return errLocal
}

// corrupt marks a queue file. Tests have none.
var corrupt = (*agent.Request).Corrupt

// prepended are the header lines that flags of the service ask for.
func (d *delivery) prepended() []string {
	var list []string
	to := d.rcpts[0]
	if flagged('D') {
		list = append(list, "Delivered-To: "+address.Quote(to.Address))
	}
	if flagged('O') {
		list = append(list, "X-Original-To: "+address.Quote(to.Original))
	}
	if flagged('R') {
		list = append(list, "Return-Path: <"+address.Quote(d.req.Sender)+">")
	}
	return list
}

// lineLimit is the longest line, without its end. 0: no limit.
func lineLimit() int { return conf.LineLengthLimit }

// A lineWriter writes lines as SMTP wants them.
type lineWriter struct {
	t      *transaction
	room   int  // what is left of the line
	inside bool // a line was begun
	told   bool // about a line that was too long

	start time.Time // with per-request deadlines: of the content
	count int       // bytes since then
}

// write sends a line, or a piece of one.
func (w *lineWriter) write(data []byte, ended bool) error {
	w.keepUp(len(data))
	if limit := lineLimit(); limit > 0 {
		for len(data) >= w.room && (len(data) > w.room || !ended) {
			if err := w.split(&data); err != nil {
				return err
			}
		}
	}
	w.begin(data)
	w.t.Write(data)
	w.inside = w.inside || len(data) > 0
	w.room -= len(data)
	if !ended {
		return nil
	}
	w.inside, w.room = false, lineLimit()
	_, err := w.t.WriteString("\r\n")
	return err
}

// begin doubles a dot at the start of a line.
func (w *lineWriter) begin(data []byte) {
	if !w.inside && len(data) > 0 && data[0] == '.' {
		w.t.WriteByte('.')
	}
}

// split ends a line that is too long; the next one begins with a blank.
func (w *lineWriter) split(data *[]byte) error {
	if !w.told {
		msg.Info("%s: breaking line > %d bytes with <CR><LF>SPACE", w.t.id, lineLimit())
		w.told = true
	}
	head := (*data)[:w.room]
	w.begin(head)
	w.t.Write(head)
	*data = (*data)[w.room:]
	w.inside, w.room = true, lineLimit()-1
	_, err := w.t.WriteString("\r\n ")
	return err
}

// finish ends a line that has no end, and pauses for the firewalls that want it.
func (w *lineWriter) finish() error {
	if w.inside {
		if err := w.write(nil, true); err != nil {
			return err
		}
	}
	if w.t.pixDot {
		if err := w.t.Flush(); err != nil {
			return err
		}
		time.Sleep(conf.PixWorkaroundDelayTime)
	}
	return nil
}

// keepUp moves the deadline of a request on as content goes out: the
// more there was, the more time.
func (w *lineWriter) keepUp(n int) {
	if !conf.PerRequestDeadline {
		return
	}
	const step = 4096
	if before := w.count; before/step == (before+n)/step {
		w.count += n
		return
	}
	w.count += n
	earned := w.start.Add(conf.DataXferTimeout + time.Duration(w.count)*time.Second/time.Duration(conf.MinDataRate))
	if latest := time.Now().Add(conf.DataXferTimeout); earned.After(latest) {
		earned = latest
	}
	w.t.SetDeadline(earned)
}

// cameBack tells whether the message was here already for its recipient: the D
// flag left a Delivered-To: header then. A file that cannot be read is found
// out later.
func (d *delivery) cameBack() bool {
	want := []byte(address.Quote(d.rcpts[0].Address))
	reader.Reset(d.content)
	reader.SeekTo(d.req.Offset)
	const name = "delivered-to:"
	for {
		kind, data, err := reader.Next()
		if err != nil || kind != record.Text && kind != record.Continued || len(data) == 0 {
			return false
		}
		if len(data) > len(name) && bytes.EqualFold(data[:len(name)], []byte(name)) &&
			bytes.EqualFold(bytes.TrimSpace(data[len(name):]), want) {
			return true
		}
	}
}
