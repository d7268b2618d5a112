package ipc

import (
	"net"
	"path/filepath"
	"testing"
)

func listen(t *testing.T) (*net.UnixListener, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "qmgr")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, path
}

func accept(t *testing.T, l *net.UnixListener) *net.UnixConn {
	t.Helper()
	c, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func hear(t *testing.T, c *net.UnixConn, want string) {
	t.Helper()
	b := make([]byte, 10)
	n, err := c.Read(b)
	if err != nil || string(b[:n]) != want {
		t.Fatalf("heard %q (%v), want %q", b[:n], err, want)
	}
}

func wake(t *testing.T, w *Waker) {
	t.Helper()
	if err := w.Wake(); err != nil {
		t.Fatal(err)
	}
}

// A service of ours keeps the connection: one byte for each wake-up.
func TestWakerKept(t *testing.T) {
	l, path := listen(t)
	w := NewWaker(path)
	wake(t, w)
	c := accept(t, l)
	hear(t, c, Wakeup+Keep)
	c.Write([]byte(Keep))
	for range 3 {
		wake(t, w)
		hear(t, c, Wakeup)
	}
	// It is started again: no wake-up is lost.
	c.Close()
	wake(t, w)
	hear(t, accept(t, l), Wakeup+Keep)
}

// A stock service closes after each request.
func TestWakerStock(t *testing.T) {
	l, path := listen(t)
	w := NewWaker(path)
	wake(t, w)
	c := accept(t, l)
	hear(t, c, Wakeup+Keep)
	c.Close()
	for range 2 {
		wake(t, w)
		c := accept(t, l)
		b := make([]byte, 1)
		if n, _ := c.Read(b); n != 1 || string(b) != Wakeup {
			t.Fatalf("heard %q", b[:n])
		}
		c.Close()
	}
	l.Close()
	if err := w.Wake(); err == nil {
		t.Error("no error without a service")
	}
}
