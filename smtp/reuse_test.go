package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/daemon/agent"
	"postrider/lib/service/deliver"
	"postrider/test/peer/sink"
)

// backlog sends messages as if there were more of them; it returns for each its
// status and how often its connection was used before.
func backlog(t *testing.T, r *router, nexthop string, messages int) string {
	t.Helper()
	defer msg.SetOutput(func(msg.Level, string) {})()
	content := records([]string{"x"})
	var got []string
	for range messages {
		req := &agent.Request{Request: deliver.Request{QueueID: "QID", NextHop: nexthop, Sender: "a@example.org", Size: int64(len(content)),
			Flags: deliver.FlagCacheLoad | deliver.FlagCacheStore}}
		req.Times.Arrival = time.Now()
		req.Recipients = []*agent.Recipient{{Recipient: deliver.Recipient{Address: "joe@example.com"}}}
		d := newDelivery(req)
		d.content = bytes.NewReader(content)
		d.record = func(to *agent.Recipient, relay string, o agent.Outcome) {
			got = append(got, fmt.Sprintf("%s/%d", o.Status, req.Times.Reuse))
		}
		d.run(r)
		if d.throttle != nil {
			got = append(got, "throttle")
		}
	}
	letGo()
	return strings.Join(got, " ")
}

// TestReuse: one connection is for many messages; one that has ended, or that the
// server is tired of, costs no message anything. S6.2.
func TestReuse(t *testing.T) {
	for _, test := range []struct {
		about, settings string
		rules           map[string][]string
		messages        int
		want            string
		sessions        int
	}{
		{"all", "", nil, 4, "2.0.0/0 2.0.0/1 2.0.0/2 2.0.0/3", 1},
		{"none", "smtp_connection_cache_on_demand=no", nil, 2, "2.0.0/0 2.0.0/0", 2},
		{"listed", "smtp_connection_cache_on_demand=no smtp_connection_cache_destinations=127.0.0.1", nil, 2, "2.0.0/0 2.0.0/1", 1},
		{"a limit", "smtp_connection_reuse_count_limit=1", nil, 4, "2.0.0/0 2.0.0/1 2.0.0/0 2.0.0/1", 2},
		{"gone at MAIL", "", map[string][]string{"MAIL": {"", "drop", ""}}, 3, "2.0.0/0 2.0.0/0 2.0.0/1", 2},
		{"tired at MAIL", "", map[string][]string{"MAIL": {"", "421 4.7.0 enough", ""}}, 3, "2.0.0/0 2.0.0/0 2.0.0/1", 2},
		{"refuses MAIL for now", "", map[string][]string{"MAIL": {"", "450 4.7.1 too many", ""}}, 2, "2.0.0/0 2.0.0/0", 2},
		{"refuses RCPT for now", "", map[string][]string{"RCPT": {"", "452 4.5.3 too many", ""}}, 2, "2.0.0/0 2.0.0/0", 2},
		{"refuses RCPT for good", "", map[string][]string{"RCPT": {"", "550 5.1.1 who", ""}}, 3, "2.0.0/0 5.1.1/1 2.0.0/2", 1},
		{"refuses MAIL for good", "", map[string][]string{"MAIL": {"550 5.7.1 no", ""}}, 2, "5.7.1/0 2.0.0/1", 1},
		{"refuses RSET", "", map[string][]string{"MAIL": {"550 5.7.1 no", ""}, "RSET": {"500 what"}}, 2, "5.7.1/0 2.0.0/0", 2},
		{"gone at the end", "", map[string][]string{".": {"", "drop", ""}}, 2, "2.0.0/0 2.0.0/0", 2},
		{"refuses the content for now", "", map[string][]string{".": {"", "451 4.3.0 later", ""}}, 2, "2.0.0/0 2.0.0/0", 2},
		{"refuses all for now", "", map[string][]string{"MAIL": {"", "450 4.7.1 later"}}, 2, "2.0.0/0 4.7.1/0", 2},
	} {
		for _, keywords := range [][]string{pipelining, nil} {
			r := testRouter(t, strings.Fields(test.settings)...)
			if err := openCached("smtp"); err != nil {
				t.Fatal(err)
			}
			server, nexthop := peer(t, sink.Options{Keywords: keywords, Rules: test.rules})
			if got := backlog(t, r, nexthop, test.messages); got != test.want || server.Sessions() != test.sessions {
				t.Errorf("%s, %v: %s in %d sessions, want %s in %d", test.about, keywords, got, server.Sessions(), test.want, test.sessions)
			}
		}
	}
	cached, connections = nil, nil
}

// TestReuseTLS: a connection with TLS is used again only when that is wanted.
func TestReuseTLS(t *testing.T) {
	for settings, want := range map[string]string{
		"":                              "2.0.0/0 2.0.0/0 2.0.0/0",
		"smtp_tls_connection_reuse=yes": "2.0.0/0 2.0.0/1 2.0.0/2",
		"smtp_tls_policy_maps=static:{encrypt,connection_reuse=Yes}":                          "2.0.0/0 2.0.0/1 2.0.0/2",
		"smtp_tls_policy_maps=static:{none}":                                                  "2.0.0/0 2.0.0/1 2.0.0/2",
		"smtp_tls_policy_maps=static:{encrypt,connection_reuse=no} smtp_tls_connection_reuse": "2.0.0/0 2.0.0/0 2.0.0/0",
	} {
		list := []string{"smtp_tls_security_level=may"}
		for _, s := range strings.Fields(settings) {
			if !strings.Contains(s, "=") {
				s += "=yes"
			}
			list = append(list, s)
		}
		r := testRouter(t, list...)
		_, nexthop := peer(t, sink.Options{Keywords: pipelining, TLS: &tls.Config{Certificates: []tls.Certificate{mxCert}}})
		if got := backlog(t, r, nexthop, 3); got != want {
			t.Errorf("%q: %s, want %s", settings, got, want)
		}
	}
}

// TestReuseOthers: a session for one destination, or without TLS, is none for
// others.
func TestReuseOthers(t *testing.T) {
	in := target{host: "mx", addr: netip.MustParseAddr("127.0.0.1"), port: 25}
	for _, other := range []target{{host: "mx", addr: in.addr, port: 26}, {host: "other", addr: in.addr, port: 25}, {host: "mx", addr: netip.MustParseAddr("127.0.0.2"), port: 25}, {path: "/x"}} {
		if other.same(in) || !in.same(in) || endpointLabel(other, 0, "") == endpointLabel(in, 0, "") {
			t.Errorf("%+v is %+v", other, in)
		}
	}
	if endpointLabel(in, 0, "") == endpointLabel(in, 1, "") || endpointLabel(in, 0, "") == endpointLabel(in, 0, "joe") || destinationLabel("x", 0, "") == destinationLabel("x", 1, "") {
		t.Error("labels are the same")
	}
}

// TestProperty: what a session is goes to the next process and back.
func TestProperty(t *testing.T) {
	in := target{host: "mx.example.com", addr: netip.MustParseAddr("2001:db8::1"), port: 25, pref: 10}
	s := &session{target: in}
	s.used, s.until = 7, time.Now().Add(time.Minute).Truncate(time.Second)
	s.esmtp, s.pipelining, s.dsn, s.pixDot, s.sizeLimit, s.xforward = true, true, true, true, 1<<40, map[string]bool{"NAME": true}
	var back session
	if !back.restore(s.property(), []target{{host: "x"}, in}) || back.property() != s.property() || back.target != in {
		t.Errorf("%s is %s", s.property(), back.property())
	}
	if back.restore(s.property(), []target{{host: "x"}}) {
		t.Error("a server that is none of the destination's")
	}
	s.until = time.Now().Add(-time.Second)
	for _, bad := range []string{"", s.property(), "postrider1 a b 0 0 - x 25 mx", strings.Replace(s.property(), "postrider1", "postrider2", 1)} {
		if back.restore(bad, []target{in}) {
			t.Errorf("%q is a session", bad)
		}
	}
}

// TestAlive: a server that has hung up, or says something by itself, is done with us.
func TestAlive(t *testing.T) {
	for _, word := range []string{"", "421 bye\r\n", "close"} {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		c := &conn{fd: stream.FD(fds[0])}
		if word == "close" {
			unix.Close(fds[1])
		} else {
			defer unix.Close(fds[1])
			unix.Write(fds[1], []byte(word))
		}
		if c.alive() != (word == "") {
			t.Errorf("%q: alive %v", word, c.alive())
		}
		c.Close()
	}
}
