package main

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/record"
	"postrider/lib/service/deliver"
	"postrider/test/peer/sink"
)

// exchange delivers one message over real connections, and returns what was
// reported of each recipient.
func exchange(t *testing.T, r *router, nexthop string, recipients int, content []byte) []string {
	t.Helper()
	var got []string
	defer msg.SetOutput(func(level msg.Level, text string) { got = append(got, level.Prefix()+text) })()
	req := &agent.Request{Request: deliver.Request{QueueID: "QID", NextHop: nexthop, Sender: "a@example.org", Size: int64(len(content))}}
	req.Times.Arrival = time.Now()
	for i := range recipients {
		req.Recipients = append(req.Recipients, &agent.Recipient{Recipient: deliver.Recipient{Address: fmt.Sprintf("r%d@example.com", i)}})
	}
	d := newDelivery(req)
	d.content = bytes.NewReader(content)
	d.record = func(to *agent.Recipient, relay string, o agent.Outcome) {
		got = append(got, fmt.Sprintf("%s %s %s", to.Address, o.Status, o.Reason))
	}
	d.run(r)
	return got
}

func peer(t *testing.T, o sink.Options) (*sink.Server, string) {
	t.Helper()
	server, err := sink.Start("tcp", "127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Addr)
	return server, "[127.0.0.1]:" + port
}

var pipelining = []string{"PIPELINING", "8BITMIME"}

// Many recipients and a large message, with and without PIPELINING: nobody waits
// for the other.
func TestLarge(t *testing.T) {
	r := testRouter(t)
	var content []byte
	var want strings.Builder
	for i := range 40000 {
		line := fmt.Sprintf(".%d %s", i, strings.Repeat("x", i%100))
		content = record.Append(content, record.Text, line)
		want.WriteString(line + "\r\n")
	}
	content = record.Append(content, record.Extracted, "")
	for _, keywords := range [][]string{pipelining, nil} {
		server, nexthop := peer(t, sink.Options{Keywords: keywords, Rules: map[string][]string{"RCPT r7@example.com": {"550 5.1.1 no"}}})
		got := exchange(t, r, nexthop, 1000, content)
		if len(got) != 1000 || !strings.HasPrefix(got[0], "r7@example.com 5.1.1 ") {
			t.Fatalf("%d outcomes, first %q", len(got), got[0])
		}
		list := server.Messages()
		if len(list) != 1 || list[0].Data != want.String() || len(list[0].Recipients) != 999 {
			t.Errorf("%v: message differs", keywords)
		}
	}
}

// MAIL, RCPT and DATA in one packet; QUIT together with the content.
func TestRoundTrips(t *testing.T) {
	r := testRouter(t)
	server, nexthop := peer(t, sink.Options{Keywords: pipelining})
	exchange(t, r, nexthop, 2, records([]string{"x"}))
	if list := server.Messages(); len(list) != 1 || !list[0].Quit {
		t.Errorf("QUIT was not with the content: %+v", list)
	}
}

func TestConnectTrouble(t *testing.T) {
	r := testRouter(t)
	got := exchange(t, r, "[127.0.0.1]:1", 1, nil)
	if want := "connect to 127.0.0.1[127.0.0.1]:1: Connection refused"; len(got) != 2 || got[0] != want || got[1] != "r0@example.com 4.4.1 "+want {
		t.Errorf("got %q", got)
	}
	r = testRouter(t, "smtp_bind_address=192.0.2.254", "smtp_bind_address_enforce=yes")
	got = exchange(t, r, "[127.0.0.1]:1", 1, nil)
	if len(got) != 3 || got[2] != "r0@example.com 4.4.0 server configuration error" {
		t.Errorf("got %q", got)
	}
	r = testRouter(t, "smtp_bind_address=nonsense")
	if got = exchange(t, r, "[127.0.0.1]:1", 1, nil); !strings.Contains(got[0], "bad smtp_bind_address parameter: nonsense") {
		t.Errorf("got %q", got)
	}
}

// A server whose queue of connections is full does not answer at all.
func TestConnectTimeout(t *testing.T) {
	r := testRouter(t, "smtp_connect_timeout=1s")
	to := fullListener(t)
	got := exchange(t, r, to, 1, nil)
	if len(got) != 2 || !strings.HasSuffix(got[1], ": Connection timed out") {
		t.Errorf("got %q", got)
	}
}

func TestBindAddress(t *testing.T) {
	r := testRouter(t, "smtp_bind_address=127.0.0.9")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	from := make(chan string, 1)
	go func() {
		c, err := listener.Accept()
		if err == nil {
			from <- c.RemoteAddr().String()
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	got := exchange(t, r, "[127.0.0.1]:"+port, 1, nil)
	if addr := <-from; !strings.HasPrefix(addr, "127.0.0.9:") {
		t.Errorf("came from %s", addr)
	}
	if want := "r0@example.com 4.4.2 lost connection with 127.0.0.1[127.0.0.1] while receiving the initial server greeting"; got[0] != want {
		t.Errorf("got %q", got)
	}
}

// A server that feeds us one byte now and then does not hold us for ever.
func TestDeadline(t *testing.T) {
	r := testRouter(t, "smtp_per_request_deadline=yes", "smtp_helo_timeout=1s")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		c, err := listener.Accept()
		for err == nil {
			time.Sleep(100 * time.Millisecond)
			_, err = c.Write([]byte("2"))
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	start := time.Now()
	got := exchange(t, r, "[127.0.0.1]:"+port, 1, nil)
	if time.Since(start) > 3*time.Second || !strings.Contains(got[0], "timed out while receiving the initial server greeting") {
		t.Errorf("got %q after %s", got, time.Since(start))
	}
}

// With deadlines, content that goes out well earns more time.
func TestDeadlineContent(t *testing.T) {
	r := testRouter(t, "smtp_per_request_deadline=yes", "smtp_data_xfer_timeout=1s", "smtp_min_data_rate=1000")
	server, nexthop := peer(t, sink.Options{Keywords: pipelining})
	var content []byte
	for range 5000 {
		content = record.Append(content, record.Text, strings.Repeat("x", 900))
	}
	got := exchange(t, r, nexthop, 1, record.Append(content, record.Extracted, ""))
	if len(got) != 1 || !strings.HasPrefix(got[0], "r0@example.com 2.0.0") || len(server.Messages()) != 1 {
		t.Errorf("got %q", got)
	}
}

// A damaged queue file is not half a message: the server never sees the last dot.
func TestDamaged(t *testing.T) {
	r := testRouter(t, "smtp_mx_session_limit=1")
	server, nexthop := peer(t, sink.Options{Keywords: pipelining})
	content := record.Append(nil, record.Text, "x")
	var got []string
	func() {
		defer func() { corrupt = (*agent.Request).Corrupt }()
		corrupt = func(_ *agent.Request, err error) { got = append(got, "corrupt: "+err.Error()) }
		got = append(got, exchange(t, r, nexthop, 1, append(content, 'R', 1, 'x'))...)
	}()
	if len(got) != 2 || !strings.HasPrefix(got[0], "corrupt: ") || got[1] != "r0@example.com 4.3.0 local data error while talking to 127.0.0.1[127.0.0.1]" {
		t.Errorf("got %q", got)
	}
	if n := len(server.Messages()); n != 0 {
		t.Errorf("%d messages were taken", n)
	}
}
