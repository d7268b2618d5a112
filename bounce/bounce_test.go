package main

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/notice"
	"postrider/lib/mail/param"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/record"
	"postrider/lib/service/bounce"
	"postrider/lib/service/cleanup"
	"postrider/lib/service/deliver"
)

var update = flag.Bool("update", false, "write the golden notices")

func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

// A world is a queue directory with a cleanup service that keeps what it gets.
type world struct {
	t      *testing.T
	log    []string
	got    chan string // one notice each
	refuse cleanup.Status
}

func newWorld(t *testing.T, settings ...string) *world {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"public", "bounce", "defer", "trace", "active"} {
		os.Mkdir(name, 0o700)
	}
	s := param.New(dir)
	for _, text := range append([]string{"myhostname=mail.example.com", "notify_classes=bounce,delay,2bounce", "compatibility_level=3.11"}, settings...) {
		if err := s.OverrideText(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Load(&conf); err != nil {
		t.Fatal(err)
	}
	queue.Configure(conf.Site().Params)
	notifyClasses, _ = parseClasses(conf.NotifyClasses)
	templates = notice.Builtin()
	values = textValues(&server.Process{Params: &conf.Params, Settings: s})
	w := &world{t: t, got: make(chan string, 10)}
	t.Cleanup(msg.SetOutput(func(level msg.Level, text string) { w.log = append(w.log, level.Prefix()+text) }))
	l, err := net.Listen("unix", "public/cleanup")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go w.cleanup(l)
	return w
}

func (w *world) cleanup(l net.Listener) {
	for n := 1; ; n++ {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s := stream.New(stream.Net(c))
		attr.Write(s, cleanup.Announcement{Protocol: cleanup.Protocol, QueueID: fmt.Sprintf("NEW%d", n)})
		var text bytes.Buffer
		var f cleanup.Flags
		attr.Read(s, &f)
		fmt.Fprintf(&text, "flags %d\n", f.Flags)
		for {
			t, data, err := record.Read(s, 0)
			if err != nil {
				fmt.Fprintf(&text, "%v\n", err)
				break
			}
			fmt.Fprintf(&text, "%c %s\n", t, data)
			if t == record.End {
				break
			}
		}
		w.got <- text.String()
		attr.Write(s, cleanup.Reply{Status: w.refuse})
		s.Close()
	}
}

// request sends the attributes of a struct to the service.
func (w *world) request(service queue.Name, request any) int {
	w.t.Helper()
	list, _, err := attr.Parse(attr.Encode(nil, request))
	if err != nil {
		w.t.Fatal(err)
	}
	return handle(service, list)
}

// notices returns what reached the queue, with times and IDs made constant.
func (w *world) notices() string {
	var all []string
	for {
		select {
		case text := <-w.got:
			text = regexp.MustCompile(`(?m)^T .*`).ReplaceAllString(text, "T now")
			text = regexp.MustCompile(`NEW\d+; .*|Date: \w+, \d.*`).ReplaceAllStringFunc(text, func(s string) string {
				if strings.Contains(s, "Arrival") || strings.Contains(s, "2023") {
					return s
				}
				return strings.Fields(s)[0] + " now"
			})
			all = append(all, regexp.MustCompile(`\.\d{10}/`).ReplaceAllString(text, ".EPOCH/"))
		default:
			return strings.Join(all, "\n")
		}
	}
}

const id = "3B1A2C3D4"

// message makes a queue file with two recipients and returns their offsets.
func (w *world) message(change ...func([]byte) []byte) (offsets []int64) {
	w.t.Helper()
	return w.content(record.Append(record.Append(header(), record.Text, ""), record.Text, "A line"), change...)
}

func header() []byte {
	var b []byte
	for _, line := range []string{"Received: by mail.example.com (Postfix)", "\tid " + id, "Subject: hello", "Message-ID: <m1@example.com>", "To: bob@example.net"} {
		b = record.Append(b, record.Text, line)
	}
	return b
}

func (w *world) content(content []byte, change ...func([]byte) []byte) (offsets []int64) {
	w.t.Helper()
	const size = 97
	b := record.Append(nil, record.Time, "1700000000 5")
	b = record.Append(b, record.From, "alice@example.com")
	for _, recipient := range []string{"bob@example.net", "carol d@example.net"} {
		offsets = append(offsets, int64(size+len(b)))
		b = record.Append(b, record.Recipient, recipient)
	}
	b = record.Append(b, record.Message, "")
	sizes := record.Sizes{Span: int64(len(content)), DataOffset: int64(size + len(b)), Recipients: 2, Content: int64(len(content))}
	b = append(record.Append(nil, record.Size, sizes.String()), append(b, content...)...)
	b = record.Append(record.Append(b, record.Extracted, ""), record.End, "")
	for _, f := range change {
		b = f(b)
	}
	if err := os.WriteFile("active/"+id, b, 0o700); err != nil {
		w.t.Fatal(err)
	}
	return offsets
}

func entryFor(recipient string, change func(*bounce.LogEntry)) bounce.LogEntry {
	e := bounce.LogEntry{Request: bounce.Append, QueueID: id,
		Recipient: deliver.Recipient{Address: recipient},
		Report:    deliver.Report{Status: "5.1.1", Action: "failed", Reason: "unknown user"}}
	if change != nil {
		change(&e)
	}
	return e
}

func flush(request int, change func(*bounce.Notice)) bounce.Notice {
	n := bounce.Notice{Request: request, QueueName: "active", QueueID: id, Sender: "alice@example.com"}
	if change != nil {
		change(&n)
	}
	return n
}

const longReason = "host mx.example.net[192.0.2.1] said: 550 5.1.1 <bob@example.net>: Recipient address rejected: User unknown in relay recipient table (in reply to RCPT TO command)"

// The notices that people and programs read. S2.3, S4.2 (notify_classes), S1.9.
func TestGolden(t *testing.T) {
	for name, c := range map[string]struct {
		settings []string
		run      func(w *world)
	}{
		"failure": {nil, func(w *world) {
			w.message()
			w.request("bounce", entryFor("bob@example.net", func(e *bounce.LogEntry) {
				e.Reason, e.DiagType, e.DiagText, e.RemoteType, e.RemoteName = longReason, "smtp", longReason[37:], "dns", "mx.example.net"
				e.OriginalDSN, e.Original = "rfc822;Bob@example.org", "Bob@example.org"
			}))
			w.request("bounce", entryFor("carol d@example.net", func(e *bounce.LogEntry) { e.Notify = 1 }))
			w.request("bounce", flush(bounce.Flush, func(n *bounce.Notice) { n.EnvelopeID = "env1" }))
		}},
		"delay": {nil, func(w *world) {
			w.message()
			w.request("defer", entryFor("bob@example.net", func(e *bounce.LogEntry) { e.Status, e.Action = "4.4.1", "delayed" }))
			w.request("defer", entryFor("carol@example.net", func(e *bounce.LogEntry) { e.Status, e.Action, e.Notify = "4.4.1", "delayed", 4 }))
			w.request("defer", flush(bounce.Warn, nil))
		}},
		"success": {nil, func(w *world) {
			w.message()
			w.request("trace", entryFor("bob@example.net", func(e *bounce.LogEntry) { e.Status, e.Action = "2.0.0", "relayed" }))
			w.request("trace", flush(bounce.Trace, nil))
		}},
		"verify": {[]string{"header_from_format=obsolete"}, func(w *world) {
			w.message()
			w.request("trace", entryFor("bob@example.net", func(e *bounce.LogEntry) { e.Action = "undeliverable" }))
			w.request("trace", flush(bounce.Trace, func(n *bounce.Notice) { n.Flags = flagVerifyUser }))
		}},
		"utf8": {[]string{"enable_threaded_bounces=yes"}, func(w *world) {
			w.message()
			w.request("bounce", entryFor("bób@exämple.net", func(e *bounce.LogEntry) { e.Reason, e.OriginalDSN = "grüße", "utf-8;bób@exämple.net" }))
			w.request("bounce", flush(bounce.Flush, func(n *bounce.Notice) { n.SMTPUTF8, n.Encoding, n.Sender = 1, "8bit", "älice@example.com" }))
		}},
		"ascii": {[]string{"smtputf8_enable=no", "notify_classes="}, func(w *world) {
			w.message()
			w.request("bounce", entryFor("bob@example.net", nil))
			w.request("bounce", flush(bounce.Flush, func(n *bounce.Notice) { n.Return = 2 }))
		}},
		"verp": {[]string{"notify_classes="}, func(w *world) {
			w.message()
			w.request("bounce", entryFor("bob@example.net", nil))
			w.request("bounce", entryFor("carol@example.net", func(e *bounce.LogEntry) { e.Original = "c@example.org" }))
			w.request("bounce", bounce.VerpNotice{Notice: flush(bounce.Verp, nil), Delimiters: "+="})
		}},
		"orphan": {nil, func(w *world) {
			w.message()
			w.request("bounce", entryFor("bob@example.net", nil))
			w.request("bounce", flush(bounce.Flush, func(n *bounce.Notice) { n.Sender = "" }))
		}},
		"lost": {[]string{"notify_classes="}, func(w *world) {
			w.request("bounce", flush(bounce.Flush, nil))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := os.Getwd()
			path := filepath.Join(dir, "testdata", name+".golden")
			w := newWorld(t, c.settings...)
			c.run(w)
			got := w.notices()
			if *update {
				os.MkdirAll(filepath.Dir(path), 0o755)
				os.WriteFile(path, []byte(got), 0o644)
			}
			want, err := os.ReadFile(path)
			if err != nil || got != string(want) {
				t.Errorf("%s is different (%v):\n%s", path, err, got)
			}
			for _, service := range []string{"bounce/", "trace/"} {
				if _, err := os.Stat(service + id); err == nil {
					t.Errorf("log %s is still there", service)
				}
			}
		})
	}
}

func TestLogLines(t *testing.T) {
	w := newWorld(t)
	w.message()
	w.request("bounce", entryFor("bob@example.net", nil))
	if status := w.request("bounce", flush(bounce.Flush, nil)); status != 0 {
		t.Fatal(status)
	}
	want := []string{id + ": sender non-delivery notification: NEW1", id + ": postmaster non-delivery notification: NEW2"}
	if !slices.Equal(w.log, want) {
		t.Errorf("got %q", w.log)
	}
}

// What comes back to the sender of postmaster notices ends here; else it would
// go round for ever. RFC 5321, section 4.5.5.
func TestDoubleBounce(t *testing.T) {
	w := newWorld(t)
	w.message()
	w.request("bounce", entryFor("postmaster", nil))
	status := w.request("bounce", flush(bounce.Flush, func(n *bounce.Notice) { n.Sender = "Double-Bounce@mail.example.com" }))
	if status != 0 || len(w.got) > 0 || len(w.log) != 1 || !strings.Contains(w.log[0], "undeliverable postmaster notification discarded") {
		t.Errorf("status %d, %d notices, log %q", status, len(w.got), w.log)
	}
}

// The queue manager asks for a report of success after each attempt; without a
// success there is none. RFC 3461, section 5.2.2.
func TestNoSuccessYet(t *testing.T) {
	w := newWorld(t)
	w.message()
	if status := w.request("trace", flush(bounce.Trace, nil)); status != 0 || len(w.got) > 0 {
		t.Errorf("status %d, %d notices", status, len(w.got))
	}
}

// Without class 2bounce nobody hears of a notice that could not be delivered.
func TestOrphanUnwanted(t *testing.T) {
	w := newWorld(t, "notify_classes=delay")
	w.message()
	w.request("bounce", entryFor("bob@example.net", nil))
	if status := w.request("bounce", flush(bounce.Flush, func(n *bounce.Notice) { n.Sender = "" })); status != 0 || len(w.got) > 0 {
		t.Errorf("status %d, %d notices", status, len(w.got))
	}
}

// Nothing is lost when the notice cannot be queued: the log and the recipients
// stay, and the queue manager tries again. S1.9.
func TestCleanupFails(t *testing.T) {
	w := newWorld(t)
	w.refuse = cleanup.StatusWrite
	offsets := w.message()
	w.request("defer", entryFor("bob@example.net", func(e *bounce.LogEntry) { e.Offset = offsets[0] }))
	status := w.request("defer", flush(bounce.Flush, func(n *bounce.Notice) { n.Flags = bounce.FlagDeleteRecipients }))
	if status != int(cleanup.StatusWrite) {
		t.Errorf("status %d", status)
	}
	if _, err := os.Stat(queue.Path("defer", id)); err != nil {
		t.Error("the log is gone")
	}
	if b, _ := os.ReadFile("active/" + id); b[offsets[0]] != 'R' {
		t.Error("the recipient is done")
	}
	w.request("defer", flush(bounce.Flush, func(n *bounce.Notice) { n.Flags = bounce.FlagClean }))
	if _, err := os.Stat(queue.Path("defer", id)); err == nil {
		t.Error("the log of a client that cannot try again is still there")
	}
}

func TestDeleteRecipients(t *testing.T) {
	w := newWorld(t)
	offsets := w.message()
	w.request("defer", entryFor("bob@example.net", func(e *bounce.LogEntry) { e.Offset = offsets[0] }))
	w.request("defer", entryFor("evil@example.net", func(e *bounce.LogEntry) { e.Offset = 3 }))
	w.request("defer", entryFor("evil@example.net", func(e *bounce.LogEntry) { e.Offset = 1 << 40 }))
	status := w.request("defer", flush(bounce.Flush, func(n *bounce.Notice) { n.Flags = bounce.FlagDeleteRecipients }))
	b, _ := os.ReadFile("active/" + id)
	if status != 0 || b[offsets[0]] != 'D' || b[offsets[1]] != 'R' || b[3] == 'D' || len(b) > 10000 {
		t.Errorf("status %d: %q", status, b)
	}
}

func TestSizeLimit(t *testing.T) {
	w := newWorld(t, "bounce_size_limit=200", "notify_classes=")
	w.content(record.Append(record.Append(header(), record.Text, ""), record.Text, strings.Repeat("x", 300)))
	w.request("bounce", entryFor("bob@example.net", nil))
	w.request("bounce", flush(bounce.Flush, nil))
	if got := w.notices(); strings.Contains(got, "xxx") || !strings.Contains(got, "text/rfc822-headers") {
		t.Error(got)
	}
}

// Broken and hostile queue files: there is a notice all the same.
func TestHostileMessage(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"truncated":    func(b []byte) []byte { return b[:len(b)-30] },
		"in envelope":  func(b []byte) []byte { return b[:120] },
		"empty":        func(b []byte) []byte { return nil },
		"text":         func([]byte) []byte { return []byte("not a queue file\n") },
		"binary":       func([]byte) []byte { return bytes.Repeat([]byte{0xff, 0x00, 'A'}, 500) },
		"pointer loop": func(b []byte) []byte { return record.Append(b[:97], record.Pointer, record.Number(97)) },
		"loop in text": func(b []byte) []byte {
			return record.Append(b[:len(b)-4], record.Pointer, record.Number(int64(len(b)-4)))
		},
		"no header": func(b []byte) []byte { return bytes.Replace(b, []byte("Received: "), []byte("Received  "), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "notify_classes=bounce", "enable_threaded_bounces=yes")
			w.message(change)
			w.request("bounce", entryFor("bob@example.net", nil))
			status := w.request("bounce", flush(bounce.Flush, nil))
			got := w.notices()
			if status != 0 || strings.Count(got, "Final-Recipient: rfc822; bob@example.net") != 2 || strings.Count(got, "mail.example.com--\nX \nE \n") != 2 {
				t.Errorf("status %d\n%s", status, got)
			}
		})
	}
}

func TestBadRequests(t *testing.T) {
	w := newWorld(t)
	w.message()
	for name, c := range map[string]struct {
		service queue.Name
		request any
	}{
		"unknown":         {"bounce", flush(9, nil)},
		"queue id":        {"bounce", flush(bounce.Flush, func(n *bounce.Notice) { n.QueueID = "../" + id })},
		"queue name":      {"bounce", flush(bounce.Flush, func(n *bounce.Notice) { n.QueueName = "active/x" })},
		"append id":       {"bounce", entryFor("x", func(e *bounce.LogEntry) { e.QueueID = "a.b" })},
		"no delimiters":   {"bounce", bounce.VerpNotice{Notice: flush(bounce.Verp, nil)}},
		"missing":         {"bounce", flush(bounce.Verp, nil)},
		"one for defer":   {"defer", bounce.SingleNotice{Notice: flush(bounce.One, nil)}},
		"nothing":         {"bounce", struct{}{}},
		"too few for one": {"bounce", flush(bounce.One, nil)},
	} {
		if status := w.request(c.service, c.request); status != failed {
			t.Errorf("%s: status %d", name, status)
		}
	}
}

func TestOne(t *testing.T) {
	w := newWorld(t, "notify_classes=")
	w.message()
	e := entryFor("bob@example.net", nil)
	status := w.request("bounce", bounce.SingleNotice{Notice: flush(bounce.One, nil), Recipient: e.Recipient, Report: e.Report})
	if got := w.notices(); status != 0 || !strings.Contains(got, "<bob@example.net>: unknown user") {
		t.Errorf("status %d: %s", status, got)
	}
}
