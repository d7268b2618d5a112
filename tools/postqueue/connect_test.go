package main

import (
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"postrider/lib/service/showq"
)

// A showq service that goes while it is asked is as one that is not there: the
// superuser sees the queue all the same.
func TestServiceGoes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("for the superuser")
	}
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.MkdirAll("public", 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\nprintf 'protocol\\0" + showq.Protocol + "\\0\\0\\0'\n"
	if err := os.WriteFile("showq", []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: "public/showq", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	go raw.Control(func(fd uintptr) { // until somebody is connected, whom nobody serves
		unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		go l.Close()
	})
	conf.ShowqServiceName, conf.DaemonDirectory = "showq", dir
	s, wait, err := connect()
	if err != nil {
		t.Fatal(err)
	}
	if name, err := word(s); err != nil || name != "" {
		t.Errorf("%q %v", name, err)
	}
	s.Close()
	if err := wait(); err != nil {
		t.Error(err)
	}
}
