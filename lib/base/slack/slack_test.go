package slack

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A pause is exact on a thread with large slack, and leaves the slack as it was.
func TestSleep(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // 0: as it was at the start
	shortest := time.Hour
	for range 20 {
		start := time.Now()
		Sleep(time.Millisecond)
		shortest = min(shortest, time.Since(start))
	}
	if shortest < time.Millisecond || shortest > 15*time.Millisecond {
		t.Errorf("the shortest of 20 pauses of 1ms took %v", shortest)
	}
	if have, _ := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); have != nanoseconds {
		t.Errorf("slack is %d afterwards", have)
	}
}
