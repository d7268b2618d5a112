package main

import (
	"strings"
	"testing"
	"time"
)

// S4.2.3: what the postmaster reads about a session with trouble.
func TestLetter(t *testing.T) {
	conf = params{HistoryFlushThreshold: 100}
	conf.NotifyClasses, conf.ErrorNoticeRecipient = "protocol, policy", "postmaster"
	conf.MyHostname, conf.MailName = "mail.example.com", "Postfix"
	s := &session{}
	s.client = localClient()
	h := &history{}
	h.add("Out: ", "220 mail.example.com ESMTP Postfix")
	h.add("In:  ", "FOO\x01")
	h.trouble("software")
	if h.wanted {
		t.Error("trouble that nobody wants to hear of")
	}
	h.trouble("protocol")
	if !h.wanted {
		t.Error("no notice of protocol trouble")
	}
	got := strings.Join(h.letter(s, errTooMany, "ABCDEF", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)), "\n")
	want := `Received: by mail.example.com (Postfix)
	id ABCDEF; Fri,  2 Jan 2026 03:04:05 +0000 (UTC)
Date: Fri,  2 Jan 2026 03:04:05 +0000 (UTC)
From: Mail Delivery System <MAILER-DAEMON>
To: Postmaster <postmaster>
Subject: Postfix SMTP server: errors from localhost[127.0.0.1]

Transcript of session follows.

 Out: 220 mail.example.com ESMTP Postfix
 In:  FOO?

Session aborted, reason: too many errors

For other details, see the local mail logfile`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A long session must not fill the memory.
func TestHistoryLimit(t *testing.T) {
	conf = params{HistoryFlushThreshold: 10}
	conf.NotifyClasses = "protocol"
	h := &history{}
	for range 100 {
		h.add("In:  ", "NOOP")
	}
	if len(h.lines) > 10 || !h.dropped {
		t.Errorf("%d lines kept", len(h.lines))
	}
	h.trouble("protocol")
	for range 1000 {
		h.add("In:  ", "NOOP")
	}
	if len(h.lines) > 100 {
		t.Errorf("%d lines kept", len(h.lines))
	}
}
