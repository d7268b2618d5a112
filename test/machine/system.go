package machine

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
	"syscall"
	"testing"
	"time"
)

// Paths of an installed system.
const (
	Config = "/etc/postfix"
	Queue  = "/var/spool/postfix"
	LogTo  = "/var/log/mail.log"
)

// A System is a mail system that is installed in this machine.
type System struct {
	t       testing.TB
	offset  int64 // of the log, when the test began
	started bool
}

// Install puts our mail system, as install.sh staged it below build/stage, into
// the machine, with a main.cf of the defaults and the settings given. It is
// stopped and its queue emptied when the test ends.
func Install(t testing.TB, settings ...string) *System {
	t.Helper()
	if os.Getenv("MACHINE_INSIDE") == "" {
		t.Skip("only inside a machine")
	}
	s := &System{t: t}
	s.accounts()
	exec.Command("find", "/var/lib/postfix", "-type", "f", "-delete").Run() // caches of another test
	s.must("cp", "-a", "--remove-destination", "/src/build/stage/.", "/")
	s.must("postfix", "set-permissions")
	return s.configure(settings)
}

// InstallStock puts Debian's postfix into the machine. Its package files are in
// build/debs.
func InstallStock(t testing.TB, settings ...string) *System {
	t.Helper()
	s := &System{t: t}
	debs, _ := filepath.Glob("/src/build/debs/*.deb")
	if len(debs) == 0 {
		t.Skip("build/debs has no packages of the stock mail system")
	}
	s.accounts()
	args := append([]string{"--install", "--force-all", "--no-triggers"}, debs...)
	cmd := exec.Command("dpkg", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Logf("dpkg: %v\n%s", err, out)
	}
	return s.configure(settings)
}

// Installed is the mail system that the test has brought into the machine by itself.
func Installed(t testing.TB) *System {
	return &System{t: t}
}

func (s *System) accounts() {
	if _, err := exec.Command("id", "postfix").Output(); err == nil {
		return
	}
	s.must("groupadd", "-r", "postdrop")
	s.must("useradd", "-r", "-M", "-U", "-d", "/nonexistent", "-s", "/usr/sbin/nologin", "postfix")
}

func (s *System) configure(settings []string) *System {
	s.Set(append([]string{"maillog_file=" + LogTo, "maillog_file_prefixes=/var", "inet_interfaces=loopback-only"}, settings...)...)
	if st, err := os.Stat(LogTo); err == nil {
		s.offset = st.Size()
	}
	s.t.Cleanup(s.Stop)
	return s
}

// Set changes main.cf.
func (s *System) Set(settings ...string) {
	s.t.Helper()
	s.must("postconf", append([]string{"-e"}, settings...)...)
}

// Service changes or adds an entry of master.cf, given as its line.
func (s *System) Service(line string) {
	s.t.Helper()
	f := strings.Fields(line)
	s.must("postconf", "-M", f[0]+"/"+f[1]+"="+line)
}

// Start starts the system and waits until it runs.
func (s *System) Start() *System {
	s.t.Helper()
	s.must("postfix", "start")
	s.started = true
	return s
}

// Stop stops the system. What is left in the queue goes.
func (s *System) Stop() {
	if s.started || len(Daemons()) > 0 { // a command may have started it
		exec.Command("postfix", "stop").Run()
		s.started = false
		s.Wait("the end of all daemons", func() bool { return len(Daemons()) == 0 })
	}
	for _, name := range []string{"maildrop", "incoming", "active", "deferred", "hold", "corrupt", "bounce", "defer", "trace", "flush"} {
		exec.Command("find", Queue+"/"+name, "-type", "f", "-delete").Run()
	}
	if s.t.Failed() {
		log := s.Log()
		s.t.Logf("the mail log:\n%s", log[max(0, len(log)-20000):])
	}
}

// Reload makes the system read its configuration again.
func (s *System) Reload() {
	s.t.Helper()
	s.must("postfix", "reload")
}

// Log is the mail log since the test began.
func (s *System) Log() string {
	b, err := os.ReadFile(LogTo)
	if err != nil {
		return ""
	}
	return string(b[min(int64(len(b)), s.offset):])
}

// waitLimit is how long a test waits for an event before it fails.
const waitLimit = 30 * time.Second

// Wait waits until f returns true, and fails the test when it never does.
func (s *System) Wait(what string, f func() bool) {
	s.t.Helper()
	for end := time.Now().Add(waitLimit); !f(); {
		if time.Now().After(end) {
			s.t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// WaitLog waits for a line in the log that matches the pattern, and returns it.
func (s *System) WaitLog(pattern string) string {
	s.t.Helper()
	re := regexp.MustCompile("(?m)^.*(?:" + pattern + ").*$")
	var line string
	s.Wait("a log line: "+pattern, func() bool {
		line = re.FindString(s.Log())
		return line != ""
	})
	return line
}

// WaitEmpty waits until no message is in the queue. One look may miss a message
// that moves from one directory to another.
func (s *System) WaitEmpty() {
	s.t.Helper()
	looks := 0
	s.Wait("an empty queue", func() bool {
		if looks++; len(s.Queued()) > 0 {
			looks = 0
		}
		return looks == 3
	})
}

// User makes an account with a home directory, or cleans the one that is there,
// and its mailbox. It returns the number of the user and of the group.
func (s *System) User(name string) (uid int) {
	s.t.Helper()
	if _, status := Run("", "id", name); status != 0 {
		s.must("useradd", "-U", "-M", "-d", "/home/"+name, "-s", "/bin/sh", name)
	}
	os.RemoveAll("/home/" + name)
	os.Remove("/var/mail/" + name)
	os.Remove("/var/mail/" + name + ".lock") // of a delivery that an earlier test's end cut short
	s.must("install", "-d", "-m", "755", "-o", name, "-g", name, "/home/"+name)
	out, _ := Run("", "id", "-u", name)
	uid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		s.t.Fatal(err)
	}
	return uid
}

// Mailbox is what is in the mailbox of a user in /var/mail.
func (s *System) Mailbox(name string) string {
	b, _ := os.ReadFile("/var/mail/" + name)
	return string(b)
}

// Flush makes the system try all mail now. What is being tried is not tried again:
// a message that the log calls deferred gets a moment to be so.
func (s *System) Flush() {
	s.t.Helper()
	busy := func(path string) bool {
		return !strings.HasPrefix(path, "deferred/") && !strings.HasPrefix(path, "hold/")
	}
	for end := time.Now().Add(2 * time.Second); slices.ContainsFunc(s.Queued(), busy) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	s.must("postqueue", "-f")
}

// Queued lists the files of all message queues: "deferred/4/4A3C…".
func (s *System) Queued() []string {
	var list []string
	for _, name := range []string{"maildrop", "incoming", "active", "deferred", "hold", "corrupt"} {
		filepath.WalkDir(filepath.Join(Queue, name), func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				list = append(list, strings.TrimPrefix(path, Queue+"/"))
			}
			return nil
		})
	}
	return list
}

// Send gives a message to sendmail with the arguments.
func (s *System) Send(message string, args ...string) {
	s.t.Helper()
	out, status := Run(message, "sendmail", args...)
	if status != 0 {
		s.t.Fatalf("sendmail %v: status %d\n%s", args, status, out)
	}
}

func (s *System) must(name string, args ...string) {
	s.t.Helper()
	if out, status := Run("", name, args...); status != 0 {
		s.t.Fatalf("%s %s: status %d\n%s", name, strings.Join(args, " "), status, out)
	}
}

// Run runs a command and returns its standard output and error, and its exit
// status; -1 when it could not be run or was killed.
func Run(stdin, name string, args ...string) (output string, status int) {
	return RunAs(0, stdin, name, args...)
}

// RunAs is Run as another user, with a group of the same number.
func RunAs(uid int, stdin, name string, args ...string) (output string, status int) {
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	// A daemon that a command started may hold the pipe open.
	cmd.WaitDelay = time.Second
	if uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return fmt.Sprint(err), -1
	}
	return b.String(), cmd.ProcessState.ExitCode()
}

// Daemons are the programs of the mail system that run, by process ID.
func Daemons() map[int]string {
	daemons := make(map[int]string)
	names, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, name := range names {
		program, err := os.Readlink(name)
		if err != nil || !strings.Contains(program, "/libexec/postfix/") && !strings.Contains(program, "/lib/postfix/sbin/") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
			daemons[pid] = strings.TrimSuffix(filepath.Base(program), " (deleted)")
		}
	}
	return daemons
}
