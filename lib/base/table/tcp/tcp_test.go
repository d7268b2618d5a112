package tcp

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postrider/lib/base/table"
)

// serve answers each line with what answer returns. "" ends the connection,
// "wait" does not answer.
func serve(t *testing.T, answer func(line string) string) *client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			go func() {
				for r := bufio.NewReader(c); ; {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					switch reply := answer(strings.TrimSuffix(line, "\n")); reply {
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
	tab, err := openTable(l.Addr().String(), 0)
	if err != nil {
		t.Fatal(err)
	}
	c := tab.(*client)
	c.server.Pause, c.server.Tries, c.server.Timeout = time.Millisecond, 3, 100*time.Millisecond
	t.Cleanup(func() { c.Close() })
	return c
}

func TestLookup(t *testing.T) {
	tab := serve(t, func(line string) string {
		switch line {
		case "get joe%20smith":
			return "200 text%20with%0a%25\n"
		case "get %00%ff%25":
			return "200 plain text\r\n"
		case "get empty":
			return "200 \n"
		case "get trouble":
			return "400 come%20back\n"
		case "get bad":
			return "200 a%2\n"
		case "get odd":
			return "300 what\n"
		}
		return "500 unknown\n"
	})
	for key, want := range map[string]string{
		"joe smith":  "text with\n% true <nil>",
		"\x00\xff%":  "plain text true <nil>",
		"empty":      " true <nil>",
		"x":          " false <nil>",
		"trouble":    " false the server reports an error: come back",
		"bad":        ` false bad %XX in the reply "200 a%2"`,
		"odd":        ` false bad status in the reply "300 what"`,
		"get\nget x": " false <nil>",
	} {
		value, found, err := tab.Lookup(key)
		if got := fmt.Sprint(value, " ", found, " ", err); got != want {
			t.Errorf("%q: got %s, want %s", key, got, want)
		}
	}
	if !table.IsPattern(tab) {
		t.Error("parts of addresses are looked up")
	}
}

// Hostile and broken replies give an error, and the next question a new
// connection.
func TestBadReplies(t *testing.T) {
	replies := map[string]string{
		"long": "200 " + strings.Repeat("x", 5000) + "\n", "none": "wait", "half": "200 ha", "close": "",
		"word": "hello there\n", "short": "200\n", "binary": "\x00\xff\x01\x02 \n", "empty": "\n", "good": "200 good\n",
		"limit": "200 " + strings.Repeat("x", 4091) + "\n",
	}
	tab := serve(t, func(line string) string { return replies[strings.TrimPrefix(line, "get ")] })
	for key := range replies {
		if key == "good" || key == "limit" {
			continue
		}
		if value, found, err := tab.Lookup(key); err == nil || found {
			t.Errorf("%s: %q %v %v", key, value, found, err)
		}
		if value, found, err := tab.Lookup("good"); value != "good" || !found || err != nil {
			t.Errorf("after %s: %q %v %v", key, value, found, err)
		}
	}
	if value, _, err := tab.Lookup("limit"); len(value) != 4091 || err != nil {
		t.Error(len(value), err)
	}
}

// A server that starts a little later is waited for.
func TestRetry(t *testing.T) {
	var n atomic.Int32
	tab := serve(t, func(string) string {
		if n.Add(1) < 3 {
			return ""
		}
		return "200 here\n"
	})
	if value, _, err := tab.Lookup("x"); value != "here" || err != nil {
		t.Error(value, err)
	}
}

func TestOpen(t *testing.T) {
	for _, bad := range []string{"", "host", ":25", "host:"} {
		if _, err := openTable(bad, 0); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
	if _, err := openTable("localhost:25", table.NoUnauth); err == nil || !strings.Contains(err.Error(), "not allowed") {
		t.Error(err)
	}
}

func FuzzCode(f *testing.F) {
	f.Add("a b%\x00")
	f.Fuzz(func(t *testing.T, s string) {
		if got, ok := decode(encode(s)); !ok || got != s {
			t.Errorf("%q becomes %q", s, got)
		}
		decode(s)
	})
}
