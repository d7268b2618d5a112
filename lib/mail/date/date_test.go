package date

import (
	"testing"
	"time"
)

func TestHeader(t *testing.T) {
	for day, want := range map[int]string{1: "Sun, 01 Nov 2026 02:03:04 +0000 (UTC)", 21: "Sat, 21 Nov 2026 02:03:04 +0000 (UTC)"} {
		if got := Header(time.Date(2026, 11, day, 2, 3, 4, 0, time.UTC)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
