package dns

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair makes two links that are connected with each other.
func pair(t *testing.T) [2]*link {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Second)
	return [2]*link{{fds[0], true, deadline}, {fds[1], true, deadline}}
}

func TestStreamCloses(t *testing.T) {
	l := pair(t)
	l[1].close()
	if _, err := l[0].receive(); err == nil || err == errTimeout {
		t.Errorf("got %v", err)
	}
	l[0].close()
}
