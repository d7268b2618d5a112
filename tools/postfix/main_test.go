package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postrider/lib/base/file"
	"postrider/lib/base/msg"
	"postrider/lib/mail/mastercf"
	"postrider/lib/mail/param"
)

// logged collects messages.
func logged(t *testing.T) *[]string {
	var lines []string
	t.Cleanup(msg.SetOutput(func(level msg.Level, text string) {
		lines = append(lines, level.Prefix()+text)
	}))
	return &lines
}

func expectLine(t *testing.T, lines *[]string, want string) {
	t.Helper()
	for _, line := range *lines {
		if line == want {
			return
		}
	}
	t.Errorf("no line %q in\n%s", want, strings.Join(*lines, "\n"))
}

// S3.1: the list of installed files is complete, and every line is understood.
func TestList(t *testing.T) {
	settings := param.New("/etc/postfix")
	list, err := readList("../../conf/files", settings.Expand)
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]string{}
	for _, i := range list {
		modes[i.path] = fmt.Sprint(i.kind, " ", i.owner, " ", i.group, " ", octal(i.mode))
	}
	for path, want := range map[string]string{
		"/var/spool/postfix/maildrop": "d postfix postdrop 1730",
		"/var/spool/postfix/public":   "d postfix postdrop 2710",
		"/var/spool/postfix/private":  "d postfix - 0700",
		"/usr/sbin/postdrop":          "p root postdrop 2755",
		"/usr/sbin/postqueue":         "p root postdrop 2755",
		"/usr/sbin/postlog":           "p root postdrop 2755",
		"/usr/libexec/postfix/smtpd":  "p root root 0755",
	} {
		if modes[path] != want {
			t.Errorf("%s: %q, want %q", path, modes[path], want)
		}
	}
	for path := range modes {
		if strings.Contains(path, "$") || path[0] != '/' {
			t.Errorf("bad path %q", path)
		}
	}
}

// Every program of the source tree is in the list.
func TestListHasAllPrograms(t *testing.T) {
	settings := param.New("/etc/postfix")
	list, err := readList("../../conf/files", settings.Expand)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{"gen": true} // for developers
	for _, i := range list {
		if i.kind == "p" {
			listed[filepath.Base(i.path)] = true
		}
	}
	for _, pattern := range []string{"../../*/main.go", "../*/main.go"} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			text, _ := os.ReadFile(name)
			program := filepath.Base(filepath.Dir(name))
			if strings.Contains(string(text), "\npackage main\n") && !listed[program] {
				t.Errorf("program %s is not in conf/files", program)
			}
		}
	}
}

func TestBadList(t *testing.T) {
	for _, text := range []string{"/x d root root 0755", "/x z root root 0755 -", "/x d root root 09 -", "/x"} {
		path := filepath.Join(t.TempDir(), "files")
		os.WriteFile(path, []byte("# list\n"+text+"\n"), 0o644)
		if _, err := readList(path, strings.Clone); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// S3.3, S3.4: missing directories are created and named; wrong modes are told
// and repaired.
func TestCheck(t *testing.T) {
	lines := logged(t)
	dir := t.TempDir()
	old := os.Getuid()
	i := item{path: dir + "/maildrop", kind: "d", owner: "-", group: "-", mode: 0o730 | fs.ModeSticky, flags: "c"}
	if err := createMissing([]item{i}); err != nil {
		t.Fatal(err)
	}
	expectLine(t, lines, "created missing directory "+dir+"/maildrop (owner -, group -, mode 1730)")
	i.check()
	if len(*lines) != 1 {
		t.Errorf("complaints about a new directory: %q", *lines)
	}
	os.Chmod(i.path, 0o777)
	i.check()
	expectLine(t, lines, "warning: group or other writable: "+i.path)
	os.Chmod(i.path, 0o700)
	i.check()
	expectLine(t, lines, "warning: mode 0700, should be 1730: "+i.path)
	if err := i.repair(); err != nil {
		t.Fatal(err)
	}
	info, _ := os.Stat(i.path)
	if octal(info.Mode()) != "1730" {
		t.Errorf("repaired mode is %s", octal(info.Mode()))
	}
	checkTree(dir+"/.", old+1, "somebody", true)
	expectLine(t, lines, "warning: not owned by somebody: "+dir+"/.")
	expectLine(t, lines, "warning: not owned by somebody: "+dir+"/./maildrop")
}

// The lock, not the file, says that master is running.
func TestRunning(t *testing.T) {
	t.Chdir(t.TempDir())
	conf.ProcessIDDirectory = "pid"
	os.Mkdir("pid", 0o755)
	if _, yes := running(); yes {
		t.Error("running without a file")
	}
	os.WriteFile("pid/master.pid", fmt.Appendf(nil, "%32d\n", 4711), 0o600)
	if _, yes := running(); yes {
		t.Error("running without a lock")
	}
	f, err := os.Open("pid/master.pid")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := file.TryLock(f, file.Flock, file.Exclusive); err != nil {
		t.Fatal(err)
	}
	if pid, yes := running(); !yes || pid != 4711 {
		t.Errorf("running: %d, %v", pid, yes)
	}
}

// Services that a release brings are added, network services are not.
func TestAddServices(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.cf")
	os.WriteFile(path, []byte("# mine\nqmgr unix n - n 300 1 qmgr -v"), 0o600)
	if err := addServices(path, "../../conf/master.cf"); err != nil {
		t.Fatal(err)
	}
	entries, err := mastercf.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, e := range entries {
		found[e.ID()] = strings.Join(e.Args, " ")
	}
	if found["qmgr/unix"] != "-v" || found["relay/unix"] != "-o syslog_name=postfix/$service_name" {
		t.Errorf("services: %q", found)
	}
	if _, yes := found["smtp/inet"]; yes {
		t.Error("a network service was added")
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

// A rotated log keeps its text under a name with the time.
func TestStillBerkeley(t *testing.T) {
	for kinds, want := range map[string]string{"cdb lmdb": "", "hash lmdb": "default_database_type", "cdb btree": "default_cache_db_type"} {
		database, cache, _ := strings.Cut(kinds, " ")
		values := map[string]string{"default_database_type": database, "default_cache_db_type": cache}
		if got := stillBerkeley(func(name string) string { return values[name] }); got != want {
			t.Errorf("%s: %q, want %q", kinds, got, want)
		}
	}
}

func TestRotate(t *testing.T) {
	if _, err := exec.LookPath("gzip"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	conf.ProcessIDDirectory = "pid"
	conf.MaillogFileRotateSuffix, conf.MaillogFileCompressor = "%Y", "gzip"
	path := filepath.Join(dir, "log")
	os.WriteFile(path, []byte("text\n"), 0o600)
	if err := rotate(path); err != nil {
		t.Fatal(err)
	}
	names, _ := filepath.Glob(path + ".[0-9][0-9][0-9][0-9].gz")
	if len(names) != 1 {
		t.Errorf("rotated files: %q", names)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("old log: %v", err)
	}
}

// A pattern for files does not mean a directory that it matches.
func TestPlaces(t *testing.T) {
	dir := t.TempDir()
	os.Mkdir(filepath.Join(dir, "folder"), 0o755)
	os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
	for kind, want := range map[string]int{"f": 1, "d": 2} {
		i := item{path: dir + "/*", kind: kind}
		if got := i.places(); len(got) != want {
			t.Errorf("kind %s: %q", kind, got)
		}
	}
}
