package endtoend

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postrider/test/machine"
	"postrider/test/peer/sink"
	"postrider/test/peer/zone"
)

// site installs a host of example.com with the users ann and bob.
func site(t *testing.T, settings ...string) *machine.System {
	t.Helper()
	s := machine.Install(t, append([]string{"myhostname=mail.example.com", "mydestination=$myhostname,example.com,localhost",
		"myorigin=example.com"}, settings...)...)
	s.User("ann")
	s.User("bob")
	write(t, "/etc/aliases", "postmaster: root\nMAILER-DAEMON: postmaster\npostfix: root\n", 0o644)
	run(t, 0, "", "newaliases")
	os.Remove("/var/mail/root")
	os.Remove("/var/mail/root.lock")
	return s
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	os.Chmod(path, mode)
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
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

// wantNot checks that text has none of the parts.
func wantNot(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(text, part) {
			t.Errorf("%q in\n%s", part, text)
		}
	}
}

// wantMatch checks that a line of the text matches each pattern.
func wantMatch(t *testing.T, text string, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		if !regexp.MustCompile("(?m)" + pattern).MatchString(text) {
			t.Errorf("nothing like %q in\n%s", pattern, text)
		}
	}
}

// needs skips the test when a program of others is missing.
func needs(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("no %s here; test.sh installs it", name)
	}
}

// startSink starts a peer that takes mail.
func startSink(t *testing.T, network, addr string, o sink.Options) *sink.Server {
	t.Helper()
	server, err := sink.Start(network, addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

// farSink starts a peer on the second host.
func farSink(t *testing.T, far *machine.Host, addr string, o sink.Options) *sink.Server {
	t.Helper()
	var server *sink.Server
	far.Do(func() (err error) {
		server, err = sink.Start("tcp", addr, o)
		return err
	})
	t.Cleanup(server.Close)
	return server
}

// farZone starts a name server on the second host; this machine asks it.
func farZone(t *testing.T, far *machine.Host, text string) *zone.Server {
	t.Helper()
	var server *zone.Server
	far.Do(func() (err error) {
		server, err = zone.Start(machine.Far+":53", text)
		return err
	})
	t.Cleanup(server.Close)
	before := read(t, "/etc/resolv.conf")
	t.Cleanup(func() { os.WriteFile("/etc/resolv.conf", []byte(before), 0o644) })
	if err := server.Resolv("/etc/resolv.conf"); err != nil {
		t.Fatal(err)
	}
	return server
}

// messages waits until a peer has n messages.
func messages(t *testing.T, server *sink.Server, n int) []sink.Message {
	t.Helper()
	list, err := server.Wait(n, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// submit sends a message over SMTP.
func (c *talk) submit(from, to, content string) {
	c.t.Helper()
	c.say("MAIL FROM:<"+from+">", "250")
	c.say("RCPT TO:<"+to+">", "250")
	c.say("DATA", "354")
	c.say(strings.ReplaceAll(content, "\n", "\r\n")+".", "250")
}

// greet begins a session with the server of this machine.
func greet(t *testing.T) *talk {
	t.Helper()
	c := dial(t, "127.0.0.1:25")
	c.expect("220")
	c.say("EHLO client.example", "250")
	return c
}

// reply sends a line and returns the last line of the reply.
func (c *talk) reply(line string) string {
	c.t.Helper()
	fmt.Fprint(c, line+"\r\n")
	return c.last()
}

// last reads a reply and returns its last line.
func (c *talk) last() string {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return "closed"
		}
		if len(line) > 3 && line[3] == ' ' {
			return strings.TrimSpace(line)
		}
	}
}

// begin takes the greeting and says EHLO.
func (c *talk) begin() *talk {
	c.t.Helper()
	if c.in == nil {
		c.in = bufio.NewReader(c.Conn)
	}
	c.expect("220")
	c.say("EHLO client.example", "250")
	return c
}

// background runs a command until the test, or the function returned, ends it.
func background(t *testing.T, name string, args ...string) (stop func()) {
	t.Helper()
	cmd := exec.Command(name, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	stop = func() {
		if !ended {
			cmd.Process.Kill()
			cmd.Wait()
			ended = true
		}
	}
	t.Cleanup(stop)
	return stop
}

// An instance is another mail system on the second host, with configuration,
// queue and data of its own. Mailboxes are in the same place.
type instance struct {
	t *testing.T
}

func second(t *testing.T, settings ...string) *instance {
	t.Helper()
	const config = "/etc/postfix-far"
	for _, dir := range []string{config, "/var/spool/postfix-far", "/var/lib/postfix-far"} {
		os.RemoveAll(dir)
	}
	run(t, 0, "", "cp", "-a", machine.Config, config)
	os.Mkdir("/var/spool/postfix-far", 0o755)
	run(t, 0, "", "postconf", append([]string{"-c", config, "-e", "queue_directory=/var/spool/postfix-far", "data_directory=/var/lib/postfix-far",
		"maillog_file=/var/log/mail-far.log", "mynetworks=127.0.0.0/8", "alias_maps=", "myorigin=$mydomain"}, settings...)...)
	run(t, 0, "", "postconf", "-e", "alternate_config_directories="+config)
	return &instance{t}
}

func (i *instance) start() {
	i.t.Helper()
	run(i.t, 0, "", "ip", "netns", "exec", "far", "postfix", "-c", "/etc/postfix-far", "start")
	i.t.Cleanup(func() {
		machine.Run("", "postfix", "-c", "/etc/postfix-far", "stop")
		if i.t.Failed() {
			log, _ := os.ReadFile("/var/log/mail-far.log")
			i.t.Logf("the log of the second host:\n%s", log)
		}
	})
}

// flat is text in one line, for text that is wrapped anywhere.
func flat(text string) string { return strings.Join(strings.Fields(text), " ") }

// asUser runs f with the rights of a user. The thread ends afterwards: call it on
// a goroutine of its own.
func asUser(uid int, f func() error) error {
	runtime.LockOSThread()
	for _, call := range [][2]uintptr{{unix.SYS_SETGROUPS, 0}, {unix.SYS_SETGID, uintptr(uid)}, {unix.SYS_SETUID, uintptr(uid)}} {
		if _, _, errno := unix.RawSyscall(call[0], call[1], 0, 0); errno != 0 {
			return errno
		}
	}
	return f()
}
