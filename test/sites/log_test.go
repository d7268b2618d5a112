package sites

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A log service of our own: programs that cannot read main.cf do not know of
// another one than the one that master(8) named to them.
const logSocket = "/run/log"

var logFD int

func startLog(t *testing.T) {
	t.Helper()
	os.Remove(logSocket)
	var err error
	if logFD, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err == nil {
		err = unix.Bind(logFD, &unix.SockaddrUnix{Name: logSocket})
	}
	if err != nil {
		t.Fatal(err)
	}
	os.Chmod(logSocket, 0o666)
	t.Cleanup(func() { unix.Close(logFD) })
}

// logged returns what was said since the last time. The sender of a line has ended:
// it is there, or never comes.
func logged() string {
	var b strings.Builder
	packet := make([]byte, 65536)
	for {
		n, err := unix.Read(logFD, packet)
		if err != nil {
			return b.String()
		}
		b.Write(packet[:n])
		b.WriteByte('\n')
	}
}
