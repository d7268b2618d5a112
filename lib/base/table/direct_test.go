package table

import (
	"slices"
	"testing"
)

func TestDirect(t *testing.T) {
	got := Direct("proxy:hash:/a, inline:{x=proxy:y z=1} proxy:proxy:unix:b")
	if want := []string{"hash:/a", "inline:{x=proxy:y z=1}", "unix:b"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
