package ipc

import (
	"bytes"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A crowd in front of a service swallows no request but those that say what the
// crowd says anyway. S2.5.
func TestTriggerCrowd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "qmgr")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	syscall.Listen(fd, 1)
	for range 5 { // more than fit
		if err := Trigger(path, Wakeup); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error)
	go func() { done <- Trigger(path, Unthrottle+IgnoreTimes+ScanDeferred) }()
	var heard []byte
	for !bytes.Contains(heard, []byte(ScanDeferred)) {
		syscall.SetNonblock(fd, false)
		syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 3})
		client, _, err := syscall.Accept(fd)
		if err != nil {
			t.Fatalf("%v after %q", err, heard)
		}
		b := make([]byte, 10)
		n, _ := syscall.Read(client, b)
		heard = append(heard, b[:max(n, 0)]...)
		syscall.Close(client)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	// A service that never looks is trouble, after a while.
	old := crowdWait
	defer func() { crowdWait = old }()
	crowdWait = 50 * time.Millisecond
	for range 5 {
		Trigger(path, Wakeup)
	}
	if err := Trigger(path, ScanDeferred); err == nil {
		t.Error("no error")
	}
}
