package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/mail/param"
	"postrider/lib/mail/queue"
)

// setup makes an empty queue directory and returns the log.
func setup(t testing.TB, settings ...string) *[]string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range known {
		os.Mkdir(string(name), 0o700)
	}
	s := param.New(dir)
	for _, text := range settings {
		if err := s.OverrideText(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Load(&conf); err != nil {
		t.Fatal(err)
	}
	queue.Configure(conf.Site().Params)
	log := &[]string{}
	t.Cleanup(msg.SetOutput(func(level msg.Level, text string) { *log = append(*log, level.Prefix()+text) }))
	return log
}

// write makes a file, and the directories above it.
func write(t testing.TB, path string, mode os.FileMode) {
	t.Helper()
	os.MkdirAll(filepath.Dir(path), 0o700)
	if err := os.WriteFile(path, []byte("x"), mode); err != nil {
		t.Fatal(err)
	}
}

// tree lists all files, with their modes.
func tree(t *testing.T) string {
	t.Helper()
	var list []string
	filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if info, _ := d.Info(); err == nil && !d.IsDir() {
			list = append(list, fmt.Sprintf("%s:%o", path, info.Mode().Perm()))
		}
		return nil
	})
	slices.Sort(list)
	return strings.Join(list, " ")
}

func run(t *testing.T, args ...string) {
	t.Helper()
	o := readOptions(args)
	if o.any() {
		if err := o.repairs.run(o.queues); err != nil {
			t.Fatal(err)
		}
	}
	c := changer{stdin: bufio.NewScanner(strings.NewReader(input)), queues: o.queues}
	for _, r := range o.requests {
		if err := c.do(r); err != nil {
			t.Fatal(err)
		}
	}
	c.summary(o.requests)
}

var input string

// Each request, as administrators' scripts know it. S6.1.
func TestRequests(t *testing.T) {
	for _, c := range []struct {
		args  string
		input string
		tree  string
		log   string
	}{
		{"-d A1", "", "active/A2:700 bounce/A9:600 hold/A3:700 incoming/A4:600 maildrop/A5:744", "A1: removed|Deleted: 1 message"},
		{"-d A5", "", "active/A2:700 bounce/A1:600 bounce/A9:600 defer/A/A1:600 deferred/A/A1:700 hold/A3:700 incoming/A4:600 trace/A1:600", "A5: removed|Deleted: 1 message"},
		{"-d A4 -d nosuch -d a.b", "", "", "warning: invalid mail queue id: a.b|Deleted: 0 messages"},
		{"-d A1 hold", "", "", "Deleted: 0 messages"},
		{"-d ALL", "", "incoming/A4:600", "Deleted: 4 messages"},
		{"-d ALL deferred active", "", "bounce/A9:600 hold/A3:700 incoming/A4:600 maildrop/A5:744", "Deleted: 2 messages"},
		{"-d all", "", "", "Deleted: 0 messages"},
		{"-h A1 -h A3 -h A5", "", "active/A2:700 bounce/A1:600 bounce/A9:600 defer/A/A1:600 hold/A1:700 hold/A3:700 incoming/A4:600 maildrop/A5:744 trace/A1:600", "A1: placed on hold|Placed on hold: 1 message"},
		{"-H A3 -H A1", "", "active/A2:700 bounce/A1:600 bounce/A9:600 defer/A/A1:600 deferred/A/A1:700 deferred/A/A3:700 incoming/A4:600 maildrop/A5:744 trace/A1:600", "A3: released from hold|Released from hold: 1 message"},
		{"-H ALL", "", "active/A2:700 bounce/A1:600 bounce/A9:600 defer/A/A1:600 deferred/A/A1:700 deferred/A/A3:700 incoming/A4:600 maildrop/A5:744 trace/A1:600", "Released from hold: 1 message"},
		{"-e A1 -e A1 -e A5", "", "active/A2:700 bounce/A1:600 bounce/A9:600 defer/A/A1:600 deferred/A/A1:710 hold/A3:700 incoming/A4:600 maildrop/A5:744 trace/A1:600", "A1: expired|Force-expired: 1 message"},
		{"-f A3 -f A1", "", "active/A2:700 bounce/A1:600 bounce/A9:600 defer/A/A1:600 deferred/A/A1:710 deferred/A/A3:710 incoming/A4:600 maildrop/A5:744 trace/A1:600",
			"A3: expired|A3: released from hold|A1: expired|Force-expired: 2 messages|Released from hold: 1 message"},
		{"-r A1 -r A5", "", "active/A2:700 bounce/A1:600 bounce/A9:600 defer/A/A1:600 hold/A3:700 incoming/A4:600 maildrop/A1:700 maildrop/A5:744 trace/A1:600", "A1: requeued|Requeued: 1 message"},
		{"-h - -d ALL hold", "A2\n x y\n\n", "active/A2:700 bounce/A1:600 bounce/A9:600 defer/A/A1:600 deferred/A/A1:700 incoming/A4:600 maildrop/A5:744 trace/A1:600",
			"warning: invalid mail queue id:  x y|warning: invalid mail queue id: |Deleted: 1 message|Placed on hold: 0 messages"},
	} {
		t.Run(c.args, func(t *testing.T) {
			log := setup(t)
			for _, path := range []string{"deferred/A/A1", "active/A2", "hold/A3"} {
				write(t, path, 0o700)
			}
			write(t, "maildrop/A5", 0o744)
			for _, path := range []string{"incoming/A4", "defer/A/A1", "bounce/A1", "trace/A1", "bounce/A9"} {
				write(t, path, 0o600)
			}
			before := tree(t)
			input = c.input
			run(t, strings.Fields(c.args)...)
			if c.tree == "" {
				c.tree = before
			}
			if got := tree(t); got != c.tree {
				t.Errorf("files are\n%s, want\n%s", got, c.tree)
			}
			if got := strings.Join(*log, "|"); got != c.log {
				t.Errorf("log is\n%s, want\n%s", got, c.log)
			}
		})
	}
}

// A requeued message is due at once.
func TestRequeueTime(t *testing.T) {
	setup(t)
	write(t, "hold/A1", 0o700)
	later := time.Now().Add(time.Hour)
	os.Chtimes("hold/A1", later, later)
	run(t, "-r", "A1")
	if info, err := os.Stat("maildrop/A1"); err != nil || info.ModTime().After(time.Now()) {
		t.Errorf("%v %v", info, err)
	}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

// After a restore from backup names and inodes no longer agree. Files may trade
// names, and logs go with their messages.
func TestInodes(t *testing.T) {
	log := setup(t)
	write(t, "hold/x.y", 0o700)
	write(t, "incoming/x.y", 0o700)
	one, two := inode(t, "hold/x.y"), inode(t, "incoming/x.y")
	// The first file has the name of the second one and the reverse.
	first, second := fmt.Sprintf("11111%X", one), fmt.Sprintf("11111%X", two)
	os.Rename("hold/x.y", "hold/"+second)
	os.Rename("incoming/x.y", "incoming/"+first)
	os.WriteFile("bounce/"+second, []byte("log of the first"), 0o600)
	os.WriteFile("bounce/"+first, []byte("log of the second"), 0o600)
	os.MkdirAll("defer/1", 0o700)
	os.WriteFile("defer/1/"+second, []byte("delay of the first"), 0o600)
	run(t, "-s")
	if inode(t, "hold/"+first) != one || inode(t, "incoming/"+second) != two {
		t.Errorf("files are %s", tree(t))
	}
	for path, want := range map[string]string{"bounce/" + first: "log of the first", "bounce/" + second: "log of the second", "defer/1/" + first: "delay of the first"} {
		if b, _ := os.ReadFile(path); string(b) != want {
			t.Errorf("%s is %q", path, b)
		}
	}
	want := []string{"Renamed to match inode number: 2 messages", "warning: QUEUE FILE NAMES WERE CHANGED TO MATCH INODE NUMBERS"}
	if !slices.Equal(*log, want) {
		t.Errorf("log %q", *log)
	}
	*log = nil
	before := tree(t)
	if run(t, "-s"); tree(t) != before || len(*log) > 0 {
		t.Errorf("a second run changes something: %s, %q", tree(t), *log)
	}
}

// A run that was interrupted between two renames is finished by the next one.
func TestInterrupted(t *testing.T) {
	log := setup(t)
	write(t, "hold/x.y", 0o700)
	id := fmt.Sprintf("22222%X", inode(t, "hold/x.y"))
	os.Rename("hold/x.y", "hold/"+id+"#FIX")
	write(t, "trace/"+id+"#FIX", 0o600)
	write(t, "defer/2/"+id, 0o600)
	write(t, "incoming/C0001#FIX", 0o700)
	run(t)
	want := "defer/2/" + id + ":600 hold/" + id + ":700 incoming/C0001#FIX:700 trace/" + id + ":600"
	if got := tree(t); got != want {
		t.Errorf("files are %s, want %s", got, want)
	}
	if !slices.Contains(*log, "warning: name/inode mismatch: incoming/C0001#FIX") {
		t.Errorf("log %q", *log)
	}
}

// Long names are left alone with -s, checked with -S, and become short when
// the parameter is off.
func TestLongNames(t *testing.T) {
	setup(t, "enable_long_queue_ids=yes")
	write(t, "hold/x.y", 0o700)
	created := time.Unix(1700000000, 123456000)
	wrong := queue.MakeID(created, inode(t, "hold/x.y")+1, true)
	right := queue.MakeID(created, inode(t, "hold/x.y"), true)
	os.Rename("hold/x.y", "hold/"+wrong)
	write(t, queue.Path(queue.Defer, wrong), 0o600)
	run(t, "-s")
	if got, want := tree(t), queue.Path(queue.Defer, wrong)+":600 hold/"+wrong+":700"; got != want {
		t.Errorf("after -s: %s, want %s", got, want)
	}
	run(t, "-S")
	if got, want := tree(t), queue.Path(queue.Defer, right)+":600 hold/"+right+":700"; got != want {
		t.Errorf("after -S: %s, want %s", got, want)
	}
	conf.EnableLongQueueIDs = false
	queue.Configure(conf.Site().Params)
	short := queue.MakeID(created, inode(t, "hold/"+right), false)
	run(t, "-s")
	if got, want := tree(t), "defer/"+short[:1]+"/"+short+":600 hold/"+short+":700"; got != want {
		t.Errorf("short: %s, want %s", got, want)
	}
}

// Changes of hash_queue_names and hash_queue_depth need no conversion.
func TestHashing(t *testing.T) {
	setup(t, "hash_queue_names=deferred, incoming", "hash_queue_depth=2")
	for _, path := range []string{"deferred/0/x.y", "incoming/x.y", "hold/A/x.y"} {
		write(t, path, 0o700)
	}
	id := func(path string) string { return fmt.Sprintf("3456%d%X", len(path)%10, inode(t, path)) }
	a, b, c := id("deferred/0/x.y"), id("incoming/x.y"), id("hold/A/x.y")
	os.Rename("deferred/0/x.y", "deferred/0/"+a)
	os.Rename("incoming/x.y", "incoming/"+b)
	os.Rename("hold/A/x.y", "hold/A/"+c)
	write(t, "defer/7/AA", 0o600)
	os.MkdirAll("deferred/1/2/3", 0o700)
	os.MkdirAll("hold/long/x", 0o700)
	log := setupLog(t)
	run(t, "-s")
	want := fmt.Sprintf("defer/AA:600 deferred/3/4/%s:700 hold/%s:700 incoming/3/4/%s:700", a, c, b)
	if got := tree(t); got != want {
		t.Errorf("files are %s, want %s", got, want)
	}
	if _, err := os.Stat("deferred/1/2/3"); err == nil {
		t.Error("directory deferred/1/2/3 is still there")
	}
	if _, err := os.Stat("deferred/1/2"); err != nil {
		t.Error("directory deferred/1/2 is gone")
	}
	if len(*log) != 1 || !strings.Contains((*log)[0], "remove subdirectory hold/long") {
		t.Errorf("log %q", *log)
	}
}

func setupLog(t *testing.T) *[]string {
	log := &[]string{}
	t.Cleanup(msg.SetOutput(func(_ msg.Level, text string) { *log = append(*log, text) }))
	return log
}

// Only unfinished messages that nobody writes any more are removed, never logs.
func TestPurge(t *testing.T) {
	setup(t)
	old := time.Now().Add(-8 * 24 * time.Hour)
	for path, mode := range map[string]os.FileMode{
		"incoming/old": 0o600, "incoming/new": 0o600, "incoming/12345.678": 0o600, "hold/ready": 0o700, "defer/o/old": 0o600, "maildrop/33.44": 0o644,
	} {
		write(t, path, mode)
		if !strings.HasSuffix(path, "new") {
			os.Chtimes(path, old, old)
		}
	}
	os.Symlink("/etc/passwd", "hold/link")
	syscall.Mkfifo("active/fifo", 0o700)
	run(t, "-p")
	if got, want := tree(t), "defer/o/old:600 hold/ready:700 incoming/new:600"; got != want {
		t.Errorf("files are %s, want %s", got, want)
	}
}

func TestBogusNames(t *testing.T) {
	log := setup(t)
	for _, path := range []string{"hold/junk.name", "hold/AB", "incoming/123.45", "flush/example_com"} {
		write(t, path, 0o700)
	}
	before := tree(t)
	run(t, "-s")
	if got := tree(t); got != before {
		t.Errorf("files are %s, want %s", got, before)
	}
	if len(*log) != 2 {
		t.Errorf("log %q", *log)
	}
}

func BenchmarkDelete(b *testing.B) {
	setup(b)
	for b.Loop() {
		b.StopTimer()
		for i := range 10000 {
			id := fmt.Sprintf("%05X%X", i*97%0x100000, i)
			write(b, queue.Path(queue.Deferred, id), 0o700)
			write(b, queue.Path(queue.Defer, id), 0o600)
		}
		b.StartTimer()
		c := changer{}
		if err := c.do(request{'d', all}); err != nil || c.counts["Deleted"] != 10000 {
			b.Fatal(err, c.counts)
		}
	}
}

// Removing many messages takes their logs along, whether the messages are old
// or have just come.
func TestDeleteMany(t *testing.T) {
	setup(t)
	for _, age := range []time.Duration{time.Hour, 0} {
		for i := range 3000 {
			id := fmt.Sprintf("%05X%X", i*331%0x100000, i)
			write(t, queue.Path(queue.Deferred, id), 0o700)
			for n, log := range logs {
				if i%(n+2) == 0 {
					write(t, queue.Path(log, id), 0o600)
				}
			}
		}
		write(t, "bounce/0OTHER", 0o600)
		c := changer{logged: nil}
		ids, err := scan(queue.Deferred)
		if err != nil {
			t.Fatal(err)
		}
		if c.logged, err = takeLogs(); err != nil {
			t.Fatal(err)
		}
		c.logged.taken = c.logged.taken.Add(age)
		if err := c.several('d', queue.Deferred, ids); err != nil || c.counts["Deleted"] != 3000 {
			t.Error(err, c.counts)
		}
		if got := tree(t); got != "bounce/0OTHER:600" {
			t.Errorf("files left: %.200s", got)
		}
	}
}
