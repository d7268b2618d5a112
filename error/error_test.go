package main

import (
	"testing"

	"postrider/lib/base/msg"
	"postrider/lib/mail/dsn"
)

// The reason is the next hop, with or without a code. S2.5.
func TestOutcome(t *testing.T) {
	defer msg.SetOutput(func(msg.Level, string) {})()
	for _, test := range []struct {
		service, hop string
		status       dsn.Status
		text         string
	}{
		{"error", "no such place", "5.0.0", "no such place"},
		{"error", "5.1.6 User has moved to joe@example.net", "5.1.6", "User has moved to joe@example.net"},
		{"error", "4.1.6 hm", "5.0.0", "hm"},
		{"retry", "later", "4.0.0", "later"},
		{"retry", "4.3.2 closed for repair", "4.3.2", "closed for repair"},
		{"retry", "5.3.2 no", "4.0.0", "no"},
	} {
		if o := outcome(test.service, test.hop); o.Status != test.status || o.Reason != test.text {
			t.Errorf("%v: got %+v", test, o)
		}
	}
}
