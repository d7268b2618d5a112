package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/mail/date"
	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
)

// A transcript is what was said in a session. The postmaster gets it when the
// server gave an answer that should not be, and notify_classes has "protocol".
type transcript struct {
	lines   []string
	trouble bool
}

// transcriptLimit is how many lines are kept: enough for the first trouble.
const transcriptLimit = 200

// wantTranscript tells whether anybody wants to read it.
func wantTranscript() bool {
	return slices.ContainsFunc(text.Split(conf.NotifyClasses), func(word string) bool { return strings.EqualFold(word, "protocol") })
}

func (t *transcript) add(direction, line string) {
	if t != nil && len(t.lines) < transcriptLimit {
		t.lines = append(t.lines, direction+msg.Printable(line))
	}
}

// check notes replies that a server should not give to commands of ours: that
// it does not understand them, or that make no sense.
func (t *transcript) check(code int) {
	if t != nil && (code < 200 || code > 599 || code >= 500 && code < 510 || code == 555) {
		t.trouble = true
	}
}

// mail sends the transcript to the postmaster.
func (t *transcript) mail(s *session) {
	if t == nil || !t.trouble {
		return
	}
	w, err := cleanup.Open(conf.Cleanup.Path(), conf.Detect.Flags("notify", cleanup.MaskInternal), conf.IPCTimeout)
	var id string
	if err == nil {
		id, err = w.ID()
	}
	if err != nil {
		msg.Warn("%s: postmaster notify: %v", s.id, err)
		return
	}
	now := time.Now()
	w.Time(now)
	w.Attribute("log_message_origin", "local")
	w.Attribute("rewrite_context", "local")
	w.Record(record.From, conf.Address.DoubleBounceSender)
	w.Record(record.Recipient, conf.ErrorNoticeRecipient)
	w.Record(record.Message, "")
	w.Line(t.letter(s, id, now), 0)
	w.Record(record.Extracted, "")
	w.Record(record.End, "")
	if status, _, err := w.Finish(); err != nil || status != 0 {
		msg.Warn("%s: postmaster notify: message not accepted (%s, %v)", s.id, status.Text(), err)
	}
}

// letter is the text of the notice.
func (t *transcript) letter(s *session, id string, now time.Time) string {
	at := date.Header(now)
	return fmt.Sprintf("Received: by %s (%s)\n\tid %s; %s\n", conf.MyHostname, conf.MailName, id, at) +
		"Date: " + at + "\n" +
		"From: MAILER-DAEMON (Mail Delivery System)\n" +
		"To: " + conf.ErrorNoticeRecipient + " (Postmaster)\n" +
		fmt.Sprintf("Subject: %s %s client: errors from %s\n\n", conf.MailName, word(), s.relay()) +
		"Unexpected response from " + s.relay() + ".\n\n" +
		"Transcript of session follows.\n\n " + strings.Join(t.lines, "\n ") + "\n\n" +
		"For other details, see the local mail logfile"
}

func word() string {
	if lmtp {
		return "LMTP"
	}
	return "SMTP"
}
