package main

import (
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"postrider/lib/mail/queue"
	"postrider/lib/service/bounce"
)

func parsed(text string, deferred bool) []entry {
	return slices.Collect(parseLog(strings.NewReader(text), "bounce/X", deferred))
}

// Entries come back as they were written.
func TestLogRoundTrip(t *testing.T) {
	newWorld(t)
	e := entry{recipient: `"a b"@example.com`, original: "x@example.com", offset: 817, originalDSN: "rfc822;x@example.com",
		notify: 10, status: "5.1.1", action: "failed", diagType: "smtp", diagText: "550 a=b", remoteType: "dns", remoteName: "mx.example", reason: "no = such user"}
	second := entry{recipient: "<>", status: "4.0.0", action: "delayed", reason: "r"}
	for _, compatible := range []bool{true, false} {
		text := string(second.appendTo(e.appendTo(nil, compatible), compatible))
		if got := parsed(text, false); !slices.Equal(got, []entry{e, second}) {
			t.Errorf("got %+v from\n%s", got, text)
		}
	}
}

// The form on disk is shared with other mail systems.
func TestLogForm(t *testing.T) {
	w := newWorld(t)
	w.request("bounce", entryFor("bob b@example.net", func(e *bounce.LogEntry) {
		e.Original, e.Offset, e.Reason, e.DiagText, e.RemoteName = "BOB B@example.net", -1, "a\nb\x01", "", ""
	}))
	got, err := os.ReadFile("bounce/" + id)
	want := "\n<\"bob b\"@example.net>: a?b?\nrecipient=\"bob b\"@example.net\nstatus=5.1.1\naction=failed\nreason=a?b?\n\n"
	if err != nil || string(got) != want {
		t.Errorf("got %q (%v)", got, err)
	}
	if info, _ := os.Stat("bounce/" + id); info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestParseOdd(t *testing.T) {
	newWorld(t)
	for text, want := range map[string][]entry{
		"<old@x>: gone away\n\n<new@x>: more\n": {{recipient: "old@x", reason: "gone away"}, {recipient: "new@x", reason: "more"}},
		"\n\nreason=only":                       {{recipient: noRecipient, reason: "only"}},
		"recipient=a\nstatus=999\naction=no":    {{recipient: "a", reason: noReason}},
		"":                                      nil,
		"\n\n\n":                                nil,
		"recipient=a\njunk\n=x\n\x00\xff\nfoo=bar\n": {{recipient: "a", reason: noReason}},
		"<broken": {{recipient: noRecipient, reason: noReason}},
	} {
		for i := range want {
			want[i].status, want[i].action = "4.0.0", "delayed"
		}
		if got := parsed(text, true); !slices.Equal(got, want) {
			t.Errorf("%q: got %+v", text, got)
		}
	}
	long := parsed("recipient="+strings.Repeat("x", 3*lineLimit)+"\nreason=r\n", false)
	if len(long) != 1 || long[0].reason != "r" || len(long[0].recipient) > lineLimit {
		t.Errorf("%d entries of a long line", len(long))
	}
}

// An entry that is written while the log is being mailed and removed is not
// lost.
func TestAppendWhileRemoved(t *testing.T) {
	newWorld(t)
	var wg sync.WaitGroup
	const each = 50
	removed := 0
	for range 2 {
		wg.Go(func() {
			for range each {
				if err := appendEntry("defer", id, entry{recipient: "a@b", status: "4.0.0", action: "delayed", reason: "r"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	path := queue.Path("defer", id)
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	count := func(name string) {
		for _, err := range readLog(name, true) {
			if err == nil {
				removed++
			}
		}
	}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		f, err := openLog("defer", id)
		if err != nil {
			t.Fatal(err)
		}
		count(path)
		removeLog("defer", id)
		f.Close()
	}
	if removed != 2*each {
		t.Errorf("%d entries of %d", removed, 2*each)
	}
}

func FuzzParseLog(f *testing.F) {
	f.Add("<a>: b\nrecipient=a\noffset=-5\nnotify_flags=99999999999999999999\n\nstatus=4\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, e := range parsed(text, true) {
			if e.recipient == "" || e.reason == "" || strings.ContainsAny(e.recipient+e.reason+e.status+e.action, "\n\x00") {
				t.Errorf("%q: %+v", text, e)
			}
		}
	})
}
