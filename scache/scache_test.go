package main

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/service/scache"
)

// start serves a store at private/scache of a directory of the test's own.
func start(t *testing.T) (*store, *scache.Client) {
	t.Helper()
	t.Cleanup(msg.SetOutput(func(msg.Level, string) {}))
	t.Chdir(t.TempDir())
	os.Mkdir("private", 0o700)
	listener, err := net.Listen("unix", "private/scache")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	all := newStore(time.Now)
	conf.TTLLimit, conf.IPCTimeout = 2*time.Second, 10*time.Second
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			f, _ := c.(*net.UnixConn).File()
			c.Close()
			syscall.SetNonblock(int(f.Fd()), false)
			go func() {
				serve(stream.New(stream.FD(f.Fd())), all)
				f.Close()
			}()
		}
	}()
	client := scache.New(scache.Params{ConnectionCacheServiceName: "scache", ConnectionCacheProtocolTimeout: 5 * time.Second}, time.Minute)
	t.Cleanup(client.Close)
	return all, client
}

// pair is a connection with somebody.
func pair(t *testing.T) (ours, theirs int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fds[1]) })
	return fds[0], fds[1]
}

// talks tells whether two descriptors are the ends of one connection.
func talks(t *testing.T, ours, theirs int) {
	t.Helper()
	b := make([]byte, 10)
	syscall.Write(ours, []byte("hello"))
	if n, err := syscall.Read(theirs, b); err != nil || string(b[:n]) != "hello" {
		t.Errorf("read %q, %v", b[:max(n, 0)], err)
	}
}

// A connection comes back with what was said about it, once. S6.2.
func TestConversation(t *testing.T) {
	all, client := start(t)
	ours, theirs := pair(t)
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	try(client.Save(time.Second, "endpoint", "of it", ours))
	syscall.Close(ours)
	try(client.Bind(time.Second, "destination", "of that", "endpoint"))
	fd, destination, endpoint, err := client.FindDestination("destination")
	if err != nil || fd < 0 || destination != "of that" || endpoint != "of it" {
		t.Fatalf("%d %q %q %v", fd, destination, endpoint, err)
	}
	talks(t, fd, theirs)
	if again, _, _, err := client.FindDestination("destination"); again >= 0 || err != nil {
		t.Errorf("found twice: %d, %v", again, err)
	}
	try(client.Save(time.Second, "endpoint", "again", fd))
	syscall.Close(fd)
	fd, endpoint, err = client.Find("endpoint")
	if err != nil || fd < 0 || endpoint != "again" {
		t.Fatalf("%d %q %v", fd, endpoint, err)
	}
	talks(t, fd, theirs)
	syscall.Close(fd)
	if none, _, err := client.Find("endpoint"); none >= 0 || err != nil {
		t.Errorf("found twice: %d, %v", none, err)
	}
	if all.count != 0 || all.destinationHits != 1 || all.destinationTries != 2 || all.endpointHits != 1 || all.endpointTries != 2 || all.mostOpen != 1 {
		t.Errorf("%d left, %+v", all.count, all.statistics)
	}
}

// What nobody takes is closed; the limit counts, not what the client wishes.
func TestExpire(t *testing.T) {
	_, client := start(t)
	conf.TTLLimit = time.Millisecond
	ours, theirs := pair(t)
	if err := client.Save(time.Hour, "endpoint", "", ours); err != nil {
		t.Fatal(err)
	}
	syscall.Close(ours)
	syscall.SetsockoptTimeval(theirs, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 5})
	if n, err := syscall.Read(theirs, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("read %d, %v; the connection should be closed", n, err)
	}
	if fd, _, err := client.Find("endpoint"); fd >= 0 || err != nil {
		t.Errorf("found %d, %v", fd, err)
	}
}

// Bindings end, too, and a destination may have several servers: the last one that
// was used comes first.
func TestBindings(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := newStore(func() time.Time { return now })
	for i, endpoint := range []string{"a", "b", "b"} {
		s.save(time.Hour, endpoint, strings.Repeat("x", i), 1000+i)
		s.bind(time.Second, "d", "", endpoint)
	}
	for _, want := range []string{"xx", "x", ""} {
		if c, _ := s.findDestination("d"); c == nil || c.property != want {
			t.Errorf("got %+v, want %q", c, want)
		}
	}
	s.save(time.Hour, "a", "", 1000)
	now = now.Add(time.Second)
	if c, _ := s.findDestination("d"); c != nil || len(s.destinations) != 0 {
		t.Error("an old binding is still there")
	}
	if c := s.find("a"); c == nil {
		t.Error("the connection is gone with it")
	}
}

// A client that talks nonsense hurts nobody.
func TestNonsense(t *testing.T) {
	all, _ := start(t)
	for _, text := range []string{"", "request\x00dance\x00\x00", "request\x00save_endp\x00\x00", "request\x00save_endp\x00ttl\x001\x00label\x00a\x00property\x00b\x00\x00x",
		"request\x00find_dest\x00\x00", "request\x00save_dest\x00ttl\x00x\x00\x00", "x"} {
		ours, theirs := pair(t)
		syscall.Write(theirs, []byte(text))
		syscall.Shutdown(theirs, syscall.SHUT_WR)
		serve(stream.New(stream.FD(ours)), all)
		syscall.Close(ours)
	}
	if all.count != 0 {
		t.Errorf("%d connections", all.count)
	}
}
