package access

import (
	"testing"

	"postrider/lib/mail/known"
)

// "postfix check" knows the same restrictions.
func TestKnownRestrictions(t *testing.T) {
	for name, r := range restrictions {
		if found, argument := known.Restriction(name); !found || argument != r.arg {
			t.Errorf("lib/mail/known: %s: %v, with an argument: %v, want true and %v", name, found, argument, r.arg)
		}
	}
	for _, name := range known.Restrictions() {
		if !restrictions[name].valid() {
			t.Errorf("lib/mail/known has %s", name)
		}
	}
}
