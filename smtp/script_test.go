package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/dsn"
	"postrider/lib/mail/param"
	"postrider/lib/mail/record"
	"postrider/lib/service/deliver"
)

// A session script is one text file: a sentence why, with the requirement's ID,
// then sections. "main.cf" has settings, "request" attributes of the delivery
// request, "content" the message, "session" what one server hears (C:) and says
// (S:), one section for each connection in their order; a section with the line
// "refused" is a server that cannot be reached. "outcome" is what must be logged
// and reported. In a session, "S: drop" closes the connection, "C: eof" waits
// for the client to do so.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.smtp")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".smtp"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			runScript(t, parseScript(string(text)))
		})
	}
}

type section struct {
	name  string
	lines []string
}

func parseScript(text string) []section {
	var list []section
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(name, " --") {
			list = append(list, section{name: strings.TrimSuffix(name, " --")})
		} else if len(list) > 0 {
			last := &list[len(list)-1]
			last.lines = append(last.lines, line)
		}
	}
	return list
}

func runScript(t *testing.T, script []section) {
	net := &fakeNetwork{t: t}
	req := &agent.Request{Request: deliver.Request{QueueID: "QID", NextHop: "example.com", Size: 100,
		Sender: "sender@example.org", Flags: deliver.FlagDefault}}
	req.Times.Arrival = time.Now()
	settings := param.New(t.TempDir())
	settings.Override("myhostname", "client.example.org")
	settings.Override("inet_interfaces", "127.0.0.1")
	var content []byte
	var want []string
	for _, s := range script {
		switch s.name {
		case "main.cf":
			for _, line := range s.lines {
				if err := settings.OverrideText(line); err != nil {
					t.Fatal(err)
				}
			}
		case "lmtp":
			lmtp = true
		case "request":
			setRequest(t, req, s.lines)
		case "content":
			content = records(s.lines)
		case "session":
			net.sessions = append(net.sessions, s.lines)
		case "outcome":
			want = s.lines
		default:
			t.Fatalf("unknown section %q", s.name)
		}
	}
	defer func() { lmtp, flags, finalDelivery = false, "", false }()
	useSettings(t, settings)
	var got []string
	defer msg.SetOutput(func(level msg.Level, text string) { got = append(got, level.Prefix()+text) })()
	d := newDelivery(req)
	d.content = bytes.NewReader(content)
	d.record = func(to *agent.Recipient, relay string, o agent.Outcome) {
		got = append(got, fmt.Sprintf("to=<%s>, relay=%s, dsn=%s, action=%s (%s)", to.Address, relay, o.Status, o.Action, o.Reason))
	}
	d.run(net)
	if r := d.result(); r.Status != "" {
		got = append(got, fmt.Sprintf("throttle: %s %s", r.Status, r.Reason))
	}
	net.finish()
	if a, b := strings.Join(got, "\n"), strings.TrimSpace(strings.Join(want, "\n")); a != b {
		t.Errorf("got:\n%s\nwant:\n%s", a, b)
	}
}

// useSettings loads the parameters and opens the tables, as a process does.
func useSettings(t *testing.T, settings *param.Settings) {
	t.Helper()
	if err := load(settings); err != nil {
		t.Fatal(err)
	}
	if err := openTables(); err != nil {
		t.Fatal(err)
	}
	var err error
	if tlsEngine, err = newEngine(); err != nil {
		t.Fatal(err)
	}
	if logins, err = openLogins(); err != nil {
		t.Fatal(err)
	}
}

func setRequest(t *testing.T, req *agent.Request, lines []string) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		number, _ := strconv.Atoi(value)
		switch name {
		case "nexthop":
			req.NextHop = value
		case "sender":
			req.Sender = value
		case "encoding":
			req.Encoding = value
		case "flags":
			req.Flags = number
		case "size":
			req.Size = int64(number)
		case "smtputf8":
			req.SMTPUTF8 = number
		case "envid":
			req.EnvelopeID = value
		case "ret":
			req.Return = dsn.Return(number)
		case "recipient":
			req.Recipients = append(req.Recipients, &agent.Recipient{Recipient: deliver.Recipient{Address: value, Original: value}})
		case "notify":
			req.Recipients[len(req.Recipients)-1].Notify = dsn.Notify(number)
		case "orcpt":
			req.Recipients[len(req.Recipients)-1].OriginalDSN = value
		case "client":
			req.ClientName, req.ClientAddress, req.ClientHelo = value, "192.0.2.99", "helo.example"
			req.ClientPort, req.ClientProtocol = "2525", "ESMTP"
		case "args":
			readArguments(strings.Fields(value))
		default:
			t.Fatalf("unknown attribute %q", name)
		}
	}
}

// records makes the content of a queue file. "L:" in front of a line makes it one
// that goes on in the next.
func records(lines []string) []byte {
	var b []byte
	for _, line := range lines {
		line = expandEscapes(line)
		if piece, ok := strings.CutPrefix(line, "L:"); ok {
			b = record.Append(b, record.Continued, piece)
		} else {
			b = record.Append(b, record.Text, line)
		}
	}
	return record.Append(b, record.Extracted, "")
}

// expandEscapes gives bytes that a text file should not have: \xHH, and x*N for
// a run of letters.
func expandEscapes(line string) string {
	if text, err := strconv.Unquote(`"` + strings.ReplaceAll(line, `"`, `\"`) + `"`); err == nil {
		line = text
	}
	if before, count, ok := strings.Cut(line, "x*"); ok {
		if n, err := strconv.Atoi(count); err == nil {
			line = before + strings.Repeat("x", n)
		}
	}
	return line
}

// A fakeNetwork has the servers of a script, named mx1, mx2 and so on.
type fakeNetwork struct {
	t        *testing.T
	sessions [][]string
	used     int
	done     []chan string
}

func (n *fakeNetwork) find(d destination) ([]target, *agent.Outcome) {
	if d.path != "" {
		return []target{{host: conf.MyHostname, path: d.path}}, nil
	}
	if strings.HasPrefix(d.host, "nowhere") {
		return nil, failure("5.4.4", "Host or domain name not found. Name service error for name=%s type=MX: Host not found", d.host)
	}
	if strings.HasPrefix(d.host, "myself") {
		return nil, loopsBack(d.host)
	}
	var list []target
	for i := n.used; i < len(n.sessions); i++ {
		list = append(list, target{host: fmt.Sprintf("mx%d.example.com", i+1), port: d.port,
			addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})})
	}
	return list, nil
}

func (n *fakeNetwork) policy(d destination, t target) (tlsPolicy, *agent.Outcome) {
	return new(router).policy(d, t)
}

func (n *fakeNetwork) reports(destination) (string, string) { return "", "" }

func (n *fakeNetwork) connect(t target) (stream.Conn, *agent.Outcome) {
	if n.used >= len(n.sessions) {
		n.t.Fatal("too many connections")
	}
	lines := n.sessions[n.used]
	n.used++
	if len(lines) > 0 && lines[0] == "refused" {
		return nil, failure("4.4.1", "connect to %s: Connection refused", t.relay())
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		n.t.Fatal(err)
	}
	done := make(chan string, 1)
	n.done = append(n.done, done)
	go func() {
		done <- play(fds[1], lines)
		unix.Close(fds[1])
	}()
	return &conn{fd: stream.FD(fds[0])}, nil
}

// finish waits for the servers and reports what they did not expect.
func (n *fakeNetwork) finish() {
	for i, done := range n.done {
		if trouble := <-done; trouble != "" {
			n.t.Errorf("session %d: %s", i+1, trouble)
		}
	}
	if n.used < len(n.sessions) {
		n.t.Errorf("%d connections of %d", n.used, len(n.sessions))
	}
}

// play is one server.
func play(fd int, lines []string) string {
	c := stream.FD(fd)
	c.SetTimeout(5 * time.Second)
	in := bufio.NewReader(c)
	for _, line := range lines {
		side, text, _ := strings.Cut(line, ": ")
		switch {
		case line == "":
		case line == "S: drop":
			return ""
		case side == "S":
			if _, err := c.Write([]byte(text + "\r\n")); err != nil {
				return fmt.Sprintf("cannot say %q: %v", text, err)
			}
		case line == "C: eof":
			if got, err := in.ReadString('\n'); err == nil {
				return fmt.Sprintf("got %q, want the end", got)
			}
		case side == "C" || line == "C:":
			got, err := in.ReadString('\n')
			if want := expandEscapes(text) + "\r\n"; err != nil || got != want {
				return fmt.Sprintf("got  %q (%v)\nwant %q", got, err, want)
			}
		default:
			return "bad line: " + line
		}
	}
	return ""
}
