package endtoend

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postrider/test/machine"
)

// run runs a command, and checks its exit status and that its output has text.
func run(t *testing.T, status int, text, name string, args ...string) string {
	t.Helper()
	out, got := machine.Run("", name, args...)
	if got != status || !strings.Contains(out, text) {
		t.Errorf("%s %s: status %d, want %d and %q in\n%s", name, strings.Join(args, " "), got, status, text, out)
	}
	return out
}

// A talk is an SMTP session, as a person types it.
type talk struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, addr string) *talk {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &talk{t, conn, bufio.NewReader(conn)}
}

// expect reads the reply of the server.
func (c *talk) expect(code string) {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		line, err := c.in.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, code) {
			c.t.Fatalf("got %q, %v, want %s", line, err, code)
		}
		if line[3] == ' ' {
			return
		}
	}
}

func (c *talk) say(line, code string) {
	c.t.Helper()
	fmt.Fprint(c, line+"\r\n")
	c.expect(code)
}

// silent makes sure that the server says nothing.
func (c *talk) silent() {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	if line, err := c.in.ReadString('\n'); err == nil {
		c.t.Errorf("got %q, but should wait", line)
	}
}

// S3.3: start, status, stop, with the texts and exit statuses that scripts know.
func TestStartStop(t *testing.T) {
	s := machine.Install(t)
	run(t, 1, "", "postfix", "status")
	run(t, 1, "", "postfix", "stop")
	s.WaitLog("fatal: the Postfix mail system is not running")
	s.Start()
	s.WaitLog(`postfix/postfix-script\[\d+\]: starting the Postfix mail system`)
	s.WaitLog(`postfix/master\[\d+\]: daemon started -- version .*, configuration /etc/postfix`)
	run(t, 0, "", "postfix", "status")
	s.WaitLog(`the Postfix mail system is running: PID: \d+`)
	run(t, 1, "the Postfix mail system is already running", "postfix", "start")
	run(t, 0, "", "postfix", "stop")
	s.WaitLog("stopping the Postfix mail system")
	s.WaitLog("terminating on signal 15")
	run(t, 1, "", "postfix", "status")
	run(t, 1, "", "postfix", "frobnicate")
	s.WaitLog("fatal: unknown command: 'frobnicate'. Usage: postfix start")
}

// S3.3, S4.1: a session that began before "postfix reload" ends as it would have.
func TestReloadKeepsSession(t *testing.T) {
	s := machine.Install(t, "local_transport=discard:silently", "local_recipient_maps=").Start()
	c := dial(t, "127.0.0.1:25")
	c.expect("220")
	c.say("EHLO client.example", "250")
	c.say("MAIL FROM:<>", "250")
	c.say("RCPT TO:<root@localhost>", "250")
	c.say("DATA", "354")
	s.Set("smtpd_banner=$myhostname ESMTP later")
	s.Reload()
	s.WaitLog(`master\[\d+\]: reload -- version `)
	other := dial(t, "127.0.0.1:25")
	other.SetReadDeadline(time.Now().Add(20 * time.Second))
	if line, err := other.in.ReadString('\n'); err != nil || !strings.Contains(line, " later") {
		t.Errorf("after the reload: %q, %v", line, err)
	}
	c.say("Subject: x\r\n\r\nx\r\n.", "250")
	c.say("QUIT", "221")
	s.WaitLog("status=sent \\(silently\\)")
	s.WaitEmpty()
}

// S3.3, S1.2: reloads in the middle of much mail refuse and lose nothing.
func TestReloadUnderLoad(t *testing.T) {
	s := machine.Install(t, "local_transport=discard:silently", "local_recipient_maps=", "mydestination=localhost").Start()
	const messages = 1000
	source := make(chan string)
	go func() {
		out, status := machine.Run("", "smtp-source", "-s", "10", "-m", fmt.Sprint(messages), "-f", "a@localhost", "-t", "b@localhost", "127.0.0.1:25")
		source <- fmt.Sprint(status, " ", out)
	}()
	for done := false; !done; {
		select {
		case result := <-source:
			if result != "0 " {
				t.Errorf("smtp-source: %s", result)
			}
			done = true
		case <-time.After(100 * time.Millisecond):
			s.Reload()
		}
	}
	s.WaitEmpty()
	s.Wait("the last delivery in the log", func() bool { return strings.Count(s.Log(), "status=sent") >= messages })
	if n := strings.Count(s.Log(), "status=sent"); n != messages {
		t.Errorf("%d messages delivered, want %d", n, messages)
	}
	if n := strings.Count(s.Log(), ": reload -- "); n < 2 {
		t.Errorf("only %d reloads", n)
	}
}

// S3.3: a mistake in master.cf is named with its line, and mail goes on.
func TestWrongReload(t *testing.T) {
	s := machine.Install(t, "local_transport=discard:silently", "alias_maps=").Start()
	path := machine.Config + "/master.cf"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Count(string(text), "\n") + 1
	os.WriteFile(path, append(text, "smtps inet n - n - -\n"...), 0o644)
	s.Reload()
	s.WaitLog(fmt.Sprintf(`error: %s, line %d: `, path, line))
	s.WaitLog("error: configuration not changed")
	s.Send("Subject: still\n\nthere\n", "root")
	s.WaitLog("status=sent")
}

// S1.3: a program that cannot run is not started over and over.
func TestThrottle(t *testing.T) {
	s := machine.Install(t)
	s.Service("127.0.0.1:2525 inet n - n - - ../../../bin/false")
	s.Start()
	dial(t, "127.0.0.1:2525")
	s.WaitLog(`warning: process /.*bin/false pid \d+ exit status 1`)
	s.WaitLog(`warning: /.*bin/false: bad command startup -- throttling`)
}

// S4.4.1: no more processes than master.cf allows; who comes later waits.
func TestProcessLimit(t *testing.T) {
	s := machine.Install(t)
	s.Service("127.0.0.1:2525 inet n - n - 2 smtpd")
	s.Start()
	a, b, c := dial(t, "127.0.0.1:2525"), dial(t, "127.0.0.1:2525"), dial(t, "127.0.0.1:2525")
	a.expect("220")
	b.expect("220")
	c.silent()
	a.say("QUIT", "221")
	c.expect("220")
}

// S3.1, S3.3: "postfix check" creates what is missing and names it, and reports
// wrong owners and modes; set-permissions corrects them.
func TestCheck(t *testing.T) {
	machine.Install(t)
	run(t, 0, "", "postfix", "check")
	os.Remove(machine.Queue + "/hold")
	os.Chmod(machine.Queue+"/maildrop", 0o777)
	os.Chmod("/usr/sbin/postdrop", 0o755)
	os.Chown(machine.Queue+"/incoming", 0, 0)
	out, _ := machine.Run("", "postfix", "check")
	for _, want := range []string{
		"created missing directory /var/spool/postfix/hold (owner postfix, ",
		"warning: group or other writable: /var/spool/postfix/maildrop",
		"warning: not set-gid or not owner+group+world executable: /usr/sbin/postdrop",
		"warning: not owned by postfix: /var/spool/postfix/incoming",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	run(t, 0, "", "postfix", "set-permissions")
	out = run(t, 0, "", "postfix", "check")
	if strings.Contains(out, "maildrop") || strings.Contains(out, "postdrop") || strings.Contains(out, "incoming") {
		t.Errorf("after set-permissions:\n%s", out)
	}
}

// S3.4: users cannot look into maildrop, write there by themselves, or get hold
// of a file that is there, not even as a second name of it.
func TestMaildropIsClosed(t *testing.T) {
	s := machine.Install(t)
	const user = 65534
	maildrop := machine.Queue + "/maildrop"
	s.Send("Subject: mine\n\nsecret\n", "root") // the system is not running: it stays
	var file string
	filepath.WalkDir(maildrop, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			file = path
		}
		return nil
	})
	if file == "" {
		t.Fatal("no file in maildrop")
	}
	for _, command := range [][]string{
		{"ls", maildrop},
		{"touch", maildrop + "/x"},
		{"cat", file},
		{"rm", "-f", file},
		{"ln", file, "/tmp/link"},
		{"ln", file, maildrop + "/link"},
	} {
		if out, status := machine.RunAs(user, "", command[0], command[1:]...); status == 0 {
			t.Errorf("%v works for a user\n%s", command, out)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

// S6.4: the log goes on in a new file after rotation, and loses nothing.
func TestLogRotate(t *testing.T) {
	s := machine.Install(t).Start()
	run(t, 0, "", "postlog", "-t", "my/script", "-p", "warn", "before")
	s.WaitLog(`my/script\[\d+\]: warning: before`)
	run(t, 0, "", "postfix", "logrotate")
	names, _ := filepath.Glob(machine.LogTo + ".*.gz")
	if len(names) == 0 {
		t.Fatal("no rotated log")
	}
	out, _ := machine.Run("", "zcat", names[len(names)-1])
	if !strings.Contains(out, "warning: before") {
		t.Errorf("rotated log:\n%s", out)
	}
	run(t, 0, "", "postlog", "after")
	s.Wait("a line in the new log", func() bool {
		text, _ := os.ReadFile(machine.LogTo)
		return strings.Contains(string(text), "]: after\n")
	})
	os.Remove(names[len(names)-1])
}

// A table changes while several servers wait for clients: each of them leaves when
// it sees that, and the client that one of them was woken for is not forgotten.
func TestTableChangesUnderIdleServers(t *testing.T) {
	s := site(t, "smtpd_client_restrictions=check_client_access cdb:/etc/postfix/clients")
	write(t, "/etc/postfix/clients", "192.0.2.77 REJECT\n", 0o644)
	run(t, 0, "", "postmap", "cdb:/etc/postfix/clients")
	s.Start()
	for i := range 5 {
		var list []*talk
		for range 3 {
			c := dial(t, "127.0.0.1:25")
			c.expect("220")
			list = append(list, c)
		}
		for _, c := range list {
			c.say("QUIT", "221")
		}
		write(t, "/etc/postfix/clients", fmt.Sprintf("192.0.2.%d REJECT\n", 100+i), 0o644)
		run(t, 0, "", "postmap", "cdb:/etc/postfix/clients")
		began := time.Now()
		for range 3 {
			dial(t, "127.0.0.1:25").expect("220")
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("a greeting took %s", took)
		}
	}
	s.WaitLog(`smtpd\[\d+\]: table cdb:/etc/postfix/clients.* has changed -- restarting`)
}
