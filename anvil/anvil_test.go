package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"postrider/lib/base/stream"
)

// A time unit begins with the first event and ends for all rates at once;
// connections stay counted.
func TestCounters(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := newCounters(time.Minute)
	c.now = func() time.Time { return now }
	var log []string
	c.log = func(format string, args ...any) { log = append(log, fmt.Sprintf(format, args...)) }
	check := func(what string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	c.connect("smtp:192.0.2.1")
	count, rate := c.connect("smtp:192.0.2.1")
	check("count", count, 2)
	check("rate", rate, 2)
	check("message", c.happened(messages, "smtp:192.0.2.1"), 1)
	check("message", c.happened(messages, "smtp:192.0.2.1"), 2)
	check("other client", c.happened(messages, "smtp:192.0.2.2"), 1)
	c.disconnect("smtp:192.0.2.1")
	now = now.Add(61 * time.Second)
	check("message in the next unit", c.happened(messages, "smtp:192.0.2.1"), 1)
	count, rate = c.connect("smtp:192.0.2.1")
	check("count in the next unit", count, 2)
	check("rate in the next unit", rate, 1)
	c.sweep()
	check("clients", len(c.remotes), 1)
	c.logMaxima()
	want := `statistics: max connection rate 2/60s for (smtp:192.0.2.1) at Jan  2 03:04:05
statistics: max connection count 2 for (smtp:192.0.2.1) at Jan  2 03:04:05
statistics: max message rate 2/60s for (smtp:192.0.2.1) at Jan  2 03:04:05
statistics: max cache size 2 at Jan  2 03:04:05`
	if got := strings.Join(log, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The wire is that of stock Postfix; the end of the connection is the end of
// the client.
func TestServe(t *testing.T) {
	all = newOwner(newCounters(time.Minute), time.Hour)
	talk := func(text string) string {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			s := stream.New(stream.FD(fds[0]))
			serve(s)
			s.Close()
			close(done)
		}()
		syscall.Write(fds[1], []byte(text))
		syscall.Shutdown(fds[1], syscall.SHUT_WR)
		<-done
		var got []byte
		b := make([]byte, 4096)
		for {
			n, _ := syscall.Read(fds[1], b)
			if n <= 0 {
				break
			}
			got = append(got, b[:n]...)
		}
		syscall.Close(fds[1])
		return string(got)
	}
	const hello = "protocol=anvil_protocol\n\n"
	for _, test := range []struct{ send, want string }{
		{"request=connect\nident=smtp:1.2.3.4\n\n", "status=0\ncount=1\nrate=1\n\n"},
		{"request=connect\nident=smtp:1.2.3.4\n\n", "status=0\ncount=1\nrate=2\n\n"},
		{"request=message\nident=smtp:1.2.3.4\n\n", "status=0\nrate=1\n\n"},
		{"request=lookup\nident=smtp:1.2.3.4\n\n", "status=0\ncount=0\nrate=2\nmail=1\nrcpt=0\nnewtls=0\nauth=0\n\n"},
		{"request=disconnect\nident=smtp:1.2.3.4\n\n", "status=0\n\n"},
		{"request=foo\nident=smtp:1.2.3.4\n\nrequest=lookup\nident=x\n\n", "status=4294967295\n\n"},
	} {
		if got := talk(test.send); got != hello+test.want {
			t.Errorf("%q: got %q, want %q", test.send, got, hello+test.want)
		}
	}
}
