package sites

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// A log service of our own: programs that cannot read main.cf do not know of
// another one than the one that master(8) named to them.
const logSocket = "/run/log"

var logConn *net.UnixConn

func startLog(t *testing.T) {
	t.Helper()
	os.Remove(logSocket)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: logSocket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	os.Chmod(logSocket, 0o666)
	logConn = conn
	t.Cleanup(func() { conn.Close() })
}

// logged returns what was said since the last time.
func logged() string {
	var b strings.Builder
	packet := make([]byte, 65536)
	for {
		logConn.SetReadDeadline(time.Now().Add(time.Millisecond))
		n, err := logConn.Read(packet)
		if err != nil {
			return b.String()
		}
		b.Write(packet[:n])
		b.WriteByte('\n')
	}
}
