// Package sites runs the configurations of conf/examples as they are shipped, with
// other hosts and programs around them, and what else a configuration can be: the
// old one, and nonsense.
package sites

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postrider/test/machine"
	"postrider/test/peer/sink"
	"postrider/test/peer/zone"
)

func TestMain(m *testing.M) { machine.Main(m) }

// example installs the files of a folder below conf/examples. Tables are made by
// postmap and newaliases. The log goes to a file, since there is no syslog here.
func example(t *testing.T, name string, users ...string) *machine.System {
	t.Helper()
	s := machine.Install(t)
	for _, user := range users {
		s.User(user)
	}
	names, _ := filepath.Glob("/src/conf/examples/" + name + "/*")
	for _, path := range names {
		text, file := read(t, path), filepath.Base(path)
		switch file {
		case "aliases":
			write(t, "/etc/aliases", text)
		case "main.cf":
			write(t, machine.Config+"/main.cf", text)
			s.Set("maillog_file=" + machine.LogTo)
		case "zone", "dovecot.conf", "ip-up", "README.md":
		default:
			write(t, filepath.Join(machine.Config, file), text)
			run(t, "postmap", "cdb:"+filepath.Join(machine.Config, file))
		}
	}
	run(t, "newaliases")
	// What is shipped has nothing that "postfix check" would complain about.
	if out := run(t, "postfix", "check"); out != "" {
		t.Errorf("postfix check says:\n%s", out)
	}
	return s
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	os.MkdirAll(filepath.Dir(path), 0o755)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs a command that must not fail, and returns what it says.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, status := machine.Run("", name, args...)
	if status != 0 {
		t.Fatalf("%s %v: status %d\n%s", name, args, status, out)
	}
	return out
}

// needs skips the test when a program of others is missing.
func needs(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if _, err := exec.LookPath(path); err != nil {
			t.Skipf("no %s here; test.sh installs it", path)
		}
	}
}

// want checks that text has all the parts.
func want(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
}

// place runs f in a network namespace.
func place(t *testing.T, name string, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() { // on a thread that ends with it
		runtime.LockOSThread()
		fd, err := unix.Open("/run/netns/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			unix.Close(fd)
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatalf("in %s: %v", name, err)
	}
}

// attach makes another network, with a cable to this machine or to another one.
// The other end has the address far, this one the address near.
func attach(t *testing.T, name, far, to, near string) {
	t.Helper()
	if _, err := os.Stat("/run/netns/" + name); err != nil { // the first cable
		run(t, "ip", "netns", "add", name)
		t.Cleanup(func() { machine.Run("", "ip", "netns", "delete", name) })
		run(t, "ip", "-n", name, "link", "set", "lo", "up")
	}
	mine := []string{}
	if to != "" {
		mine = []string{"-n", to}
	}
	at := func(ns []string, args ...string) {
		t.Helper()
		run(t, "ip", append(append([]string{}, ns...), args...)...)
	}
	here, there := name+"-in", name+"-out"
	at(mine, "link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
	if to == "" {
		t.Cleanup(func() { machine.Run("", "ip", "link", "delete", here) })
	}
	at(mine, "addr", "add", near+"/24", "dev", here)
	at(mine, "link", "set", here, "up")
	at([]string{"-n", name}, "addr", "add", far+"/24", "dev", there)
	at([]string{"-n", name}, "link", "set", there, "up")
}

// startSink starts a server that takes mail.
func startSink(t *testing.T, where, addr string, o sink.Options) *sink.Server {
	t.Helper()
	var server *sink.Server
	place(t, where, func() (err error) {
		server, err = sink.Start("tcp", addr, o)
		return err
	})
	t.Cleanup(server.Close)
	return server
}

// startZone starts a name server, which this machine asks.
func startZone(t *testing.T, where, addr, text string) {
	t.Helper()
	var server *zone.Server
	place(t, where, func() (err error) {
		server, err = zone.Start(addr+":53", text)
		return err
	})
	t.Cleanup(server.Close)
	before := read(t, "/etc/resolv.conf")
	t.Cleanup(func() { os.WriteFile("/etc/resolv.conf", []byte(before), 0o644) })
	if err := server.Resolv("/etc/resolv.conf"); err != nil {
		t.Fatal(err)
	}
}

// messages waits until a server has n messages.
func messages(t *testing.T, server *sink.Server, n int) []sink.Message {
	t.Helper()
	list, err := server.Wait(n, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A talk is a session with a server of lines, as a person types it.
type talk struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

// dial connects from an address in a network, to a server that greets.
func dial(t *testing.T, where, from, addr string) *talk {
	t.Helper()
	var conn net.Conn
	dialer := net.Dialer{Timeout: 10 * time.Second}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	connect := func() (err error) { conn, err = dialer.Dial("tcp", addr); return err }
	if where != "" {
		place(t, where, connect)
	} else if err := connect(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &talk{t, conn, bufio.NewReader(conn)}
	c.reply()
	return c
}

// say sends a line and returns the last line of the reply, which must begin in
// the way given.
func (c *talk) say(line, code string) string {
	c.t.Helper()
	fmt.Fprint(c, line+"\r\n")
	got := c.reply()
	if !strings.HasPrefix(got, code) {
		c.t.Errorf("%s: got %q, want %s", line, got, code)
	}
	return got
}

// reply reads a reply and returns its last line.
func (c *talk) reply() string {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return "closed"
		}
		if len(line) < 4 || line[3] != '-' {
			return strings.TrimSpace(line)
		}
	}
}

// submit sends a message over SMTP, after EHLO.
func (c *talk) submit(from, to, content string) {
	c.t.Helper()
	c.say("MAIL FROM:<"+from+">", "250")
	c.say("RCPT TO:<"+to+">", "250")
	c.say("DATA", "354")
	c.say(strings.ReplaceAll(content, "\n", "\r\n")+".", "250")
}
