package sites

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"postrider/test/machine"
	"postrider/test/peer/sink"
)

// thousands are accounts without a home, as in a company.
const thousands = 3000

// S5.2: a company. The zone that is shipped leads the mail of another host here;
// who has neither account nor alias is refused; procmail files it; people read it
// with POP3; and the branch gets its mail when its host is back.
func TestCompany(t *testing.T) {
	needs(t, "/usr/bin/procmail", "/usr/sbin/dovecot")
	s := example(t, "company", "ann", "bob")
	manyUsers(t)
	attach(t, "world", "192.0.2.2", "", "192.0.2.1")
	run(t, "ip", "-n", "world", "addr", "add", "192.0.2.3/24", "dev", "world-out")
	startZone(t, "world", "192.0.2.2", read(t, "/src/conf/examples/company/zone")+
		"mail.remote.example. A 192.0.2.2\n2.2.0.192.in-addr.arpa. PTR mail.remote.example.\n")
	write(t, "/home/bob/.procmailrc", "MAILDIR=$HOME\n:0:\n* ^Subject:.*report\nreports\n")
	run(t, "chown", "-R", "bob:bob", "/home/bob")
	write(t, machine.Config+"/all", "ann\nbob\nuser2999\n")
	s.Start()

	// Another host finds us by our MX record.
	world := second(t, "mail.remote.example")
	world.send("Subject: first\n\nFrom here\n.\n", "joe@remote.example", "ann@company.example")
	s.WaitLog(`to=<ann@company.example>, relay=local, .*status=sent \(delivered to command: /usr/bin/procmail -a "\$EXTENSION"\)`)
	world.send("Subject: second\n\nx\n", "joe@remote.example", "ann.example@company.example")
	world.send("Subject: report\n\nx\n", "joe@remote.example", "bob+weekly@company.example")
	world.send("Subject: for all\n\nx\n", "joe@remote.example", "all@company.example")
	world.send("Subject: nobody\n\nx\n", "joe@remote.example", "user3000@company.example")
	world.waitLog(`to=<user3000@company.example>, relay=mail.company.example\[192.0.2.1\]:25, .*dsn=5.1.1, status=bounced \(host mail.company.example\[192.0.2.1\] said: 550 5.1.1 <user3000@company.example>: Recipient address rejected: User unknown in local recipient table`)
	s.Wait("mail for all", func() bool { return strings.Contains(s.Mailbox("user2999"), "Subject: for all") })
	s.WaitEmpty()
	want(t, s.Mailbox("ann"), "From joe@remote.example ", "Subject: first\n", ">From here\n", "Subject: second\n", "Delivered-To: ann@company.example\n",
		"Received: from mail.remote.example (mail.remote.example [192.0.2.2])\n")
	want(t, read(t, "/home/bob/reports"), "Subject: report\n", "Delivered-To: bob+weekly@company.example\n")
	want(t, s.Mailbox("bob"), "Subject: for all\n")

	// The branch is away, its mail comes to us, and goes on when it is back.
	world.send("Subject: branch\n\nx\n", "joe@remote.example", "carol@branch.company.example")
	s.WaitLog(`to=<carol@branch.company.example>, relay=none, .*status=deferred \(connect to mail.branch.company.example\[192.0.2.3\]:25: Connection refused\)`)
	world.send("Subject: branch\n\nx\n", "joe@remote.example", "eve@branch.company.example")
	world.waitLog(`to=<eve@branch.company.example>, .*dsn=5.1.1, status=bounced .*User unknown in relay recipient table`)
	branch := startSink(t, "world", "192.0.2.3:25", sink.Options{})
	s.Flush()
	if m := messages(t, branch, 1)[0]; m.Recipients[0] != "<carol@branch.company.example>" {
		t.Errorf("to the branch: %v", m.Recipients)
	}
	s.WaitEmpty()

	// Strangers relay nothing; our own network may.
	c := dial(t, "world", "192.0.2.3", "192.0.2.1:25")
	c.say("EHLO x.example", "250")
	c.say("MAIL FROM:<joe@remote.example>", "250")
	c.say("RCPT TO:<jim@elsewhere.example>", "454 4.7.1 <jim@elsewhere.example>: Relay access denied")

	t.Run("POP3", func(t *testing.T) { readMail(t, s) })
}

// manyUsers adds accounts to the password file.
func manyUsers(t *testing.T) {
	t.Helper()
	before, group := read(t, "/etc/passwd"), read(t, "/etc/group")
	t.Cleanup(func() { write(t, "/etc/passwd", before); write(t, "/etc/group", group) })
	var passwd, groups strings.Builder
	for i := range thousands {
		fmt.Fprintf(&passwd, "user%d:x:%d:%d::/nonexistent:/usr/sbin/nologin\n", i, 10000+i, 10000+i)
		fmt.Fprintf(&groups, "user%d:x:%d:\n", i, 10000+i)
	}
	write(t, "/etc/passwd", before+passwd.String())
	write(t, "/etc/group", group+groups.String())
}

// readMail reads the mailbox that procmail wrote, with the POP3 server as the
// example sets it up.
func readMail(t *testing.T, s *machine.System) {
	write(t, "/etc/dovecot/users", "ann:secret\n")
	write(t, "/etc/dovecot/dovecot.conf", read(t, "/src/conf/examples/company/dovecot.conf")+"log_path = /var/log/dovecot.log\n")
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile("/var/log/dovecot.log")
			t.Logf("the log of dovecot:\n%s", log)
		}
	})
	cmd := exec.Command("dovecot", "-F")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { machine.Run("", "doveadm", "stop"); cmd.Process.Kill(); cmd.Wait() })
	s.Wait("a POP3 server", func() bool {
		_, status := machine.Run("", "sh", "-c", "ss -ltn | grep -q ':110 '")
		return status == 0
	})
	c := dial(t, "", "", "127.0.0.1:110")
	c.say("USER ann", "+OK")
	c.say("PASS secret", "+OK")
	c.say("STAT", "+OK 3 ")
	c.say("RETR 1", "+OK")
	var text strings.Builder
	for line := ""; line != ".\r\n"; text.WriteString(line) {
		var err error
		if line, err = c.in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	want(t, text.String(), "Subject: first\r\n", "\r\n\r\n>From here\r\n..\r\n.\r\n")
	c.say("DELE 1", "+OK")
	c.say("QUIT", "+OK")
	// New mail comes while it is open, and nothing gets lost between the two.
	s.Send("Subject: late\n\nx\n", "ann")
	s.Wait("late mail", func() bool { return strings.Contains(s.Mailbox("ann"), "Subject: late") })
	if box := s.Mailbox("ann"); strings.Contains(box, "Subject: first") || strings.Count(box, "\nSubject: ") != 3 {
		t.Errorf("mailbox after POP3:\n%s", box)
	}
}
