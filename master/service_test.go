package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// S1.5: what a process finds when master starts it.
func TestChild(t *testing.T) {
	r := newRig(t, "syslog_name = out\n", "box unix - n - - 0 smtpd -o {a = b c} -v\n")
	got := r.connect("private/box").facts()
	if want := "smtpd -z -n box -t unix -d -o a = b c -v; "; !strings.HasPrefix(got, want) {
		t.Errorf("command line: got %q, want %q", got, want)
	}
	for name, want := range map[string]string{
		"slack": "20000000", "procs": "1", "generation": "1", "nonblock": "true",
		"tag": "out", "secret": "", "flow": "ok",
	} {
		if value := fact(got, name); value != want {
			t.Errorf("%s: got %q, want %q", name, value, want)
		}
	}
	info, err := os.Lstat("private/box")
	if err != nil || info.Mode() != os.ModeSocket|0o666 {
		t.Errorf("socket: %v, %v", info.Mode(), err)
	}
	if slack, _ := os.ReadFile("/proc/self/timerslack_ns"); strings.TrimSpace(string(slack)) == "20000000" {
		t.Error("master kept the slack of its child")
	}
}

// S1.2, S4.4.1: one process for each client at the same time, no more than the
// limit; a client beyond that is served when a process becomes free.
func TestLimit(t *testing.T) {
	r := newRig(t, "default_process_limit = 2\n", "box unix - n - - - echo\n")
	a, b, c := r.connect("private/box"), r.connect("private/box"), r.connect("private/box")
	first, second := fact(a.facts(), "pid"), fact(b.facts(), "pid")
	if first == second {
		t.Errorf("two clients are served by process %s", first)
	}
	c.waits()
	a.leave()
	if third := fact(c.facts(), "pid"); third != first {
		t.Errorf("third client served by %s, want %s", third, first)
	}
	b.leave()
	c.leave()
	if again := fact(r.connect("private/box").facts(), "pid"); again != first && again != second {
		t.Errorf("process %s started while others were free", again)
	}
	r.do(func() {
		if n := len(r.m.processes); n != 2 {
			t.Errorf("%d processes, want 2", n)
		}
	})
}

// stopped says whether all threads of a process have been stopped by a signal.
func stopped(pid int) bool {
	stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, name := range stats {
		b, _ := os.ReadFile(name)
		if _, state, _ := strings.Cut(string(b), ") "); !strings.HasPrefix(state, "T") {
			return false
		}
	}
	return true
}

// A client that the only process which was woken for it does not serve gets
// another one, although master takes the rest for free.
func TestInherit(t *testing.T) {
	r := newRig(t, "", "box unix - n - - - echo\n")
	var pids []int
	var list []*client
	for range 2 {
		c := r.connect("private/box")
		var pid int
		fmt.Sscan(fact(c.facts(), "pid"), &pid)
		pids, list = append(pids, pid), append(list, c)
	}
	for _, c := range list {
		c.leave()
	}
	for free := 0; free < len(pids); time.Sleep(time.Millisecond) {
		r.do(func() { free = r.m.processes[pids[0]].service.free })
	}
	for _, pid := range pids {
		unix.Kill(pid, unix.SIGSTOP)
		for !stopped(pid) { // until then it may still accept
			time.Sleep(time.Millisecond)
		}
	}
	defer unix.Kill(pids[1], unix.SIGCONT)
	c := r.connect("private/box")
	c.waits()
	unix.Kill(pids[0], unix.SIGKILL)
	if fact(c.facts(), "pid") == "" {
		t.Error("nobody serves the client")
	}
}

// S1.3: a program that fails before it has served a client is not started over
// and over.
func TestThrottle(t *testing.T) {
	r := newRig(t, "service_throttle_time = 1s\n", "box unix - n - - - crash\nbad unix - n - - - nothing\n")
	r.connect("private/box")
	r.log("warning: process " + r.dir + "/libexec/crash pid ")
	r.log(" exit status 3")
	r.log("warning: " + r.dir + "/libexec/crash: bad command startup -- throttling")
	if n := r.find("bad command startup"); n != 1 {
		t.Errorf("throttled %d times at once", n)
	}
	start := time.Now()
	for r.find("bad command startup") < 2 && time.Since(start) < 10*time.Second {
		<-r.news
	}
	if d := time.Since(start); d < 500*time.Millisecond {
		t.Errorf("started again after %v", d)
	}
	r.connect("private/bad")
	r.log("libexec/nothing: No such file or directory -- throttling")
}

// A program that fails later is worth another try at once.
func TestLateFailure(t *testing.T) {
	r := newRig(t, "", "box unix - n - - 1 once\n")
	c := r.connect("private/box")
	c.facts()
	c.leave()
	r.log("libexec/once pid ")
	if fact(r.connect("private/box").facts(), "pid") == "" || r.find("throttling") > 0 {
		t.Error("service does not go on")
	}
}

// S1.5: master wakes up services, those with "?" when they are in use.
func TestWakeup(t *testing.T) {
	r := newRig(t, "", "box unix - n - 1000 - trigger\nlate unix - n - 1000? - trigger\n"+
		"log unix-dgram n n - 1000 1 packet\n")
	lines := r.records()
	got := map[string]int{<-lines: 1}
	got[<-lines]++
	if got[`"W\x00"`] != 1 || got["W\x00"] != 1 {
		t.Errorf("services got %v", got)
	}
	c := r.connect("private/late")
	fmt.Fprint(c, "X")
	c.Close()
	got = map[string]int{<-lines: 1}
	got[<-lines]++
	if got[`"X"`] != 1 || got[`"W\x00"`] != 1 {
		t.Errorf("service got %v", got)
	}
}

// records returns what children record.
func (r *rig) records() <-chan string {
	if err := unix.Mkfifo("record", 0o600); err != nil {
		r.t.Fatal(err)
	}
	f, err := os.OpenFile("record", os.O_RDWR, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { f.Close() })
	lines := make(chan string, 100)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := f.Read(buf)
			if err != nil {
				return
			}
			for _, line := range strings.Split(strings.TrimSuffix(string(buf[:n]), "\n"), "\n") {
				lines <- line
			}
		}
	}()
	return lines
}

// S1.2: at the limit of a service for strangers the administrator is told, and
// later processes are started under stress; sessions go on.
func TestStress(t *testing.T) {
	port := freePort(t)
	r := newRig(t, "", port+" inet n n - - 2 echo\n")
	if got := r.connect(port).facts(); !strings.HasPrefix(got, "echo -n "+port+" -t inet -d; ") {
		t.Errorf("command line of a service on a loopback address: %q", got)
	}
	r.do(func() {
		s := r.m.services[port+"/inet/"]
		s.stress = true // what strangers can reach
	})
	a := r.connect(port)
	if got := a.facts(); !strings.Contains(got, " -o stress=yes; ") {
		t.Errorf("last process that the limit allows: %q", got)
	}
	r.log(fmt.Sprintf("warning: service %q (%s) has reached its process limit \"2\": new clients may experience noticeable delays",
		port, port[strings.IndexByte(port, ':')+1:]))
	r.connect(port).waits()
	a.leave()
}

func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func statusMessage(pid int, generation uint32, status int32) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(pid))
	b = binary.NativeEndian.AppendUint32(b, generation)
	return binary.NativeEndian.AppendUint32(b, uint32(status))
}

// A status message of a stranger, of another generation, or in two pieces.
func TestStatus(t *testing.T) {
	r := newRig(t, "", "box unix - n - - 1 echo\n")
	r.connect("private/box").facts()
	r.do(func() {
		s := r.m.services["box/unix/private"]
		p := r.m.processes[pids(r.m)[0]]
		if p.free {
			t.Error("process is not known to be busy")
		}
		b := statusMessage(p.pid, p.generation+1, statusFree)
		b = append(b, statusMessage(p.pid+100000, p.generation, statusFree)...)
		b = append(b, statusMessage(p.pid, p.generation, 9)...)
		for _, one := range [][]byte{b[:12], b[12:24], b[24:]} {
			s.news(one)
		}
		if p.free || s.free != 0 {
			t.Error("a wrong message was believed")
		}
		good := statusMessage(p.pid, p.generation, statusFree)
		unix.Write(s.status[1], good[:5])
		s.readStatus()
		if p.free {
			t.Error("half a message was believed")
		}
		unix.Write(s.status[1], good[5:])
		s.readStatus()
		if !p.free || s.free != 1 || p.served != 1 {
			t.Error("a message in two pieces was lost")
		}
	})
	r.log("ignoring status update from child pid ")
	r.log("ignoring unknown status: 9 allegedly from pid: ")
}
