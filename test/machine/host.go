package machine

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Addresses of this machine and of the second host, which no real network uses
// (RFC 5737, RFC 3849).
const (
	Near  = "192.0.2.1"
	Far   = "192.0.2.2"  // the second host
	Other = "192.0.2.3"  // another address of the second host
	Dead  = "192.0.2.66" // nobody has it
	Near6 = "2001:db8::1"
	Far6  = "2001:db8::2"
)

// A Host is a second host: a network of its own, at the other end of a cable.
type Host struct {
	t testing.TB
}

// NewHost makes the second host. It ends with the test.
func NewHost(t testing.TB) *Host {
	t.Helper()
	if os.Getenv("MACHINE_INSIDE") == "" {
		t.Skip("only inside a machine")
	}
	must := func(name string, args ...string) {
		t.Helper()
		if out, status := Run("", name, args...); status != 0 {
			t.Fatalf("%s %v: status %d\n%s", name, args, status, out)
		}
	}
	must("ip", "netns", "add", "far")
	t.Cleanup(func() {
		Run("", "ip", "netns", "delete", "far")
		Run("", "ip", "link", "delete", "near0")
	})
	must("ip", "link", "add", "near0", "type", "veth", "peer", "name", "far0", "netns", "far")
	must("ip", "addr", "add", Near+"/24", "dev", "near0")
	must("ip", "link", "set", "near0", "up")
	must("ip", "-n", "far", "addr", "add", Far+"/24", "dev", "far0")
	must("ip", "-n", "far", "addr", "add", Other+"/24", "dev", "far0")
	must("ip", "-n", "far", "link", "set", "far0", "up")
	must("ip", "-n", "far", "link", "set", "lo", "up")
	// Not every kernel has IPv6.
	Run("", "ip", "-6", "addr", "add", Near6+"/64", "dev", "near0", "nodad")
	Run("", "ip", "-n", "far", "-6", "addr", "add", Far6+"/64", "dev", "far0", "nodad")
	return &Host{t}
}

// Do runs f on the second host: sockets that f opens by itself are there.
func (h *Host) Do(f func() error) {
	h.t.Helper()
	if err := enter("/run/netns/far", f); err != nil {
		h.t.Fatal("on the second host: ", err)
	}
}

// Dial connects from an address of the second host; from any when it is empty.
func (h *Host) Dial(from, addr string) net.Conn {
	h.t.Helper()
	dialer := net.Dialer{Timeout: 10 * time.Second}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	var conn net.Conn
	h.Do(func() (err error) {
		conn, err = dialer.Dial("tcp", addr)
		return err
	})
	h.t.Cleanup(func() { conn.Close() })
	return conn
}

// enter runs f with the network of the file on this thread.
func enter(network string, f func() error) error {
	runtime.LockOSThread()
	back, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer back.Close()
	there, err := os.Open(network)
	if err != nil {
		return err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("network %s: %w", network, err)
	}
	err = f()
	if failed := unix.Setns(int(back.Fd()), unix.CLONE_NEWNET); failed != nil {
		return failed // and the thread, which is locked, ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}
