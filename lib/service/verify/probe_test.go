package verify

import (
	"testing"
	"time"
)

// The sender of probes, with the endings that stock Postfix gives it.
func TestSender(t *testing.T) {
	at := time.Unix(1795239757, 0)
	for _, test := range []struct {
		sender string
		ttl    time.Duration
		want   string
	}{
		{"double-bounce", 0, "double-bounce"},
		{"double-bounce", time.Hour, "double-bounceJQXC"},
		{"probe@example.com", time.Hour, "probeJQXC@example.com"},
		{"<>", time.Hour, ""},
		{"", 0, ""},
	} {
		p := Probe{test.sender, test.ttl}
		if got := p.Sender(at); got != test.want {
			t.Errorf("%q, %v: %q, want %q", test.sender, test.ttl, got, test.want)
		}
		senders := p.Senders(at.Add(test.ttl))
		found := false
		for _, s := range senders {
			found = found || s == test.want
		}
		if !found {
			t.Errorf("%q, %v: one period later only %q are known", test.sender, test.ttl, senders)
		}
	}
}
