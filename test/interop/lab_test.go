// Package interop tests Postrider beside Debian's postfix: on the same queue,
// process by process in the same system, and with the same traffic.
package interop

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postrider/test/machine"
)

// A side is one of the two mail systems.
type side string

const (
	stock side = "stock"
	ours  side = "ours"
)

func (s side) other() side {
	if s == stock {
		return ours
	}
	return stock
}

// dirs are where the programs of a system are.
func (s side) dirs() (daemons, commands string) {
	if s == stock {
		return "/opt/stock/usr/lib/postfix/sbin", "/opt/stock/usr/sbin"
	}
	return "/opt/ours/usr/libexec/postfix", "/opt/ours/usr/sbin"
}

func (s side) command(name string) string {
	_, dir := s.dirs()
	return filepath.Join(dir, name)
}

// A mix says which programs come from the other system.
type mix struct {
	base    side
	swapped []string
}

func (m mix) String() string {
	if len(m.swapped) == 0 {
		return "all " + string(m.base)
	}
	return strings.Join(m.swapped, "+") + " of " + string(m.base.other()) + " in " + string(m.base)
}

func (m mix) of(program string) side {
	if slices.Contains(m.swapped, program) {
		return m.base.other()
	}
	return m.base
}

// A bed is the mail system of this machine, made of programs of both.
type bed struct {
	t      testing.TB
	mix    mix
	offset int64 // of the log, when it was started
	master int   // process ID; 0 when it does not run
}

var prepare = sync.OnceValue(func() error {
	stage := os.Getenv("INTEROP_STAGE")
	if stage == "" {
		stage = "/src/build/stage"
	}
	out, err := exec.Command("bash", "/src/test/interop/testdata/setup.sh", "/src", stage).CombinedOutput()
	if err != nil {
		return fmt.Errorf("setup.sh: %w\n%s", err, out)
	}
	return nil
})

// newBed makes a stopped system with an empty queue and empty mailboxes, and
// the configuration of testdata with more settings.
func newBed(t testing.TB, m mix, settings ...string) *bed {
	t.Helper()
	if debs, _ := filepath.Glob("/src/build/debs/postfix_*.deb"); len(debs) == 0 {
		t.Skip("build/debs has no packages of the stock mail system")
	}
	if err := prepare(); err != nil {
		t.Fatal(err)
	}
	b := &bed{t: t}
	b.clean()
	t.Cleanup(func() {
		b.kill()
		if t.Failed() && os.Getenv("INTEROP_LOG") != "" {
			t.Logf("the mail log:\n%s", b.log())
		}
	})
	b.configure(settings...)
	b.use(m)
	return b
}

// configure writes main.cf.
func (b *bed) configure(settings ...string) {
	text, err := os.ReadFile("testdata/main.cf")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, setting := range settings {
		name, _, _ := strings.Cut(setting, "=")
		text = regexp.MustCompile(`(?m)^`+name+` *=.*\n`).ReplaceAll(text, nil)
		text = append(text, setting+"\n"...)
	}
	if err := os.WriteFile("/etc/postfix/main.cf", text, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// use puts the programs of a mix in place.
func (b *bed) use(m mix) {
	b.t.Helper()
	b.mix = m
	os.RemoveAll("/mix")
	for _, kind := range []string{"sbin", "bin"} {
		os.MkdirAll("/mix/"+kind, 0o755)
		for _, s := range []side{m.base, m.base.other()} {
			daemons, commands := s.dirs()
			dir := commands
			if kind == "sbin" {
				dir = daemons
			}
			files, err := os.ReadDir(dir)
			if err != nil {
				b.t.Fatal(err)
			}
			for _, f := range files {
				if m.of(f.Name()) == s {
					os.Symlink(filepath.Join(dir, f.Name()), filepath.Join("/mix", kind, f.Name()))
				}
			}
		}
	}
}

// clean empties the queue and all mailboxes.
func (b *bed) clean() {
	for _, dir := range []string{"maildrop", "incoming", "active", "deferred", "hold", "corrupt", "bounce", "defer", "trace", "flush"} {
		empty(machine.Queue + "/" + dir)
	}
	for _, dir := range []string{"/var/mail", "/var/keep", "/var/vmail", "/home/alice", "/home/bob", "/home/carol/Maildir"} {
		empty(dir)
	}
	os.MkdirAll("/var/vmail/vm", 0o755)
	os.Chown("/var/vmail/vm", 5000, 5000)
	if st, err := os.Stat(machine.LogTo); err == nil {
		b.offset = st.Size()
	}
}

func empty(dir string) {
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		os.RemoveAll(filepath.Join(dir, e.Name()))
	}
}

// start starts master and waits until it has opened its sockets.
func (b *bed) start() *bed {
	b.t.Helper()
	cmd := exec.Command("/mix/sbin/master", "-w")
	cmd.Env = append(os.Environ(), "MAIL_CONFIG="+machine.Config) // as postfix(1) does
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("%v: master: %v\n%s%s", b.mix, err, out, b.log())
	}
	pid, err := os.ReadFile(machine.Queue + "/pid/master.pid")
	if err != nil {
		b.t.Fatal(err)
	}
	b.master, _ = strconv.Atoi(strings.TrimSpace(string(pid)))
	return b
}

// stop stops the system and waits until all its processes are gone.
func (b *bed) stop() { b.end(syscall.SIGTERM) }

// kill ends all processes at once.
func (b *bed) kill() { b.end(syscall.SIGKILL) }

func (b *bed) end(sig syscall.Signal) {
	if b.master == 0 {
		return
	}
	who := b.master
	if sig == syscall.SIGKILL {
		who = -who
	}
	syscall.Kill(who, sig)
	wait(b.t, "the end of master", func() bool { return !groupAlive(b.master) })
	b.master = 0
}

// groupAlive reports whether a process of the group runs. Nobody but process 1
// of the machine, which is not there to do it, collects those that have ended.
func groupAlive(group int) bool {
	list, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range list {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if f[0] != "Z" && f[0] != "X" && f[2] == strconv.Itoa(group) {
			return true
		}
	}
	return false
}

// log is the mail log since the bed was made.
func (b *bed) log() string {
	text, err := os.ReadFile(machine.LogTo)
	if err != nil {
		return ""
	}
	return string(text[min(int64(len(text)), b.offset):])
}

// waitLog waits for a line of the log.
func (b *bed) waitLog(pattern string) {
	b.t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	wait(b.t, "a log line: "+pattern, func() bool { return re.MatchString(b.log()) })
}

const waitLimit = 20 * time.Second

func wait(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(waitLimit); !f(); {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s; the queue:\n%s", what, strings.Join(queued("maildrop", "incoming", "active", "deferred", "hold"), "\n"))
		}
		time.Sleep(3 * time.Millisecond)
	}
}

// queued lists the files of some queues: "deferred/4/4A3C…".
func queued(names ...string) []string {
	var list []string
	for _, name := range names {
		filepath.WalkDir(filepath.Join(machine.Queue, name), func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				list = append(list, strings.TrimPrefix(path, machine.Queue+"/"))
			}
			return nil
		})
	}
	return list
}

// settle waits until no message is on its way. A message that another one
// caused exists before that one goes, so several looks in a row see it.
func (b *bed) settle() {
	b.t.Helper()
	calm := 0
	wait(b.t, fmt.Sprintf("%v: mail to settle", b.mix), func() bool {
		if len(queued("maildrop", "incoming", "active", "incoming")) == 0 {
			calm++
		} else {
			calm = 0
		}
		return calm > 4
	})
}

// run runs a command of the bed, and fails when it does.
func (b *bed) run(stdin, name string, args ...string) string {
	b.t.Helper()
	out, status := machine.Run(stdin, "/mix/bin/"+name, args...)
	if status != 0 && (name != "postkick" || status != -1) { // stock's gets SIGPIPE now and then
		b.t.Errorf("%v: %s %v: status %d\n%s", b.mix, name, args, status, out)
	}
	return out
}
