package interop

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postrider/lib/net/sasl"
	login "postrider/lib/net/sasl/client"
	"postrider/test/machine"
)

// TestSASL: who may log in, and what a login is good for, is the same with both
// servers, with Dovecot as the one that knows the passwords.
func TestSASL(t *testing.T) {
	startDovecot(t)
	text, err := os.ReadFile("testdata/sasl.txt")
	if err != nil {
		t.Fatal(err)
	}
	files := certificates(t)
	var list []dialogue
	for block := range strings.SplitSeq(files.expand(string(text)), "\n-- ") {
		list = append(list, files.dialogue(block))
	}
	service := startPolicy(t)
	compareDialogues(t, list, loginHeaders, loginRecords, service.facts)
}

// TestCyrus: the same with the saslauthd of Cyrus SASL, of which stock has the library.
func TestCyrus(t *testing.T) {
	startSaslauthd(t)
	text, err := os.ReadFile("testdata/cyrus.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []dialogue
	for block := range strings.SplitSeq(string(text), "\n-- ") {
		list = append(list, keys{}.dialogue(block))
	}
	compareDialogues(t, list)
}

// startSaslauthd starts a saslauthd that knows alice with the password "secret".
func startSaslauthd(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("saslauthd"); err != nil {
		t.Skip("no saslauthd")
	}
	needStock(t)
	for name, text := range map[string]string{
		"smtpd":    "pwcheck_method: saslauthd\nmech_list: plain login\n",
		"list":     "pwcheck_method: saslauthd\nmech_list: PLAIN\n",
		"nodaemon": "pwcheck_method: saslauthd\nmech_list: plain login\nsaslauthd_path: /nonexistent/mux\n",
	} {
		os.MkdirAll("/etc/postfix/sasl", 0o755)
		os.WriteFile("/etc/postfix/sasl/"+name+".conf", []byte(text), 0o644)
	}
	if out, status := machine.Run("alice:secret\n", "chpasswd"); status != 0 {
		t.Fatal(out)
	}
	os.MkdirAll("/run/saslauthd", 0o755)
	cmd := exec.Command("saslauthd", "-d", "-a", "shadow", "-m", "/run/saslauthd", "-n", "1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	waitSocket(t, "/run/saslauthd/mux")
}

// needStock skips a test where stock is missing, and prepares both systems.
func needStock(t *testing.T) {
	t.Helper()
	if debs, _ := filepath.Glob("/src/build/debs/postfix_*.deb"); len(debs) == 0 {
		t.Skip("build/debs has no packages of the stock mail system")
	}
	if err := prepare(); err != nil {
		t.Fatal(err)
	}
}

func waitSocket(t *testing.T, path string) {
	t.Helper()
	wait(t, path, func() bool {
		c, err := net.Dial("unix", path)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// loginHeaders are those that tell of logins.
func loginHeaders() string {
	text := ""
	for _, message := range queuedMessages("-h") {
		text += received(message) + "\n"
	}
	return text
}

// loginRecords are those that tell of logins, in all queue files.
func loginRecords() string {
	text := ""
	for _, message := range queuedMessages("-e") {
		for line := range strings.Lines(message) {
			if strings.Contains(line, "sasl_") || strings.Contains(line, "rewrite_context") {
				text += line
			}
		}
	}
	return text
}

func queuedMessages(option string) (list []string) {
	for _, path := range queued("incoming", "active", "deferred") {
		if out, err := exec.Command("/mix/bin/postcat", option, "/var/spool/postfix/"+path).Output(); err == nil {
			list = append(list, string(out))
		}
	}
	return list
}

func received(message string) string {
	text := ""
	for line := range strings.Lines(message) {
		switch {
		case strings.HasPrefix(line, "Received: from"), text != "" && strings.HasPrefix(line, "\t"):
			text += line
		case text != "":
			return text
		}
	}
	return text
}

const users = `ann:{PLAIN}secret
bob:{PLAIN}bobspw
odd(o)ne:{PLAIN}secret
jöe:{PLAIN}secret
a(b:{PLAIN}secret
a)b:{PLAIN}secret
a\b:{PLAIN}secret
a((b)c:{PLAIN}secret
`

// startDovecot starts a Dovecot that knows these users, and cannot say anything about
// the user temp. More lines of its configuration come last.
func startDovecot(t *testing.T, more ...string) {
	t.Helper()
	if _, err := exec.LookPath("dovecot"); err != nil {
		t.Skip("no dovecot")
	}
	needStock(t) // the socket belongs to the mail system
	conf, err := os.ReadFile("testdata/dovecot.conf")
	if err != nil {
		t.Fatal(err)
	}
	os.MkdirAll("/etc/dovecot", 0o755)
	os.WriteFile("/etc/dovecot/dovecot.conf", []byte(string(conf)+strings.Join(more, "\n")+"\n"), 0o644)
	os.WriteFile("/etc/dovecot/users", []byte(users), 0o644)
	os.WriteFile("/etc/dovecot/check", []byte("#!/bin/sh\nread -r line <&3\ncase $line in temp*) exit 111;; esac\nexit 1\n"), 0o755)
	cmd := exec.Command("dovecot", "-F")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile("/var/log/dovecot.log")
			t.Logf("the log of dovecot:\n%s", log)
		}
		exec.Command("doveadm", "stop").Run()
		cmd.Process.Kill()
		cmd.Wait()
	})
	waitSocket(t, "/var/spool/postfix/private/auth")
}

// logIn logs in with a mechanism whose dialogue is another one each time, and writes
// down how it ends.
func (c *client) logIn(b *strings.Builder, mechanism, user, password string) {
	_, x := login.Choose([]string{mechanism}, sasl.Options{}, login.Login{User: user, Password: password, Service: "smtp", Host: "mail.example.com"})
	line := "AUTH " + mechanism
	if initial := x.Initial(); initial != nil {
		line += " " + base64.StdEncoding.EncodeToString(initial)
	}
	for {
		io.WriteString(c.conn, line+"\r\n")
		c.conn.SetReadDeadline(time.Now().Add(6 * time.Second))
		reply, err := c.in.ReadString('\n')
		text, more := strings.CutPrefix(strings.TrimSpace(reply), "334 ")
		if err != nil || !more {
			fmt.Fprintf(b, "(%s as %s with %s: %v)\nS: %q %v\n", mechanism, user, password, x.Done(), reply, err)
			return
		}
		challenge, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			fmt.Fprintf(b, "S: %q %v\n", reply, err)
		}
		answer, err := x.Next(challenge)
		if line = base64.StdEncoding.EncodeToString(answer); err != nil {
			line = "*"
		}
	}
}
