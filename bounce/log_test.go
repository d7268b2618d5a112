package main

import (
	"os"
	"sync"
	"testing"

	"postrider/lib/mail/dsnlog"
	"postrider/lib/service/bounce"
)

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
				if err := appendEntry("defer", id, dsnlog.Entry{Recipient: "a@b", Status: "4.0.0", Action: "delayed", Reason: "r"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	count := func() {
		for _, err := range readLog("defer", id, true) {
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
		count()
		removeLog("defer", id)
		f.Close()
	}
	if removed != 2*each {
		t.Errorf("%d entries of %d", removed, 2*each)
	}
}
