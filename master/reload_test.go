package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// S4.1, S3.3: a reload changes services, adds and removes some, and cuts no
// session short.
func TestReload(t *testing.T) {
	port := freePort(t)
	r := newRig(t, "", "box unix - n - - 1 echo\ngone unix - n - - - echo\n"+port+" inet n n - - - echo\n")
	c, gone, tcp := r.connect("private/box"), r.connect("private/gone"), r.connect(port)
	old := fact(c.facts(), "pid")
	gone.facts()
	waiting := r.connect("private/box") // in the queue of the socket, across the reload
	first := tcp.facts()
	r.reload("box unix - n - - 1 echo -x\n" + port + " inet n n - - - echo\nnew unix n n - - - echo\n")
	r.log("reload -- version ")
	gone.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := gone.ReadByte(); err == nil {
		t.Error("a removed service says more")
	}
	if got := r.connect("public/new").facts(); !strings.Contains(got, "echo -n new ") {
		t.Errorf("new service: %q", got)
	}
	waiting.waits()
	c.leave() // a session that the reload did not touch
	got := waiting.facts()
	if fact(got, "pid") == old || !strings.Contains(got, " -x; ") {
		t.Errorf("after the reload: %q", got)
	}
	tcp.leave()
	if second := fact(r.connect(port).facts(), "pid"); second == fact(first, "pid") {
		t.Errorf("process %s of the past has taken a new client", second)
	}
}

// A wrong master.cf keeps everything as it is, and each wrong line is named.
func TestWrongReload(t *testing.T) {
	r := newRig(t, "", "box unix - n - - 1 echo\n")
	old := r.connect("private/box")
	pid := fact(old.facts(), "pid")
	r.reload("box unix - n - - 1 echo -x\nbad foo - n - - - echo\n127.0.0.1:nosuchport inet n - n - - echo\n")
	r.log("master.cf, line 2: ")
	r.log("master.cf, line 3: ")
	r.log("error: configuration not changed")
	old.leave()
	if got := r.connect("private/box").facts(); fact(got, "pid") != pid || strings.Contains(got, " -x") {
		t.Errorf("service has changed: %q", got)
	}
	r.write("main.cf", "myhostname = x\n===\n")
	r.do(r.m.reload)
	r.log("main.cf, line 2")
}

// A new limit and a new kind of socket for the same name; an address that
// cannot be had stops nothing else.
func TestReloadSockets(t *testing.T) {
	r := newRig(t, "", "box unix - n - - 1 echo\n")
	r.connect("private/box").facts()
	r.reload("box fifo - n - - 1 echo\nother unix - n - - - echo\n192.0.2.77:10025 inet n n - - - echo\n")
	r.log("master.cf, line 3: service 192.0.2.77:10025(inet) does not run: bind 192.0.2.77 port 10025: ")
	info, err := os.Lstat("private/box")
	if err != nil || info.Mode() != os.ModeNamedPipe|0o622 {
		t.Errorf("fifo: %v, %v", info.Mode(), err)
	}
	r.connect("private/other").facts()
}

// SIGHUP and SIGCHLD come in through the loop.
func TestSignals(t *testing.T) {
	r := newRig(t, "", "box unix - n - - 1 echo\n")
	c := r.connect("private/box")
	c.facts()
	c.leave()
	r.connect("private/box").facts()
	unix.Kill(os.Getpid(), unix.SIGHUP)
	r.log("reload -- version ")
	var pid int
	r.do(func() { pid = pids(r.m)[0] })
	unix.Kill(pid, unix.SIGKILL)
	r.log("killed by signal 9")
	r.connect("private/box").facts()
}

// The process ID is 32 columns wide in the lock files, as scripts expect.
func TestLocks(t *testing.T) {
	newRig(t, "", "box unix - n - - 1 echo\n")
	f, err := openLock(pidFile())
	if err != nil {
		t.Fatal(err)
	}
	writePID(f)
	if _, err := openLock(pidFile()); err != errLocked {
		t.Errorf("second lock: %v", err)
	}
	data, err := os.ReadFile("pid/master.pid")
	if err != nil || len(data) != 33 || !strings.HasSuffix(strings.TrimSpace(string(data)), itoa(os.Getpid())) {
		t.Errorf("lock file: %q, %v", data, err)
	}
	info, err := f.Stat()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("lock file: mode %v, %v", info.Mode(), err)
	}
}
