package mailbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postrider/lib/base/asuser"
	"postrider/lib/base/file"
	"postrider/lib/base/msg"
	"postrider/lib/mail/record"
)

// content makes the content part of a queue file; text in lines, a line that
// ends in \ goes on in the next record.
func content(lines ...string) *bytes.Reader {
	b := record.Append(nil, record.Message, "")
	for _, line := range lines {
		if s, ok := strings.CutSuffix(line, `\`); ok {
			b = record.Append(b, record.Continued, s)
		} else {
			b = record.Append(b, record.Text, line)
		}
	}
	b = record.Append(b, record.Extracted, "")
	return bytes.NewReader(record.Append(b, record.End, ""))
}

func message(lines ...string) Message {
	return Message{Source: content(lines...), Offset: 2, Sender: "a b@x.example", Original: "joe@y", Delivered: "joe+z@y",
		Time: time.Date(2026, 11, 1, 9, 5, 7, 0, time.Local)}
}

var lines = []string{"Subject: t", "", "From me", ">From x", "From", "from y", ".", "long \\", "From long", " From z"}

// The three forms, as stock writes them. S2.7, S6.7.
func TestCopy(t *testing.T) {
	const head = "Return-Path: <\"a b\"@x.example>\nX-Original-To: joe@y\nDelivered-To: joe+z@y\nSubject: t\n\n"
	const from = "From \"a b\"@x.example  Sun Nov  1 09:05:07 2026\n"
	const rest = ">From x\nFrom\nfrom y\n.\nlong From long\n From z\n"
	for _, test := range []struct {
		form Form
		want string
	}{
		{Mbox, from + head + ">From me\n" + rest + "\n"},
		{Maildir, head + "From me\n" + rest},
		{Command, from + head + "From me\n" + rest},
		{Form{Dot: true, Blank: true, EOL: "\r\n"}, strings.ReplaceAll(strings.ReplaceAll(
			"X-Original-To: joe@y\nDelivered-To: joe+z@y\nSubject: t\n\nFrom me\n"+rest+"\n", "\n.", "\n.."), "\n", "\r\n")},
	} {
		var b bytes.Buffer
		if err := message(lines...).WriteTo(&b, test.form); err != nil || b.String() != test.want {
			t.Errorf("%+v: %v\n got %q\nwant %q", test.form, err, b.String(), test.want)
		}
	}
	var b bytes.Buffer
	m := Message{Source: content("x"), Offset: 2, Time: time.Now()}
	m.WriteTo(&b, Mbox)
	if s := b.String(); !strings.HasPrefix(s, "From MAILER-DAEMON  ") || !strings.HasSuffix(s, "\nReturn-Path: <>\nx\n\n") {
		t.Errorf("null sender: %q", s)
	}
}

// A damaged queue file is found before anything is promised.
func TestCopyDamaged(t *testing.T) {
	good, _ := io.ReadAll(content("one", "two"))
	for n, bad := range [][]byte{good[:5], good[:2], append(good[:8:8], 'R', 1, 'x'), append(good[:8:8], 0xff, 0xff)} {
		var s *SourceError
		err := Message{Source: bytes.NewReader(bad), Offset: 2}.WriteTo(io.Discard, Mbox)
		if !errors.As(err, &s) {
			t.Errorf("%d: got %v", n, err)
		}
	}
}

func box(t *testing.T) Box {
	me := asuser.User{UID: os.Geteuid(), GID: os.Getegid()}
	return Box{Path: filepath.Join(t.TempDir(), "box"), User: me, Spool: me, Kinds: []file.Kind{file.Fcntl, file.Dotlock},
		Tries: file.Tries{Attempts: 2, Delay: time.Millisecond, Stale: time.Hour}}
}

func put(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func (b Box) contents() string {
	data, _ := os.ReadFile(b.Path)
	return string(data)
}

func TestAppend(t *testing.T) {
	b := box(t)
	for i, want := range []int64{0, 4} {
		if offset, err := b.Append(put("one\n")); err != nil || offset != want {
			t.Errorf("%d: %d %v", i, offset, err)
		}
	}
	info, _ := os.Stat(b.Path)
	if b.contents() != "one\none\n" || info.Mode().Perm() != 0o600 {
		t.Errorf("%q %v", b.contents(), info.Mode())
	}
	if entries, _ := os.ReadDir(filepath.Dir(b.Path)); len(entries) != 1 {
		t.Errorf("%v", entries)
	}
}

// Half a message never stays. S2.7.
func TestAppendTakesBack(t *testing.T) {
	b := box(t)
	b.Append(put("one\n"))
	for _, cause := range []error{syscall.EDQUOT, syscall.EFBIG, syscall.ENOSPC, &SourceError{io.ErrUnexpectedEOF}} {
		_, err := b.Append(func(w io.Writer) error { io.WriteString(w, "half"); return cause })
		var s *SourceError
		if !errors.Is(err, cause) && !errors.As(err, &s) {
			t.Errorf("%v: got %v", cause, err)
		}
		if b.contents() != "one\n" {
			t.Fatalf("%v: %q", cause, b.contents())
		}
	}
}

func TestSizeLimit(t *testing.T) {
	b := box(t)
	b.Append(put("one\n"))
	signal.Ignore(syscall.SIGXFSZ)
	var old syscall.Rlimit
	syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old)
	syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 100, Max: old.Max})
	_, err := b.Append(put(strings.Repeat("x", 200)))
	syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old)
	checkTrouble(t, err, "5.2.2", "error writing message: File too large")
	if b.contents() != "one\n" {
		t.Errorf("%q", b.contents())
	}
}

func checkTrouble(t *testing.T, err error, status, reason string) {
	t.Helper()
	var tr *Trouble
	if !errors.As(err, &tr) || string(tr.Status) != status || tr.Reason != reason {
		t.Errorf("got %+v\nwant %s %s", err, status, reason)
	}
}

// Each lock keeps us out, and the words are those of the log. S4.5.4.
func TestLocked(t *testing.T) {
	quiet(t)
	b := box(t)
	b.Append(put("one\n"))
	os.WriteFile(b.Path+".lock", nil, 0)
	_, err := b.Append(put("two\n"))
	checkTrouble(t, err, "4.2.0", "unable to create lock file "+b.Path+".lock: File exists")

	b.Tries.Stale = time.Minute
	old := time.Now().Add(-time.Hour)
	os.Chtimes(b.Path+".lock", old, old)
	if _, err := b.Append(put("two\n")); err != nil {
		t.Errorf("stale lock: %v", err)
	}
	for _, kind := range []file.Kind{file.Fcntl, file.Flock} {
		f, _ := os.OpenFile(b.Path, os.O_RDWR, 0)
		if err := file.TryLock(f, kind, file.Exclusive); err != nil {
			t.Fatal(err)
		}
		b.Kinds = []file.Kind{kind}
		_, err := b.Append(put("three\n"))
		checkTrouble(t, err, "4.2.0", "unable to lock for exclusive access: Resource temporarily unavailable")
		f.Close()
	}
	if b.contents() != "one\ntwo\n" {
		t.Errorf("%q", b.contents())
	}
}

func quiet(t *testing.T) *[]string {
	var seen []string
	t.Cleanup(msg.SetOutput(func(l msg.Level, s string) { seen = append(seen, l.Prefix()+s) }))
	return &seen
}

func TestUnsafeMailbox(t *testing.T) {
	b := box(t)
	other := b.Path + "2"
	os.WriteFile(other, nil, 0o600)
	os.Chmod(filepath.Dir(b.Path), 0o777)
	os.Symlink(other, b.Path)
	_, err := b.Append(put("x"))
	checkTrouble(t, err, "5.2.0", "file is a symbolic link")
	os.Remove(b.Path)
	os.Link(other, b.Path)
	_, err = b.Append(put("x"))
	checkTrouble(t, err, "5.2.0", "file has 2 hard links")
	os.Remove(b.Path)
	os.Mkdir(b.Path, 0o700)
	_, err = b.Append(put("x"))
	checkTrouble(t, err, "5.2.0", "cannot open file: Is a directory")
	os.Remove(b.Path)
	b.Check = func(info fs.FileInfo) *Trouble { return &Trouble{Status: "4.2.0", Reason: "no"} }
	_, err = b.Append(put("x"))
	checkTrouble(t, err, "4.2.0", "no")
}

func TestDevNull(t *testing.T) {
	b := box(t)
	b.Path = "/dev/null"
	if offset, err := b.Append(put("x")); err != nil || offset != 0 {
		t.Errorf("%d %v", offset, err)
	}
}

// Two processes deliver to one mailbox at once, and a third holds its lock now
// and then: every message comes out whole. S2.7, S4.5.4.
func TestTwoProcesses(t *testing.T) {
	if path := os.Getenv("MAILBOX_TEST"); path != "" {
		b := box(t)
		b.Path, b.Tries = path, file.Tries{Attempts: 10000, Delay: time.Millisecond, Stale: time.Hour}
		switch os.Getenv("MAILBOX_LOCKS") {
		case "dotlock":
			b.Kinds = []file.Kind{file.Dotlock}
		case "fcntl":
			b.Kinds = []file.Kind{file.Fcntl}
		case "flock":
			b.Kinds = []file.Kind{file.Flock}
		}
		for i := range 50 {
			id := fmt.Sprintf("%d.%d", os.Getpid(), i)
			_, err := b.Append(func(w io.Writer) error {
				io.WriteString(w, "begin "+id+"\n")
				_, err := io.WriteString(w, "end "+id+"\n")
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
		return
	}
	for _, locks := range []string{"dotlock", "fcntl", "flock", "both"} {
		b := box(t)
		var cmds []*exec.Cmd
		for range 3 {
			cmd := exec.Command(os.Args[0], "-test.run=^TestTwoProcesses$")
			cmd.Env = append(os.Environ(), "MAILBOX_TEST="+b.Path, "MAILBOX_LOCKS="+locks)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			cmds = append(cmds, cmd)
		}
		for _, cmd := range cmds {
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		}
		all := strings.Split(strings.TrimSuffix(b.contents(), "\n"), "\n")
		for i := 0; i+1 < len(all); i += 2 {
			if strings.Replace(all[i], "begin", "end", 1) != all[i+1] {
				t.Fatalf("%s: line %d: %q %q", locks, i, all[i], all[i+1])
			}
		}
		if len(all) != 300 {
			t.Errorf("%s: %d lines", locks, len(all))
		}
	}
}

func TestMaildir(t *testing.T) {
	dir := t.TempDir() + "/Maildir/"
	d := Dir{Path: dir, User: asuser.User{UID: os.Geteuid(), GID: os.Getegid()}, Host: "host:7/x", Time: time.Unix(1795215937, 0)}
	os.MkdirAll(dir+"tmp", 0o700)
	left := fmt.Sprintf("%stmp/1795215937.P%d.host\\0727\\057x", dir, os.Getpid())
	os.WriteFile(left, []byte("left by a crash"), 0o600)
	for range 2 {
		if err := d.Add(put("hello\n")); err != nil {
			t.Fatal(err)
		}
	}
	entries, _ := os.ReadDir(dir + "new")
	if len(entries) != 2 {
		t.Fatalf("%v", entries)
	}
	for _, e := range entries {
		var st syscall.Stat_t
		syscall.Stat(dir+"new/"+e.Name(), &st)
		want := fmt.Sprintf(`1795215937.V%xI%xM`, st.Dev, st.Ino)
		if !strings.HasPrefix(e.Name(), want) || !strings.HasSuffix(e.Name(), `.host\0727\057x`) || st.Nlink != 1 || st.Mode != syscall.S_IFREG|0o600 {
			t.Errorf("%s %+v", e.Name(), st)
		}
	}
	err := d.Add(func(w io.Writer) error { io.WriteString(w, "half"); return syscall.EDQUOT })
	checkTrouble(t, err, "5.2.2", "maildir delivery failed: error writing message: Disk quota exceeded")
	for _, sub := range []string{"tmp", "cur"} {
		if entries, err := os.ReadDir(dir + sub); len(entries) > 0 || err != nil {
			t.Errorf("%s: %v", sub, entries)
		}
	}
}

func TestMaildirOutOfReach(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	log := quiet(t)
	dir := t.TempDir()
	os.Chmod(dir, 0o700)
	d := Dir{Path: dir + "/x/", User: asuser.User{UID: 60001, GID: 60002}, Host: "h", Time: time.Unix(1, 0)}
	name := fmt.Sprintf("%s/x/tmp/1.P%d.h", dir, os.Getpid())
	checkTrouble(t, d.Add(put("x")), "5.2.0", "maildir delivery failed: create maildir file "+name+": Permission denied")
	want := []string{"warning: maildir access problem for UID/GID=60001/60002: create maildir file " + name + ": Permission denied",
		"warning: perhaps you need to create the maildirs in advance"}
	if fmt.Sprint(*log) != fmt.Sprint(want) {
		t.Errorf("%q", *log)
	}
}

// Root creates, the user writes.
func TestSpoolOfRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	b := box(t)
	b.User, b.Chown = asuser.User{UID: 60001, GID: 60002}, true
	for range 2 {
		if _, err := b.Append(put("x")); err != nil {
			t.Fatal(err)
		}
	}
	var st syscall.Stat_t
	syscall.Stat(b.Path, &st)
	if st.Uid != 60001 || st.Gid != 60002 || st.Size != 2 {
		t.Errorf("%+v", st)
	}
}
