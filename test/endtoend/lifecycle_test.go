package endtoend

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"postrider/test/machine"
)

// S3.3: stop lets nothing behind; abort ends sessions at once; a start goes on
// where the stop was. Mail of every queue survives.
func TestStopAbortStart(t *testing.T) {
	s := site(t, "defer_transports=local").Start()
	s.Send("Subject: deferred\n\nx\n", "-f", "joe@remote.example", "ann")
	s.WaitLog("status=deferred")
	c := greet(t)
	c.say("MAIL FROM:<x@remote.example>", "250")
	c.say("RCPT TO:<ann@example.com>", "250")
	c.say("DATA", "354")
	fmt.Fprint(c, "Subject: half\r\n\r\nhalf")
	run(t, 0, "", "postfix", "abort")
	s.Wait("the end of all daemons", func() bool { return len(machine.Daemons()) == 0 })
	if got := c.last(); got != "closed" && !strings.HasPrefix(got, "421") {
		t.Error(got)
	}
	s.Set("defer_transports=")
	s.Start()
	run(t, 0, "", "postfix", "flush")
	s.Wait("the message", func() bool { return strings.Contains(s.Mailbox("ann"), "Subject: deferred") })
	wantNot(t, s.Mailbox("ann"), "half")
	run(t, 0, "", "postfix", "stop")
	s.Wait("the end of all daemons", func() bool { return len(machine.Daemons()) == 0 })
	for _, dir := range []string{"incoming", "active", "deferred", "maildrop"} {
		if list, _ := filepath.Glob(machine.Queue + "/" + dir + "/*"); len(list) > 0 {
			for _, name := range list {
				if st, err := os.Stat(name); err == nil && !st.IsDir() {
					t.Errorf("left: %s", name)
				}
			}
		}
	}
}

// S1.6: mail that waits in hold stays there through restarts, and goes when it is
// released.
func TestHold(t *testing.T) {
	s := site(t, "smtpd_recipient_restrictions=check_recipient_access inline:{{bob@example.com=HOLD for a look}},permit_mynetworks,reject").Start()
	c := greet(t)
	c.submit("x@remote.example", "bob@example.com", "Subject: held\n\nx\n")
	c.say("QUIT", "221")
	s.WaitLog(`hold: RCPT from localhost\[127.0.0.1\]: <bob@example.com>: Recipient address for a look|: hold: .*bob@example.com`)
	s.Wait("a message in hold", func() bool { list := s.Queued(); return len(list) == 1 && strings.HasPrefix(list[0], "hold/") })
	want(t, run(t, 0, "", "mailq"), "!")
	run(t, 0, "", "postfix", "stop")
	s.Start()
	run(t, 0, "", "postqueue", "-f")
	run(t, 0, "", "postsuper", "-H", "ALL")
	run(t, 0, "", "postqueue", "-f")
	s.WaitEmpty()
	want(t, s.Mailbox("bob"), "Subject: held")
}

// S3.1: a start on a machine without anything creates what is missing, names each,
// and gives it the right owner.
func TestStartCreates(t *testing.T) {
	s := site(t)
	dirs := []string{"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "saved", "trace", "private", "public", "maildrop", "pid"}
	for _, dir := range dirs {
		os.RemoveAll(machine.Queue + "/" + dir)
	}
	os.RemoveAll("/var/lib/postfix")
	out, status := machine.Run("", "postfix", "start")
	if status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	defer machine.Run("", "postfix", "stop")
	for _, dir := range append(dirs, "/var/lib/postfix") {
		if !filepath.IsAbs(dir) {
			dir = machine.Queue + "/" + dir
		}
		want(t, out+s.Log(), "created missing directory "+dir+" (owner ")
	}
	for path, mode := range map[string]os.FileMode{"maildrop": 0o730 | os.ModeSticky, "public": 0o710 | os.ModeSetgid, "private": 0o700, "incoming": 0o700} {
		st, err := os.Stat(machine.Queue + "/" + path)
		if err != nil || st.Mode()&^os.ModeDir != mode {
			t.Errorf("%s: %v %v", path, st.Mode(), err)
		}
	}
	s.Send("Subject: new\n\nx\n", "-f", "joe@remote.example", "ann")
	s.Wait("the message", func() bool { return strings.Contains(s.Mailbox("ann"), "Subject: new") })
	run(t, 0, "", "postfix", "check")
}

// S1.3: a daemon that is broken is tried again later, only its service suffers,
// and when it is repaired its mail goes out without a restart.
func TestBrokenDaemonRecovers(t *testing.T) {
	s := site(t, "service_throttle_time=1s", "transport_retry_time=1s", "minimal_backoff_time=1s", "maximal_backoff_time=1s", "queue_run_delay=1s")
	program := "/usr/libexec/postfix/local"
	os.Rename(program, program+".good")
	defer os.Rename(program+".good", program)
	os.Symlink("/bin/false", program)
	s.Start()
	s.Send("Subject: waits\n\nx\n", "-f", "joe@remote.example", "ann")
	s.WaitLog(`postfix/master\[\d+\]: warning: process /usr/libexec/postfix/local pid \d+ exit status 1`)
	s.WaitLog(`postfix/master\[\d+\]: warning: /usr/libexec/postfix/local: bad command startup -- throttling`)
	c := greet(t) // others work
	c.say("QUIT", "221")
	os.Remove(program)
	os.Rename(program+".good", program)
	s.WaitLog("status=sent")
	want(t, s.Mailbox("ann"), "Subject: waits")
	s.WaitEmpty()
}

// S1.3: a daemon is replaced after max_use clients, and one that is idle ends.
func TestReuseAndIdle(t *testing.T) {
	s := site(t, "max_use=2", "max_idle=1s").Start()
	for range 5 {
		c := greet(t)
		c.say("QUIT", "221")
	}
	count := func() (n int) {
		for _, name := range machine.Daemons() {
			if name == "smtpd" {
				n++
			}
		}
		return n
	}
	pids := map[string]bool{}
	for line := range strings.Lines(s.Log()) {
		if _, rest, ok := strings.Cut(line, "postfix/smtpd["); ok && strings.Contains(rest, ": connect from") {
			pids[rest[:strings.IndexByte(rest, ']')]] = true
		}
	}
	if len(pids) < 3 {
		t.Errorf("%d processes for 5 clients", len(pids))
	}
	s.Wait("the end of idle servers", func() bool { return count() == 0 })
	greet(t)
	if count() != 1 {
		t.Error("no new server")
	}
}

// S1.3, S3.3: kill any daemon: master starts another one, mail goes on.
func TestKilledDaemons(t *testing.T) {
	s := site(t, "service_throttle_time=1s").Start()
	s.Send("Subject: first\n\nx\n", "-f", "joe@remote.example", "ann")
	s.WaitEmpty()
	for pid, name := range machine.Daemons() {
		if name != "master" && name != "postlogd" {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	s.WaitLog(`postfix/master\[\d+\]: warning: process /usr/libexec/postfix/\S+ pid \d+ killed by signal 9`)
	s.Send("Subject: second\n\nx\n", "-f", "joe@remote.example", "ann")
	s.Wait("the message", func() bool { return strings.Contains(s.Mailbox("ann"), "Subject: second") })
	s.WaitEmpty()
}

// S4.1: reload takes services away and brings new ones.
func TestReloadServices(t *testing.T) {
	s := site(t).Start()
	s.Service("127.0.0.1:2526 inet n - n - - smtpd -o smtpd_banner=extra")
	s.Reload()
	s.Wait("the new port", func() bool { return listens(2526) })
	c := dial(t, "127.0.0.1:2526")
	c.expect("220 extra")
	run(t, 0, "", "postconf", "-MX", "127.0.0.1:2526/inet")
	s.Reload()
	s.Wait("the second reload", func() bool { return strings.Count(s.Log(), "]: reload ") == 2 })
	s.Wait("an end of the port", func() bool { return !listens(2526) })
	if got := c.last(); got != "closed" && !strings.HasPrefix(got, "421") {
		t.Errorf("a session of a service that is gone: %s", got)
	}
}

// listens reports whether a process listens on a port of this machine.
func listens(port int) bool {
	table, _ := os.ReadFile("/proc/net/tcp")
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) && f[3] == "0A" {
			return true
		}
	}
	return false
}
