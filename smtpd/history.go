package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/base/text"
	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
)

// A history is the transcript of a session. The postmaster gets it when there
// was trouble of a kind that notify_classes names.
type history struct {
	lines   []string
	dropped bool
	wanted  bool
}

// wantedClasses are the words of notify_classes.
func wantedClass(class string) bool {
	for _, word := range text.Split(conf.NotifyClasses) {
		if strings.EqualFold(word, class) {
			return true
		}
	}
	return false
}

// add remembers one line. Of long sessions only the end is kept.
func (h *history) add(direction, line string) {
	if len(h.lines) >= conf.HistoryFlushThreshold && !h.wanted {
		h.lines, h.dropped = append(h.lines[:0], h.lines[1:]...), true
	}
	if len(h.lines) < 10*conf.HistoryFlushThreshold {
		h.lines = append(h.lines, direction+msg.Printable(line))
	}
}

// trouble notes what kind of trouble there was.
func (h *history) trouble(class string) {
	if class != "" && !h.wanted && wantedClass(class) {
		h.wanted = true
	}
}

// send mails the transcript to the postmaster.
func (h *history) send(s *session, cause error) {
	if !h.wanted || s.alone {
		return
	}
	w, err := cleanup.Open(conf.Cleanup.Path(), conf.Detect.Flags("notify", cleanup.MaskInternal), conf.IPCTimeout)
	if err != nil {
		msg.Warn("postmaster notify: %v", err)
		return
	}
	id, err := w.ID()
	if err != nil {
		msg.Warn("postmaster notify: %v", err)
		return
	}
	now := time.Now()
	w.Time(now)
	w.Attribute("log_message_origin", "local")
	w.Attribute("trace_flags", "0")
	w.Record(record.From, conf.Address.DoubleBounceSender)
	w.Record(record.Recipient, conf.ErrorNoticeRecipient)
	w.Record(record.Message, "")
	for _, line := range h.letter(s, cause, id, now) {
		w.Line(line, conf.LineLengthLimit)
	}
	w.Record(record.Extracted, "")
	w.Record(record.End, "")
	if status, _, err := w.Finish(); err != nil || status != 0 {
		msg.Warn("postmaster notify: message for %s not accepted (%s, %v)", conf.ErrorNoticeRecipient, status.Text(), err)
	}
}

// letter is the text of the notice.
func (h *history) letter(s *session, cause error, id string, now time.Time) []string {
	lines := []string{
		fmt.Sprintf("Received: by %s (%s)\n\tid %s; %s", conf.MyHostname, conf.MailName, id, dateHeader(now)),
		"Date: " + dateHeader(now),
		"From: Mail Delivery System <MAILER-DAEMON>",
		"To: Postmaster <" + conf.ErrorNoticeRecipient + ">",
		fmt.Sprintf("Subject: %s SMTP server: errors from %s", conf.MailName, s.nameAddr()),
		"",
		"Transcript of session follows.",
		"",
	}
	if h.dropped {
		lines = append(lines, " ...earlier lines are not shown...")
	}
	for _, line := range h.lines {
		lines = append(lines, " "+line)
	}
	lines = append(lines, "")
	if cause != nil {
		lines = append(lines, "Session aborted, reason: "+reasonOf(cause), "")
	}
	return append(lines, "For other details, see the local mail logfile")
}

func reasonOf(err error) string {
	switch {
	case errors.Is(err, stream.ErrTimeout):
		return "timeout"
	case errors.Is(err, errTooMany):
		return "too many errors"
	}
	return "lost connection"
}
