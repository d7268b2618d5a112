package run

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"postrider/lib/base/asuser"
)

func command(line string) Command {
	return Command{Line: line, Limit: time.Minute, Output: 4096, Env: []string{"PATH=" + DefaultPath, "A=b c"}}
}

// How a command ends, with and without a shell. S2.7, S2.9.
func TestRun(t *testing.T) {
	for _, test := range []struct {
		line   string
		output string
		status int
		signal syscall.Signal
	}{
		{"echo one two", "one two\n", 0, 0},
		{"/bin/echo  one   two ", "one two\n", 0, 0},
		{"echo 'one   two'; exit 67", "one   two\n", 67, 0},
		{"exit 75", "", 75, 0}, // a shell command that is no program
		{`printf %s "$A" >&2`, "b c", 0, 0},
		{"kill -9 $$", "", 0, syscall.SIGKILL},
		{"cat", "hello\n", 0, 0},
		{"true", "", 0, 0}, // does not read its input
		{"exec 0<&-; sleep 0.1; echo done", "done\n", 0, 0},
		{"sh -c 'kill -13 $$'; echo $?", "141\n", 0, 0},
	} {
		c := command(test.line)
		c.Input = func(w io.Writer) error { _, err := io.WriteString(w, "hello\n"); return err }
		r, err := Run(c)
		if err != nil || r.Input != nil || r.TimedOut {
			t.Errorf("%s: %+v %v", test.line, r, err)
		}
		if r.Output != test.output || r.Status != test.status || r.Signal != test.signal {
			t.Errorf("%s: got %+v", test.line, r)
		}
	}
}

func TestCannotStart(t *testing.T) {
	for _, line := range []string{"/no/such/program", "", " \t", "/etc/passwd"} {
		var se *StartError
		if r, err := Run(command(line)); !errors.As(err, &se) || se.Temporary {
			t.Errorf("%q: got %+v %v", line, r, err)
		}
	}
	r, err := Run(command("nosuchprogram here"))
	if err != nil || r.Status != 127 {
		t.Errorf("got %+v %v", r, err)
	}
}

// Everything that the command started dies with it, and those that left with
// its pipes do not hold us up. S4.5.3.
func TestTimeLimit(t *testing.T) {
	for _, line := range []string{
		"sleep 100",
		"sleep 100 & echo $$; wait",
		"(sleep 100 &); exit 0",
		"setsid sleep 7 & sleep 100",
		"trap '' TERM INT HUP; while :; do sleep 1; done",
	} {
		c := command(line)
		c.Limit = 200 * time.Millisecond
		c.Input = func(w io.Writer) error { _, err := w.Write(make([]byte, 1<<20)); return err }
		start := time.Now()
		r, err := Run(c)
		if !r.TimedOut || err != nil || r.Input != nil {
			t.Errorf("%s: got %+v %v", line, r, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: took %v", line, took)
		}
		var pid int
		if n, _ := fmt.Sscan(r.Output, &pid); n == 1 {
			if err := syscall.Kill(-pid, 0); err != syscall.ESRCH && !allZombies(pid) {
				t.Errorf("%s: process group %d is alive: %v", line, pid, err)
			}
		}
	}
}

// allZombies: a container may have no init that reaps orphans.
func allZombies(group int) bool {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		text, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(f) > 2 && f[2] == fmt.Sprint(group) && f[0] != "Z" {
			return false
		}
	}
	return true
}

func TestOutputIsCut(t *testing.T) {
	c := command("head -c 100000 /dev/zero | tr '\\0' x; exit 3")
	c.Output = 10
	r, err := Run(c)
	if r.Output != "xxxxxxxxxx" || r.Status != 3 || err != nil {
		t.Errorf("got %+v %v", r, err)
	}
}

func TestInputFails(t *testing.T) {
	wrong := errors.New("cannot read")
	c := command("cat; echo all")
	c.Input = func(w io.Writer) error { io.WriteString(w, "half"); return wrong }
	if r, err := Run(c); r.Input != wrong || strings.Contains(r.Output, "all") || r.Signal != syscall.SIGKILL || err != nil {
		t.Errorf("got %+v %v", r, err)
	}
}

// The child has all its IDs changed and cannot get root back, even when
// started with other rights, and leads a session.
func TestUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	c := command("grep -E '^(Uid|Gid|Groups):' /proc/self/status | tr -s '\\t' ' '; cut -d' ' -f4,6 /proc/$$/stat; echo $$; pwd")
	c.User = &asuser.User{UID: 60001, GID: 60002, Groups: []int{60002, 60003}}
	c.Dir = "/usr"
	run := func() error {
		r, err := Run(c)
		var stat, pid int
		lines := strings.Split(r.Output, "\n")
		if len(lines) < 6 {
			t.Fatalf("%q", lines)
		}
		fmt.Sscan(lines[3], new(int), &stat)
		fmt.Sscan(lines[4], &pid)
		if lines[0] != "Uid: 60001 60001 60001 60001" || lines[1] != "Gid: 60002 60002 60002 60002" ||
			strings.TrimSpace(lines[2]) != "Groups: 60002 60003" || stat != pid || lines[5] != "/usr" || err != nil {
			t.Errorf("got %q %v", lines, err)
		}
		return nil
	}
	run()
	asuser.Do(asuser.User{UID: 60009, GID: 60009}, run)
}

func TestDirOutOfReach(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	c := command("true")
	c.Dir = "/root"
	os.Chmod("/root", 0o700)
	c.User = &asuser.User{UID: 60001, GID: 60002}
	if r, err := Run(c); !errors.Is(err, syscall.EACCES) {
		t.Errorf("got %+v %v", r, err)
	}
}

func TestChroot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	c := Command{Args: []string{"/busybox"}, Chroot: t.TempDir(), User: &asuser.User{UID: 60001, GID: 60002}, Limit: time.Minute}
	if r, err := Run(c); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("got %+v %v", r, err)
	}
}
