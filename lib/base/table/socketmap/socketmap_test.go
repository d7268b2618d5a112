package socketmap

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postrider/lib/base/table"
)

// serve answers each request with what answer returns. "" ends the connection,
// "wait" does not answer.
func serve(t *testing.T, l net.Listener, answer func(request string) string) {
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			go func() {
				r := bufio.NewReader(c)
				for {
					var n int
					if _, err := fmt.Fscanf(r, "%d:", &n); err != nil {
						return
					}
					data := make([]byte, n+1)
					io.ReadFull(r, data)
					switch reply := answer(string(data[:n])); reply {
					case "":
						c.Close()
						return
					case "wait":
					default:
						io.WriteString(c, reply)
					}
				}
			}()
		}
	}()
}

func netstring(s string) string { return fmt.Sprintf("%d:%s,", len(s), s) }

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func connect(t *testing.T, spec string) *client {
	t.Helper()
	tab, err := openTable(strings.TrimPrefix(spec, "socketmap:"), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tab.(*client).Close() })
	return tab.(*client)
}

func TestLookup(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	serve(t, l, func(request string) string {
		name, key, _ := strings.Cut(request, " ")
		if name != "users" {
			return netstring("PERM no such map")
		}
		switch key {
		case "joe smith":
			return netstring("OK text with blanks")
		case "empty":
			return netstring("OK ")
		case "temp":
			return netstring("TEMP come back")
		case "timeout":
			return netstring("TIMEOUT database")
		case "odd":
			return netstring("WHAT is this")
		}
		return netstring("NOTFOUND ")
	})
	tab := connect(t, "socketmap:inet:"+l.Addr().String()+":users")
	for key, want := range map[string]string{
		"joe smith": "text with blanks true <nil>",
		"empty":     " true <nil>",
		"x":         " false <nil>",
		"":          " false <nil>",
		"temp":      " false the server reports a temporary error: come back",
		"timeout":   " false the server reports a temporary error: database",
		"odd":       ` false unexpected reply "WHAT is this"`,
	} {
		value, found, err := tab.Lookup(key)
		if got := fmt.Sprint(value, " ", found, " ", err); got != want {
			t.Errorf("%q: got %s, want %s", key, got, want)
		}
	}
	if !table.IsPattern(tab) {
		t.Error("parts of addresses are looked up")
	}
	tab = connect(t, "socketmap:inet:"+l.Addr().String()+":other")
	if _, _, err := tab.Lookup("x"); err == nil || !strings.Contains(err.Error(), "no such map") {
		t.Error(err)
	}
}

// Hostile and broken replies give an error, and the next question a new
// connection.
func TestBadReplies(t *testing.T) {
	l := listen(t, "unix", filepath.Join(t.TempDir(), "s"))
	serve(t, l, func(request string) string {
		switch key := strings.TrimPrefix(request, "m "); key {
		case "good":
			return netstring("OK \x00\xff binary")
		case "long":
			return "100001:"
		case "huge":
			return "99999999999999999999999999999999:"
		case "limit":
			return netstring("OK " + strings.Repeat("x", 100_000-3))
		case "close":
			return ""
		default:
			return key
		}
	})
	tab := connect(t, "socketmap:unix:"+l.Addr().String()+":m")
	tab.server.Timeout = 100 * time.Millisecond
	for _, bad := range []string{
		"long", "huge", "close", "wait", "hello", ":", "-1:x,", "3:abcX", "5:abc", "12", "3,abc,", " 3:abc,", "\x00",
	} {
		if value, found, err := tab.Lookup(bad); err == nil || found || value != "" {
			t.Errorf("%q: %q %v %v", bad, value, found, err)
		}
		if value, found, err := tab.Lookup("good"); value != "\x00\xff binary" || !found || err != nil {
			t.Errorf("after %q: %q %v %v", bad, value, found, err)
		}
	}
	if value, _, err := tab.Lookup("limit"); len(value) != 100_000-3 || err != nil {
		t.Error(len(value), err)
	}
}

// A connection that the server has closed meanwhile is made again.
func TestReconnect(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	var count atomic.Int32
	serve(t, l, func(string) string {
		n := count.Add(1)
		if n%2 == 0 {
			return ""
		}
		return netstring(fmt.Sprint("OK ", n))
	})
	tab := connect(t, "socketmap:inet:"+l.Addr().String()+":m")
	for _, want := range []string{"1", "3", "5"} {
		if value, _, err := tab.Lookup("x"); value != want || err != nil {
			t.Errorf("got %q, %v, want %s", value, err, want)
		}
	}
	tab.server.Idle = time.Nanosecond
	if value, _, err := tab.Lookup("x"); value != "7" || err != nil {
		t.Error(value, err)
	}
	l.Close()
	tab.server.Close()
	if _, _, err := tab.Lookup("x"); err == nil {
		t.Error("no error")
	}
}

func TestOpen(t *testing.T) {
	for _, bad := range []string{"", "x", "inet:host:25:", "unix:x:", "tcp:host:25:m", "unix::m"} {
		if _, err := openTable(bad, 0); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
	_, err := table.Open("socketmap:unix:/x:m", table.NoUnauth)
	if err == nil || !strings.Contains(err.Error(), "not allowed for security-sensitive data") {
		t.Error(err)
	}
	var e *table.Error
	if errors.As(err, &e) && e.Temporary {
		t.Error("a mistake that lasts is called temporary")
	}
}
