// Package slack keeps the Go scheduler from waking up for nothing in a process
// with one busy goroutine.
package slack

import (
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// nanoseconds is how late a timer of the process may fire. The scheduler's
// monitor sleeps 20 microseconds at a time while anything runs; with this
// slack its wake-ups cost nothing, and without it more than the work itself.
const nanoseconds = 20_000_000

// Set makes this a process with one processor and large timer slack, on all
// its threads. Only root may set the slack of other threads; for others, and
// where there is no /proc, half of it is done. A parent that sets the slack
// before it starts a child spares it this.
func Set() {
	runtime.GOMAXPROCS(1)
	if os.Geteuid() != 0 {
		return
	}
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	text := strconv.Itoa(nanoseconds)
	for _, e := range entries {
		path := "/proc/" + e.Name() + "/timerslack_ns"
		if have, err := os.ReadFile(path); err != nil || string(have) == text+"\n" {
			return
		}
		os.WriteFile(path, []byte(text), 0)
	}
}

// Sleep is time.Sleep for short pauses: it is exact in a process with large
// slack too. Nothing else of the process runs meanwhile when it has one processor.
func Sleep(d time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	have, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err == nil && have >= nanoseconds {
		unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
		defer unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(have), 0, 0, 0)
	}
	for end := time.Now().Add(d); d > 0; d = time.Until(end) {
		pause := unix.NsecToTimespec(int64(d))
		unix.Nanosleep(&pause, nil)
	}
}
