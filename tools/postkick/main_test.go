package main

import (
	"io"
	"net"
	"os"
	"testing"
)

// S6.1: the request arrives, and a service that is not there is an error.
func TestKick(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("public", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := kick("public", "qmgr", "I"); err == nil {
		t.Error("no service: no error")
	}
	l, err := net.Listen("unix", "public/qmgr")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := kick("public", "qmgr", "DA"); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != "DA" {
		t.Errorf("service got %q, %v", got, err)
	}
}
