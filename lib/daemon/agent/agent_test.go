package agent

import (
	"testing"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/service/deliver"
)

// S6.4: numbers in the log, as its readers know them.
func TestSeconds(t *testing.T) {
	for in, want := range map[float64]string{0.0004: "0", 0.014: "0.01", 0.1: "0.1", 0.147: "0.15", 1.26: "1.3", 9.98: "10",
		10.4: "10", 280.3: "280", -1: "0", 0: "0", 0.995: "1", 0.0149: "0.01"} {
		if got := Seconds(time.Duration(in*1e9), 2); got != want {
			t.Errorf("%v: %s, want %s", in, got, want)
		}
	}
}

func TestLine(t *testing.T) {
	var got string
	defer msg.SetOutput(func(_ msg.Level, text string) { got = text })()
	at := time.Now().Add(-time.Minute)
	r := Reporter{Params: &Report{DelayResolution: 2}, ID: "ABC123", Times: deliver.Times{Arrival: at,
		Active: at.Add(time.Second), Handoff: at.Add(1100 * time.Millisecond), Done: at.Add(2100 * time.Millisecond), Reuse: 2}}
	r.Record(&deliver.Recipient{Original: "Joe@x", Address: "two words@y"}, "local", Sent("2.0.0", "delivered to mailbox"))
	want := `ABC123: to=<"two words"@y>, orig_to=<Joe@x>, relay=local, conn_use=3, delay=2.1, delays=1/0.1/0/1, dsn=2.0.0, status=sent (delivered to mailbox)`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTimes(t *testing.T) {
	now := time.Unix(1795215885, 706020000)
	in := deliver.Times{Arrival: now, Active: now.Add(time.Second), Reuse: 3}
	out, err := deliver.DecodeTimes(in.Encode())
	if err != nil || !out.Arrival.Equal(now) || !out.Handoff.IsZero() || out.Reuse != 3 {
		t.Error(out, err)
	}
	if _, err := deliver.DecodeTimes(make([]byte, 44)); err == nil {
		t.Error("structure of another architecture accepted")
	}
}
