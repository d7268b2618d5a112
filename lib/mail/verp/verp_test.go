package verp

import "testing"

func TestSender(t *testing.T) {
	for _, c := range []struct{ sender, recipient, want string }{
		{"owner-list@example.org", "joe@example.com", "owner-list+joe=example.com@example.org"},
		{"owner", "a@b@c", "owner+a@b=c"},
		{"owner@x", "joe", "owner+joe@x"},
	} {
		if got := Sender("+=", c.sender, c.recipient); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestValid(t *testing.T) {
	p := Params{VerpDelimiterFilter: "-=+"}
	for text, want := range map[string]bool{"+=": true, "-+": true, "": false, "+": false, "+=-": false, "+x": false} {
		if p.Valid(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}
