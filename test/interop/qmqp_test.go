package interop

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func netstring(parts ...string) string {
	text := strings.Join(parts, "")
	return fmt.Sprintf("%d:%s,", len(text), text)
}

// qmqp is a package: the content, the sender, recipients.
func qmqp(parts ...string) string {
	text := ""
	for _, part := range parts {
		text += netstring(part)
	}
	return netstring(text)
}

const qmqpLetter = "Subject: hi\nFrom: joe\n\nbody\n.dot\nlast"

// qmqpCases are what clients send; "half" in front: and nothing more.
var qmqpCases = []string{
	qmqp(qmqpLetter, "joe@example.com", "alice@example.com", "bob@example.com"),
	qmqp(qmqpLetter, "", "alice@example.com"),
	qmqp(qmqpLetter, "owner-@example.com-@[]", "alice@example.com"),
	qmqp(qmqpLetter, "owner+@example.com-@[]", "alice@example.com"),
	qmqp(qmqpLetter, "ownerx@example.com-@[]", "alice@example.com"),
	qmqp(qmqpLetter, "joe@example.com"),
	netstring(netstring(qmqpLetter)),
	netstring(""),
	"hello\n",
	"10:5:hello;",
	strings.TrimSuffix(qmqp(qmqpLetter, "joe@example.com", "alice@example.com"), ",") + "x",
	netstring(netstring(qmqpLetter), netstring("joe"), "3:abcd,"),
	"half100:50:short",
	qmqp("", "joe", "alice@example.com"),
	qmqp("no header at all\nnext\n", "joe@example.com", "alice@example.com"),
	qmqp("From foo\nx: y\n\nz", "joe@example.com", "alice@example.com"),
	qmqp(">From foo\nx: y\n\nz\n", "joe@example.com", "alice@example.com"),
	qmqp(strings.Repeat("a", 3000)+"\n", "joe@example.com", "alice@example.com"),
	qmqp("x: y\n\n", "joe@example.com", "a.b@example.com", "@a,@b:bob@example.com"),
	qmqp(strings.Repeat("Received: x\n", 60)+"\nhops\n", "joe@example.com", "alice@example.com"),
	qmqp(strings.Repeat("x", 5000), "joe@example.com", strings.Repeat("a", 3000)+"@example.com"),
	"half10:",
}

// TestQMQP: answers, log lines and messages of both are the same.
func TestQMQP(t *testing.T) {
	entries, err := os.ReadFile("testdata/master.cf")
	if err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile("/etc/postfix/master.cf", entries, 0o644)
	want, got := qmqpOf(t, stock, entries), qmqpOf(t, ours, entries)
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			t.Errorf("stock: %s\nours:  %s", at(want, i), at(got, i))
		}
	}
	t.Logf("%d lines", len(want))
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "(nothing)"
}

func qmqpOf(t *testing.T, s side, entries []byte) []string {
	b := newBed(t, mix{base: s}, "qmqpd_authorized_clients=127.0.0.1", "qmqpd_error_delay=0", "defer_transports=local,smtp,relay,virtual,lmtp,pipe",
		"content_filter=", "virtual_alias_maps=", "always_bcc=", "delay_warning_time=0")
	services := "628 inet n - n - 1 qmqpd\n629 inet n - n - - qmqpd -o qmqpd_authorized_clients=!127.0.0.1,127.0.0.0/8 -o qmqpd_client_port_logging=yes\n"
	if err := os.WriteFile("/etc/postfix/master.cf", append(entries, services...), 0o644); err != nil {
		t.Fatal(err)
	}
	b.start()
	defer b.kill()
	var list []string
	for i, text := range append(qmqpCases, qmqpCases[0]) {
		port := "628"
		if i == len(qmqpCases) {
			port = "629"
		}
		text, half := strings.CutPrefix(text, "half")
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(conn, text)
		if half {
			conn.(*net.TCPConn).CloseWrite()
		}
		answer, _ := io.ReadAll(conn)
		conn.Close()
		list = append(list, fmt.Sprintf("%.40q: %s", text, answer))
	}
	b.settle()
	b.waitLog(`disconnect from localhost\[127.0.0.1\]:\d+`)
	for line := range strings.Lines(b.log()) {
		if _, text, ok := strings.Cut(line, "/qmqpd["); ok {
			list = append(list, strings.TrimSpace(text[strings.IndexByte(text, ' '):]))
		}
	}
	list = append(list, qmqpMessages()...)
	for i := range list {
		list[i] = regexp.MustCompile(`\b[0-9A-F]{7,12}\b`).ReplaceAllString(list[i], "ID")
		list[i] = regexp.MustCompile(`\]:\d+|_port=\d+|\w+, \d+ \w+ 20\d\d.*|\b\d{14}\b|^(\d+:K|message_arrival_time.*|create_time.*)`).ReplaceAllString(list[i], "#")
	}
	return list
}

// qmqpMessages are the messages in the queue, in the order of their arrival.
func qmqpMessages() []string {
	var texts []string
	for _, path := range queued("deferred", "active", "incoming") {
		out, err := exec.Command("/mix/bin/postcat", "/var/spool/postfix/"+path).Output()
		if err == nil && strings.Contains(string(out), "log_protocol_name=QMQP") {
			texts = append(texts, regexp.MustCompile(`(?m)^\*\*\*.*\n|^message_size:.*\n`).ReplaceAllString(string(out), ""))
		}
	}
	slices.SortFunc(texts, func(a, b string) int { return strings.Compare(stable(a), stable(b)) })
	var list []string
	for _, text := range texts {
		list = append(list, strings.Split(text, "\n")...)
	}
	return list
}

// stable is a message without what differs each time.
func stable(text string) string {
	return regexp.MustCompile(`(?m)\b[0-9A-F]{7,12}\b|^\w+_time:.*$|^Date:.*$|; \w+, \d+.*$|^.*_port=.*$|\b\d{14}\b`).ReplaceAllString(text[strings.Index(text, "sender:"):], "")
}
