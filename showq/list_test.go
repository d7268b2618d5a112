package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/mail/param"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/record"
)

func setup(t testing.TB) *[]string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"maildrop", "incoming", "active", "deferred", "hold", "defer"} {
		os.Mkdir(name, 0o700)
	}
	if err := param.New(dir).Load(&conf); err != nil {
		t.Fatal(err)
	}
	queue.Configure(conf.Site().Params)
	log := &[]string{}
	t.Cleanup(msg.SetOutput(func(_ msg.Level, text string) { *log = append(*log, text) }))
	return log
}

func put(t testing.TB, name queue.Name, id string, mode os.FileMode, content []byte) {
	t.Helper()
	path := queue.Path(name, id)
	os.MkdirAll(filepath.Dir(path), 0o700)
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
}

// file is a queue file with recipients in the envelope and behind the content.
func file(envelope, extracted string) []byte {
	recipients := func(b []byte, list string) []byte {
		for _, item := range strings.Fields(list) {
			b = record.Append(b, record.Type(item[0]), item[1:])
		}
		return b
	}
	const size = 97
	b := record.Append(nil, record.Time, "1700000000 5")
	b = record.Append(b, record.From, "alice b@example.com")
	b = record.Append(recipients(b, envelope), record.Message, "")
	content := record.Append(nil, record.Text, strings.Repeat("Rfake@example.com ", 1000))
	sizes := record.Sizes{Span: int64(len(content)), DataOffset: int64(size + len(b)), Content: 5}
	sizes.Recipients = int64(len(strings.Fields(envelope + " " + extracted)))
	b = append(record.Append(nil, record.Size, sizes.String()), append(b, content...)...)
	return record.Append(recipients(record.Append(b, record.Extracted, ""), extracted), record.End, "")
}

type memory struct{ bytes.Buffer }

func (*memory) Close() error { return nil }

// list returns what a client gets, a line for each attribute list.
func list(t testing.TB) string {
	t.Helper()
	var m memory
	s := stream.New(struct {
		*memory
		noTimeout
	}{memory: &m})
	newLister(s).all()
	s.Flush()
	var lines []string
	for b := m.Bytes(); len(b) > 0; {
		list, n, err := attr.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		var words []string
		for _, a := range list {
			words = append(words, a.Name+"="+a.Value)
		}
		lines, b = append(lines, strings.Join(words, " ")), b[n:]
	}
	return strings.Join(lines, "\n")
}

// S6.1: queue ID, size, arrival time, sender, recipients, reason of delay.
func TestList(t *testing.T) {
	setup(t)
	put(t, queue.Active, "0A1", 0o700, file("Rbob@example.net Ddone@example.net Rcarol@example.net", ""))
	put(t, queue.Hold, "0A2", 0o710, file("R", "Rextracted@example.net /canceled@example.net"))
	put(t, queue.Deferred, "0A3", 0o700, file("Rbob@example.net Rcarol@example.net Rbob@example.net", ""))
	put(t, queue.Defer, "0A3", 0o600, []byte("\n<bob@example.net>: busy\nrecipient=bob@example.net\nreason=busy\n\n\nrecipient=<>\nreason=gone\n\n"))
	put(t, queue.Incoming, "0A4", 0o600, file("Rnobody@example.net", ""))
	put(t, queue.Maildrop, "0A5", 0o744, record.Append(record.Append(record.Append(record.Append(record.Append(nil, record.Time, "1700000001 1"), record.From, ""), record.Recipient, "joe"), record.Message, ""), record.Text, "x"))
	want := `queue_name=maildrop queue_id=0A5 time=1700000001 size=26 forced_expire=0 sender=MAILER-DAEMON recipient=joe reason=
queue_name=active queue_id=0A1 time=1700000000 size=18004 forced_expire=0 sender="alice b"@example.com recipient=bob@example.net reason= recipient=carol@example.net reason=
queue_name=deferred queue_id=0A3 time=1700000000 size=18004 forced_expire=0 sender="alice b"@example.com recipient=bob@example.net reason=busy recipient=MAILER-DAEMON reason=gone recipient=carol@example.net reason=
queue_name=hold queue_id=0A2 time=1700000000 size=18004 forced_expire=1 sender="alice b"@example.com recipient=MAILER-DAEMON reason= recipient=extracted@example.net reason=
`
	if got := list(t); got != want {
		t.Errorf("got\n%s", got)
	}
}

// Files that are broken or hostile spoil neither the list nor the program.
func TestHostile(t *testing.T) {
	log := setup(t)
	good := file("Rbob@example.net", "Rlate@example.net")
	for i, content := range [][]byte{
		nil,
		[]byte("text\n"),
		good[:100],
		good[:120],
		good[:len(good)-40],
		bytes.Repeat([]byte{0xff}, 100),
		append([]byte{'S', 0xff, 0xff, 0xff, 0xff, 0x07}, good...),
		record.Append(slices.Clip(good[:97]), record.Pointer, record.Number(97)),
		record.Append(record.Append(slices.Clip(good[:97]), record.From, "evil\x00\n\x1b[2J@x"), record.Recipient, "r\x00\x07"),
		bytes.Replace(good, []byte("          18004"), []byte("999999999999999"), 1),
		bytes.Replace(good, []byte("          18004"), []byte("        -999999"), 1),
	} {
		put(t, queue.Hold, fmt.Sprintf("0B%X", i), 0o700, content)
	}
	os.Symlink("/etc/passwd", "hold/0C1")
	os.Mkdir("hold/0C2", 0o700)
	put(t, queue.Hold, "0D1", 0o700, good)
	got := list(t)
	if !strings.Contains(got, "queue_id=0D1 time=1700000000 size=18004") || !strings.Contains(got, `sender="evil??`) || strings.Contains(got, "root:") {
		t.Errorf("got\n%q", got)
	}
	for _, r := range got {
		if r < ' ' && r != '\n' {
			t.Fatalf("control character %q in\n%q", r, got)
		}
	}
	if len(*log) < 5 {
		t.Errorf("log: %q", *log)
	}
}

func TestDuplicateLimit(t *testing.T) {
	setup(t)
	conf.DuplicateFilterLimit = 1
	put(t, queue.Deferred, "0A3", 0o700, file("Ra@x Rb@x", ""))
	put(t, queue.Defer, "0A3", 0o600, []byte("recipient=a@x\nreason=r\n\nrecipient=b@x\nreason=r\n\n"))
	if got := list(t); strings.Count(got, "recipient=a@x") != 1 || strings.Count(got, "recipient=b@x") != 2 {
		t.Errorf("got %s", got)
	}
}

func BenchmarkList(b *testing.B) {
	setup(b)
	content := file("Rbob@example.net", "")
	for i := range 10000 {
		id := fmt.Sprintf("%05X%X", i*97%0x100000, i)
		put(b, queue.Deferred, id, 0o700, content)
		put(b, queue.Defer, id, 0o600, []byte("\n<bob@example.net>: busy\nrecipient=bob@example.net\noffset=250\ndsn_orig_rcpt=rfc822;bob@example.net\nstatus=4.2.0\naction=delayed\nreason=busy\n\n"))
	}
	for b.Loop() {
		s := stream.New(struct {
			null
			noTimeout
		}{})
		newLister(s).all()
		s.Flush()
	}
}
