package poll

import (
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestPoller(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Add(fds[0]); err != nil {
		t.Fatal(err)
	}
	next := func() (got Event) {
		if err := p.Wait(0, func(e Event) { got = e }); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if e := next(); e.FD != fds[0] || !e.Writable || e.Readable {
		t.Errorf("new: %+v", e)
	}
	if e := next(); e != (Event{}) {
		t.Errorf("reported twice: %+v", e)
	}
	buf := make([]byte, 10)
	if _, err := Read(fds[0], buf); !errors.Is(err, ErrAgain) {
		t.Errorf("nothing to read: %v", err)
	}
	Write(fds[1], []byte("abc"))
	if e := next(); !e.Readable {
		t.Errorf("input: %+v", e)
	}
	if n, err := Read(fds[0], buf); n != 3 || err != nil {
		t.Errorf("read: %d, %v", n, err)
	}
	unix.Close(fds[1])
	if e := next(); !e.Readable {
		t.Errorf("end: %+v", e)
	}
	if _, err := Read(fds[0], buf); err != io.EOF {
		t.Errorf("end: %v", err)
	}
	unix.Close(fds[0])
	start := time.Now()
	p.Wait(20*time.Millisecond, func(e Event) { t.Errorf("event of a closed descriptor: %+v", e) })
	if time.Since(start) < 15*time.Millisecond {
		t.Error("did not wait")
	}
}

func TestSockaddr(t *testing.T) {
	if _, family := Sockaddr(netip.MustParseAddrPort("[::ffff:192.0.2.1]:25")); family != unix.AF_INET {
		t.Error("mapped address")
	}
	if _, family := Sockaddr(netip.MustParseAddrPort("[2001:db8::1]:25")); family != unix.AF_INET6 {
		t.Error("IPv6 address")
	}
}
