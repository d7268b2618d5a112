package main

import (
	"testing"

	"postrider/lib/base/msg"
	"postrider/lib/mail/dsn"
)

func TestOutcome(t *testing.T) {
	defer msg.SetOutput(func(msg.Level, string) {})()
	for _, test := range []struct {
		hop    string
		status dsn.Status
		text   string
	}{
		{"spam", "2.0.0", "spam"},
		{"2.1.5 not wanted", "2.1.5", "not wanted"},
		{"5.1.1 not wanted", "2.0.0", "not wanted"},
		{"", "2.0.0", ""},
	} {
		if o := outcome(test.hop); o.Status != test.status || o.Reason != test.text {
			t.Errorf("%v: got %+v", test, o)
		}
	}
}
