package endtoend

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"postrider/test/machine"
)

// S4.5.1: a message that is too large is refused before it comes, while it comes,
// and from local programs.
func TestOverSize(t *testing.T) {
	s := site(t, "message_size_limit=20000", "queue_minfree=0").Start()
	c := greet(t)
	if got := c.reply("MAIL FROM:<x@remote.example> SIZE=20001"); got != "552 5.3.4 Message size exceeds fixed limit" {
		t.Error(got)
	}
	c.say("MAIL FROM:<x@remote.example>", "250")
	c.say("RCPT TO:<ann@example.com>", "250")
	c.say("DATA", "354")
	for range 400 {
		fmt.Fprintf(c, "%s\r\n", strings.Repeat("x", 98))
	}
	if got := c.reply("."); got != "552 5.3.4 Error: message file too big" {
		t.Error(got)
	}
	c.submit("x@remote.example", "ann@example.com", "Subject: small\n\nx\n")
	out, status := machine.Run("Subject: big\n\n"+strings.Repeat(strings.Repeat("x", 99)+"\n", 400), "sendmail", "ann")
	if status != 75 || !strings.Contains(out, "message file too big") {
		t.Errorf("sendmail: status %d\n%s", status, out)
	}
	s.WaitEmpty()
	box := s.Mailbox("ann")
	want(t, box, "Subject: small")
	wantNot(t, box, "xxxx")
}

// small puts the queue on a small disk.
func small(t *testing.T, s *machine.System, size string) {
	t.Helper()
	run(t, 0, "", "mount", "-t", "tmpfs", "-o", "mode=755,size="+size, "tmpfs", machine.Queue)
	t.Cleanup(func() {
		s.Stop()
		run(t, 0, "", "umount", machine.Queue)
	})
	run(t, 0, "", "postfix", "set-permissions")
}

// S1.2: no room for the queue: clients are told to come back, nothing that was
// taken is lost, and mail goes on when there is room again.
func TestFullDisk(t *testing.T) {
	s := site(t, "message_size_limit=1000000", "queue_minfree=0")
	small(t, s, "4m")
	s.Start()
	c := greet(t)
	c.submit("x@remote.example", "ann@example.com", "Subject: before\n\nx\n")
	s.WaitEmpty()
	c.say("MAIL FROM:<x@remote.example>", "250")
	c.say("RCPT TO:<ann@example.com>", "250")
	c.say("DATA", "354")
	fill := machine.Queue + "/fill"
	machine.Run("", "dd", "if=/dev/zero", "of="+fill, "bs=4k", "count=4000") // until it is full
	fmt.Fprint(c, strings.Repeat(strings.Repeat("x", 98)+"\r\n", 7000))
	if got := c.reply("."); got != "451 4.3.0 Error: queue file write error" && got != "452 4.3.1 Error: queue file write error" {
		t.Error(got)
	}
	s.WaitLog(`postfix/cleanup\[\d+\]: .*(?i:no space left on device)`)
	out, status := machine.Run("Subject: big\n\n"+strings.Repeat(strings.Repeat("x", 99)+"\n", 7000), "sendmail", "-f", "x@remote.example", "ann")
	if status != 75 && status != 69 && status != 74 {
		t.Errorf("sendmail: status %d\n%s", status, out)
	}
	if list := s.Queued(); len(list) > 0 {
		t.Errorf("in the queue: %v", list)
	}
	s.Set("queue_minfree=2000000")
	s.Reload()
	s.WaitLog(`master\[\d+\]: reload`)
	c = greet(t)
	if got := c.reply("MAIL FROM:<x@remote.example>"); got != "452 4.3.1 Insufficient system storage" {
		t.Error(got)
	}
	s.WaitLog(`NOQUEUE: reject: MAIL from localhost\[127.0.0.1\]: 452 4.3.1 Insufficient system storage; `)
	os.Remove(fill)
	c.submit("x@remote.example", "ann@example.com", "Subject: after\n\nx\n")
	s.WaitEmpty()
	want(t, s.Mailbox("ann"), "Subject: before", "Subject: after")
	wantNot(t, s.Mailbox("ann"), "xxxx")
}

// S2.7: the disk of the mailboxes is full: mail waits, no half of a message stays.
func TestFullMailbox(t *testing.T) {
	s := site(t)
	run(t, 0, "", "mount", "-t", "tmpfs", "-o", "mode=1777,size=200k", "tmpfs", "/var/mail")
	t.Cleanup(func() { machine.Run("", "umount", "/var/mail") })
	s.Start()
	s.Send("Subject: small\n\nx\n", "-f", "x@remote.example", "ann")
	s.WaitEmpty()
	before := s.Mailbox("ann")
	s.Send("Subject: big\n\n"+strings.Repeat(strings.Repeat("x", 99)+"\n", 3000), "-f", "x@remote.example", "ann")
	s.WaitLog(`to=<ann@example.com>, .*dsn=4.\d.\d, status=deferred \(cannot update mailbox /var/mail/ann for user ann. .*No space left on device\)`)
	if s.Mailbox("ann") != before {
		t.Error("half of a message is in the mailbox")
	}
	run(t, 0, "", "mount", "-o", "remount,size=4m", "/var/mail")
	s.Flush()
	s.WaitEmpty()
	want(t, s.Mailbox("ann"), "Subject: big", strings.Repeat("x", 99)+"\n\n")
}

// S4.1: mistakes in main.cf are told with file and line, and nothing starts.
func TestWrongMainCf(t *testing.T) {
	s := site(t, "service_throttle_time=1s")
	path := machine.Config + "/main.cf"
	good := read(t, path)
	defer write(t, path, good, 0o644)
	line := strings.Count(good, "\n") + 1
	for text, message := range map[string]string{
		"this is no setting\n":                             fmt.Sprintf(`%s, line %d: missing '=' after attribute name: "this is no setting"`, path, line),
		"myhostname = $mydomain\nmydomain = $myhostname\n": "myhostname",
	} {
		write(t, path, good+text, 0o644)
		out, status := machine.Run("", "postfix", "start")
		if status == 0 || !strings.Contains(out, message) {
			t.Errorf("%q: status %d, want %q in\n%s", text, status, message, out)
		}
		if n := len(machine.Daemons()); n > 0 {
			t.Errorf("%d daemons run", n)
			machine.Run("", "postfix", "stop")
		}
	}
	// A value of one program stops only that one; no mail is lost meanwhile.
	write(t, path, good+"queue_run_delay = sometime\n", 0o644)
	s.Start()
	s.Send("Subject: waits\n\nx\n", "-f", "x@remote.example", "ann")
	s.WaitLog(fmt.Sprintf(`postfix/qmgr\[\d+\]: .*%s, line %d: .*queue_run_delay`, path, line))
	s.Wait("the message in incoming", func() bool { list := s.Queued(); return len(list) == 1 && strings.HasPrefix(list[0], "incoming/") })
	write(t, path, good, 0o644)
	s.Reload()
	s.WaitEmpty()
	want(t, s.Mailbox("ann"), "Subject: waits")
	s.Stop()
	write(t, path, good, 0o600)
	out, status := machine.RunAs(65534, "x\n", "sendmail", "ann")
	if status == 0 || !strings.Contains(out, path) {
		t.Errorf("main.cf that users cannot read: status %d\n%s", status, out)
	}
	os.Remove(path)
	out, status = machine.Run("", "postfix", "start")
	if status == 0 || !strings.Contains(out, path) {
		t.Errorf("no main.cf: status %d\n%s", status, out)
	}
}

// S4.1: a wrong line of master.cf is told with file and line.
func TestWrongMasterCf(t *testing.T) {
	s := site(t)
	path := machine.Config + "/master.cf"
	good := read(t, path)
	line := strings.Count(good, "\n") + 1
	write(t, path, good+"smtps inet n - n - smtpd\n", 0o644)
	out, _ := machine.Run("", "postfix", "start")
	want(t, out+s.Log(), fmt.Sprintf("%s, line %d: ", path, line))
	machine.Run("", "postfix", "abort")
	write(t, path, good, 0o644)
	s.Wait("the end of all daemons", func() bool { return len(machine.Daemons()) == 0 })
}

// A message that goes round and round ends, whichever way it came.
func TestTooManyHops(t *testing.T) {
	s := site(t).Start()
	hops := strings.Repeat("Received: from a by b; Sat, 21 Nov 2026 02:04:00 +0000\n", 51)
	c := greet(t)
	c.say("MAIL FROM:<x@remote.example>", "250")
	c.say("RCPT TO:<ann@example.com>", "250")
	c.say("DATA", "354")
	if got := c.reply(strings.ReplaceAll(hops, "\n", "\r\n") + "\r\nx\r\n."); got != "554 5.4.0 Error: too many hops" {
		t.Error(got)
	}
	s.Send(hops+"\nx\n", "-f", "bob", "ann")
	s.WaitEmpty()
	if box := s.Mailbox("ann"); box != "" {
		t.Errorf("delivered:\n%s", box)
	}
	want(t, flat(s.Mailbox("bob")), "Undelivered Mail Returned to Sender", "too many hops", "Status: 5.4.0")
}

// No room for the notice, or for the note why mail waits: the mail itself stays,
// and the notice goes out when there is room.
func TestFullDiskNotice(t *testing.T) {
	s := site(t, "message_size_limit=100000", "queue_minfree=0", "minimal_backoff_time=1s", "maximal_backoff_time=1s", "queue_run_delay=1s")
	small(t, s, "3m")
	s.Set("defer_transports=local")
	s.Start()
	s.Send("Subject: for nobody\n\n"+strings.Repeat("x\n", 3000), "-f", "ann", "nobody-here")
	s.WaitLog("status=deferred")
	fill := machine.Queue + "/fill"
	machine.Run("", "dd", "if=/dev/zero", "of="+fill, "bs=1k", "count=8000") // until it is full
	s.Set("defer_transports=")
	s.Reload()
	s.Flush()
	s.WaitLog(`postfix/(bounce|cleanup)\[\d+\]: .*(?i:no space left on device)`)
	s.Wait("the message in the queue", func() bool { return len(s.Queued()) > 0 })
	if box := s.Mailbox("ann"); box != "" {
		t.Errorf("a notice without room:\n%s", box)
	}
	os.Remove(fill)
	s.Flush()
	s.Wait("the notice", func() bool { return s.Mailbox("ann") != "" })
	s.WaitEmpty()
	n := parseNotice(t, s.Mailbox("ann"))
	is(t, n.recipients[0], "Final-Recipient", "rfc822; nobody-here@example.com", "Action", "failed", "Status", "5.1.1")
	if strings.Count(n.original, "x\n") < 3000 {
		t.Error("the returned message is not whole")
	}
}
