package sites

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postrider/test/machine"
)

// Limits for a program that meets a bad file.
const (
	memoryLimit = 200 << 20 // bytes in use at the most
	timeLimit   = 5 * time.Second
)

// A nonsense is something that is called main.cf, or master.cf, and is none.
type nonsense struct {
	name string
	make func(t *testing.T, path string)
	main string // what programs say of main.cf; "" when it is good
	cf   string // of master.cf
}

func text(s string) func(*testing.T, string) {
	return func(t *testing.T, path string) { write(t, path, s) }
}

var binary = "\x7fELF\x02\x01\x01" + string(make([]byte, 100)) + "\xff\xfe = \n\x00"

var loop = "myhostname = $mydomain\nmydomain = $myhostname\n"

var nonsenses = []nonsense{
	{"empty", text(""), "", ""},
	{"binary", text(binary), "%s, line 1: a NUL byte in ", "%s, line 1: a NUL byte: is this a binary file?"},
	{"100 MB", func(t *testing.T, path string) {
		write(t, path, "")
		if err := os.Truncate(path, 100<<20); err != nil {
			t.Fatal(err)
		}
	}, "%s: 104857600 bytes; a main.cf file has at most 16777216", "%s: 104857600 bytes; a master.cf file has at most 16777216"},
	{"directory", func(t *testing.T, path string) { os.Remove(path); os.Mkdir(path, 0o755) }, "%s: not a regular file", "%s: not a regular file"},
	{"device", func(t *testing.T, path string) { os.Remove(path); os.Symlink("/dev/zero", path) }, "%s: not a regular file", "%s: not a regular file"},
	{"pipe", func(t *testing.T, path string) { os.Remove(path); syscall.Mkfifo(path, 0o644) }, "%s: not a regular file", "%s: not a regular file"},
	{"missing", func(t *testing.T, path string) { os.Remove(path) }, "open %s: No such file or directory", "%s"},
	{"link to itself", func(t *testing.T, path string) { os.Remove(path); os.Symlink(path, path) }, "open %s: Too many levels of symbolic links", "%s"},
	{"no newline", text("mydestination = example.com\nmyhostname = mail.example.com"), "", ""},
	{"one line of 10 MB", func(t *testing.T, path string) { write(t, path, strings.Repeat("x", 10<<20)) },
		"%s, line 1: missing '=' after attribute name: ", "%s, line 1: field \"type\" is missing"},
	{"no settings", text("hello\nmydestination\n= x\n"), "%s, line 1: missing '=' after attribute name: \"hello\"", "%s, line 1: field"},
}

// daemons are those that can be started alone and only read main.cf.
func programs(t *testing.T) [][]string {
	t.Helper()
	list := [][]string{
		{"postfix", "status"}, {"postfix", "check"}, {"postconf", "-n"}, {"postqueue", "-p"}, {"sendmail", "-bv", "ann"}, {"sendmail", "-bs"},
		{"sendmail", "ann"}, {"newaliases"}, {"mailq"}, {"postsuper", "-s"}, {"postmap", "-q", "x", "static:y"}, {"postalias", "-q", "x", "static:y"},
		{"postcat", "-q", "ABC"}, {"postlog", "-t", "x", "text"}, {"postlock", "/tmp/lock", "true"}, {"postkick", "public", "pickup", ""},
		{"postdrop"}, {"qshape"}, {"/usr/libexec/postfix/master", "-t"},
	}
	names, err := filepath.Glob("/usr/libexec/postfix/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		info, err := os.Stat(name)
		base := filepath.Base(name)
		if strings.HasPrefix(base, "table-") { // gets its parameters from the process that starts it
			continue
		}
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 && base != "master" {
			list = append(list, []string{name, "-S"})
		}
	}
	return list
}

// runLimited runs a program, and returns what it said there and in the log.
func runLimited(t *testing.T, args ...string) (said string, status int) {
	t.Helper()
	os.Remove(machine.LogTo)
	cmd := exec.Command(args[0], args[1:]...)
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Stdin = &b, &b, strings.NewReader("")
	cmd.Env = append(os.Environ(), "MAIL_LOGTAG=postfix", "POSTLOG_SERVICE="+logSocket, "POSTLOG_HOSTNAME=mail")
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(timeLimit, func() { cmd.Process.Kill() })
	cmd.Wait()
	if !timer.Stop() {
		t.Errorf("%v: takes longer than %s", args, timeLimit)
	}
	if rss := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10; rss > memoryLimit {
		t.Errorf("%v: uses %d MB", args, rss>>20)
	}
	log, _ := os.ReadFile(machine.LogTo)
	return b.String() + logged() + string(log), cmd.ProcessState.ExitCode()
}

// Every program that reads main.cf says in a sentence what is wrong with one that
// is none: with file and line, without a trace of the language it is written in,
// within bounds of memory and time.
func TestHostileMain(t *testing.T) {
	machine.Install(t).User("ann")
	startLog(t)
	good := read(t, machine.Config+"/main.cf")
	path := machine.Config + "/main.cf"
	for _, n := range nonsenses {
		t.Run(n.name, func(t *testing.T) {
			defer func() { os.RemoveAll(path); write(t, path, good) }()
			n.make(t, path)
			for _, args := range programs(t) {
				said, status := runLimited(t, args...)
				noTrace(t, args, said)
				if n.main == "" {
					continue
				}
				if reason := fmt.Sprintf(n.main, path); !strings.Contains(said, reason) {
					t.Errorf("%v: status %d, does not say %q:\n%s", args, status, reason, shortened(said))
				} else if status == 0 && filepath.Base(args[0]) != "postlog" {
					t.Errorf("%v: status 0 with\n%s", args, shortened(said))
				}
			}
		})
	}
}

// A loop of references is an error of the parameters in it, for each program that
// needs one of them.
func TestReferenceLoop(t *testing.T) {
	machine.Install(t).User("ann")
	startLog(t)
	path := machine.Config + "/main.cf"
	good := read(t, path)
	write(t, path, good+loop)
	lines := strings.Count(good, "\n")
	for _, args := range programs(t) {
		said, _ := runLimited(t, args...)
		noTrace(t, args, said)
		if !strings.Contains(said, fmt.Sprintf("%s, line %d: myhostname: ", path, lines+1)) && !strings.Contains(said, fmt.Sprintf("%s, line %d: mydomain: ", path, lines+2)) &&
			filepath.Base(args[0]) != "postconf" && filepath.Base(args[0]) != "postlock" && filepath.Base(args[0]) != "postkick" {
			t.Errorf("%v does not tell of the loop:\n%s", args, shortened(said))
		}
	}
	// Values that grow with each reference.
	var b strings.Builder
	b.WriteString(good + "a0 = xxxxxxxxxxxxxxxx\n")
	for i := range 40 {
		fmt.Fprintf(&b, "a%d = $a%d$a%d\n", i+1, i, i)
	}
	write(t, path, b.String()+"myhostname = $a40\n")
	for _, args := range programs(t) {
		said, _ := runLimited(t, args...)
		noTrace(t, args, said)
	}
}

// The same for master.cf, of those that read it; a running system goes on, and
// what was mailed meanwhile is delivered.
func TestHostileMaster(t *testing.T) {
	s := machine.Install(t)
	s.User("ann")
	path := machine.Config + "/master.cf"
	good := read(t, path)
	s.Start()
	for i, n := range nonsenses {
		t.Run(n.name, func(t *testing.T) {
			n.make(t, path)
			out, _ := machine.Run("", "postfix", "check")
			noTrace(t, []string{"postfix", "check"}, out)
			if n.cf != "" && !strings.Contains(out, fmt.Sprintf(n.cf, path)) {
				t.Errorf("postfix check: no %q in\n%s", fmt.Sprintf(n.cf, path), shortened(out))
			}
			out, _ = machine.Run("", "postconf", "-M")
			noTrace(t, []string{"postconf", "-M"}, out)
			if n.name == "empty" || n.name == "no newline" { // then there are no services left
				os.RemoveAll(path)
				write(t, path, good)
				return
			}
			before := strings.Count(s.Log(), "]: reload")
			machine.Run("", "postfix", "reload")
			s.Send("Subject: while "+n.name+"\n\nx\n", "ann")
			s.Wait("mail", func() bool { return strings.Contains(s.Mailbox("ann"), "Subject: while "+n.name) })
			os.RemoveAll(path)
			write(t, path, good)
			s.Reload()
			s.Wait("reload", func() bool { return strings.Count(s.Log(), "]: reload") > before })
			s.Send(fmt.Sprintf("Subject: after %d\n\nx\n", i), "ann")
			s.Wait("mail", func() bool { return strings.Contains(s.Mailbox("ann"), fmt.Sprintf("Subject: after %d", i)) })
		})
	}
	noTrace(t, []string{"master"}, s.Log())
}

// A running system whose main.cf becomes nonsense loses nothing: mail waits until
// the file is right again.
func TestHostileWhileRunning(t *testing.T) {
	s := machine.Install(t, "queue_run_delay=1s", "minimal_backoff_time=1s", "transport_retry_time=1s", "service_throttle_time=1s")
	s.User("ann")
	path := machine.Config + "/main.cf"
	good := read(t, path)
	s.Start()
	for i, n := range nonsenses {
		if n.main == "" {
			continue
		}
		t.Run(n.name, func(t *testing.T) {
			s.Send(fmt.Sprintf("Subject: before %d\n\nx\n", i), "ann")
			n.make(t, path)
			out, status := machine.Run(fmt.Sprintf("Subject: during %d\n\nx\n", i), "sendmail", "ann")
			noTrace(t, []string{"sendmail"}, out)
			if status == 0 {
				t.Error("sendmail took mail")
			}
			os.RemoveAll(path)
			write(t, path, good)
			s.Wait("mail from before", func() bool { return strings.Contains(s.Mailbox("ann"), fmt.Sprintf("Subject: before %d\n", i)) })
		})
	}
	s.WaitEmpty()
	noTrace(t, []string{"the system"}, s.Log())
}

// noTrace looks for what a Go program says when it falls over.
func noTrace(t *testing.T, args []string, said string) {
	t.Helper()
	for _, word := range []string{"goroutine ", "panic", "runtime error", ".go:", "reflect", "out of memory"} {
		if strings.Contains(said, word) {
			t.Errorf("%v falls over:\n%s", args, shortened(said))
			return
		}
	}
}

func shortened(s string) string { return s[:min(len(s), 2000)] }

// A main.cf that only root may read: users cannot send mail, are told why, and
// "postfix check" says so before.
func TestUnreadable(t *testing.T) {
	s := machine.Install(t)
	uid := s.User("ann")
	path := machine.Config + "/main.cf"
	os.Chmod(path, 0o600)
	defer os.Chmod(path, 0o644)
	want(t, run(t, "postfix", "check"), path+" cannot be read by all users, who then cannot send mail: mode of "+path)
	for _, args := range [][]string{{"sendmail", "ann"}, {"sendmail", "-bs"}, {"mailq"}, {"postqueue", "-p"}, {"postdrop"}, {"postconf", "-n"}, {"postlog", "text"}} {
		out, status := machine.RunAs(uid, "Subject: x\n\nx\n", args[0], args[1:]...)
		if status == 0 && args[0] != "postlog" || !strings.Contains(out, "open "+path+": Permission denied") {
			t.Errorf("%v: status %d\n%s", args, status, out)
		}
		noTrace(t, args, out)
	}
}

// "postfix start" looks at the whole configuration in no time.
func TestCheckIsQuick(t *testing.T) {
	machine.Install(t)
	run(t, "newaliases")
	best := time.Hour
	for range 5 {
		begin := time.Now()
		run(t, "postfix", "check")
		best = min(best, time.Since(begin))
	}
	t.Logf("postfix check: %s", best)
	if best > time.Second {
		t.Errorf("postfix check takes %s", best)
	}
}
