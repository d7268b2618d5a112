package endtoend

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"postrider/test/machine"
)

// S2.2, S6.6: a message from another's program, with its headers and body whole.
func TestSwaks(t *testing.T) {
	needs(t, "swaks")
	s := site(t).Start()
	out, status := machine.Run("", "swaks", "--server", "127.0.0.1", "--from", "joe@remote.example", "--to", "ann@example.com",
		"--ehlo", "client.example", "--header", "Subject: from swaks", "--body", "first line\n.dot line\nlast line")
	if status != 0 {
		t.Fatalf("swaks: status %d\n%s", status, out)
	}
	want(t, out, "250-mail.example.com", "250-PIPELINING", "250-SIZE 10240000", "250-VRFY", "250-ETRN",
		"250-ENHANCEDSTATUSCODES", "250-8BITMIME", "250-DSN", "250 2.0.0 Ok: queued as")
	s.WaitLog(`status=sent \(delivered to mailbox\)`)
	want(t, s.Mailbox("ann"), "Subject: from swaks", "\nfirst line\n.dot line\nlast line\n", "Return-Path: <joe@remote.example>\n",
		"X-Original-To: ann@example.com\nDelivered-To: ann@example.com\n",
		"Received: from client.example (localhost [127.0.0.1])\n\tby mail.example.com (Postfix) with ESMTP id ")
}

// S6.6: a person at a terminal; the replies that the first words get.
func TestTelnet(t *testing.T) {
	s := site(t).Start()
	c := dial(t, "127.0.0.1:25")
	c.expect("220")
	for _, step := range []struct{ say, want string }{
		{"helo", "501 Syntax: HELO hostname"},
		{"helo client.example", "250 mail.example.com"},
		{"RCPT TO:<ann@example.com>", "503 5.5.1 Error: need MAIL command"},
		{"DATA", "503 5.5.1 Error: need RCPT command"},
		{"MAIL FROM:joe@remote.example", "250 2.1.0 Ok"},
		{"MAIL FROM:<joe@remote.example>", "503 5.5.1 Error: nested MAIL command"},
		{"RCPT TO:<nobody-here@example.com>", "550 5.1.1 <nobody-here@example.com>: Recipient address rejected: User unknown in local recipient table"},
		{"DATA", "554 5.5.1 Error: no valid recipients"},
		{"RCPT TO:ann", "250 2.1.5 Ok"},
		{"RSET", "250 2.0.0 Ok"},
		{"NOOP", "250 2.0.0 Ok"},
		{"VRFY ann", "252 2.0.0 ann"},
		{"EXPN ann", "500 5.5.2 Error: command not recognized"},
		{"HELP", "214 2.0.0 See RFC 5321"},
		{"frobnicate", "500 5.5.2 Error: command not recognized"},
		{"mail from:<joe@remote.example>", "250 2.1.0 Ok"},
		{"rcpt to:<ann@example.com>", "250 2.1.5 Ok"},
		{"rcpt to:<bob>", "250 2.1.5 Ok"},
		{"data", "354 End data with <CR><LF>.<CR><LF>"},
	} {
		if got := c.reply(step.say); got != step.want {
			t.Errorf("%s: got %s, want %s", step.say, got, step.want)
		}
	}
	c.say("Subject: by hand\r\n\r\nFrom here\r\n>From there\r\n..\r\n.", "250")
	c.say("QUIT", "221")
	s.WaitLog("removed")
	s.WaitEmpty()
	for _, name := range []string{"ann", "bob"} {
		box := s.Mailbox(name)
		want(t, box, "Subject: by hand\n", "\n>From here\n>From there\n.\n\n", "Message-Id: <", "Date: ", "From: joe@remote.example\n")
		wantMatch(t, box, `^From joe@remote.example  ?\w\w\w \w\w\w [ \d]\d \d\d:\d\d:\d\d \d\d\d\d$`)
	}
}

// S6.4: the lines that log readers parse, of one message from client to mailbox.
func TestLogLines(t *testing.T) {
	s := site(t).Start()
	c := greet(t)
	c.submit("joe@remote.example", "ann@example.com", "Message-ID: <one@remote.example>\n\nx\n")
	c.say("QUIT", "221")
	id := regexp.MustCompile(`\]: (\w+): removed`).FindStringSubmatch(s.WaitLog("removed"))[1]
	for _, line := range []string{
		`postfix/smtpd\[\d+\]: connect from localhost\[127.0.0.1\]$`,
		`postfix/smtpd\[\d+\]: ` + id + `: client=localhost\[127.0.0.1\]$`,
		`postfix/cleanup\[\d+\]: ` + id + `: message-id=<one@remote.example>$`,
		`postfix/qmgr\[\d+\]: ` + id + `: from=<joe@remote.example>, size=\d+, nrcpt=1 \(queue active\)$`,
		`postfix/local\[\d+\]: ` + id + `: to=<ann@example.com>, relay=local, delay=[0-9.]+, delays=[0-9./]+, dsn=2.0.0, status=sent \(delivered to mailbox\)$`,
		`postfix/qmgr\[\d+\]: ` + id + `: removed$`,
		`postfix/smtpd\[\d+\]: disconnect from localhost\[127.0.0.1\] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5$`,
	} {
		s.WaitLog(line)
	}
}

// S1.1, S1.6: many messages at once from our own generator, none lost.
func TestSmtpSource(t *testing.T) {
	s := site(t).Start()
	run(t, 0, "", "smtp-source", "-s", "10", "-m", "200", "-d", "-f", "joe@remote.example", "-t", "ann@example.com", "-l", "2000", "127.0.0.1:25")
	s.Wait("200 messages", func() bool { return strings.Count(s.Mailbox("ann"), "\nFrom joe@remote.example ") == 199 })
	s.WaitEmpty()
	if n := strings.Count(s.Log(), ": removed\n"); n != 200 {
		t.Errorf("%d messages removed from the queue, not 200", n)
	}
}

// S2.1, S2.4: recipients from headers, Bcc: removed, and a sender with a name.
func TestSendmailHeaders(t *testing.T) {
	s := site(t).Start()
	s.Send("To: Ann <ann>, (comment) bob@example.com\nBcc: root\nSubject: headers\n\nbody\n",
		"-t", "-f", "joe@remote.example", "-F", "Joe User")
	s.WaitLog("removed")
	for _, name := range []string{"ann", "bob", "root"} {
		box := s.Mailbox(name)
		want(t, box, "From joe@remote.example ", "To: Ann <ann@example.com>, bob@example.com (comment)\n", "From: Joe User <joe@remote.example>\n",
			"Received: by mail.example.com (Postfix, from userid 0)\n\tid ", "Message-Id: <", "Date: ")
		wantNot(t, box, "Bcc")
	}
	out, status := machine.Run("Subject: nobody\n\n\n", "sendmail", "-t")
	if status == 0 || !strings.Contains(out, "No recipient addresses found in message header") {
		t.Errorf("sendmail -t without recipients: status %d\n%s", status, out)
	}
}

// S1.1: a dot alone ends a message, unless -i says otherwise; more recipients
// after "--"; a bad option is an error.
func TestSendmailDot(t *testing.T) {
	s := site(t).Start()
	s.Send("Subject: ends\n\nbefore\n.\nafter\n", "ann")
	s.Send("Subject: goes on\n\nbefore\n.\nafter\n", "-i", "--", "bob")
	s.Wait("two messages", func() bool { return s.Mailbox("ann") != "" && s.Mailbox("bob") != "" })
	want(t, s.Mailbox("ann"), "\nbefore\n\n")
	wantNot(t, s.Mailbox("ann"), "after")
	want(t, s.Mailbox("bob"), "\nbefore\n.\nafter\n\n")
	if out, status := machine.Run("x\n", "sendmail", "-Z", "ann"); status == 0 {
		t.Errorf("sendmail -Z: status 0\n%s", out)
	}
}

// S1.1, S6.6: sendmail -bs is an SMTP session that ends in maildrop.
func TestSendmailSMTP(t *testing.T) {
	s := site(t).Start()
	out, status := machine.RunAs(s.User("ann"), "EHLO localhost\r\nMAIL FROM:<ann>\r\nRCPT TO:<bob>\r\nRCPT TO:<far@remote.example>\r\nRSET\r\n"+
		"MAIL FROM:<ann>\r\nRCPT TO:<bob>\r\nDATA\r\nSubject: over -bs\r\n\r\nx\r\n.\r\nQUIT\r\n", "sendmail", "-bs")
	if status != 0 {
		t.Fatalf("sendmail -bs: status %d\n%s", status, out)
	}
	wantMatch(t, out, `^220 mail.example.com ESMTP`, `^354 `, `^250 2.0.0 Ok: queued as`, `^221 `)
	s.WaitLog("status=sent")
	want(t, s.Mailbox("bob"), "Subject: over -bs\n", "From ann@example.com ")
}

// S6.1, S6.2, S4.4.4: mail that waits is listed with its reason, and goes out
// with sendmail -q; newaliases without arguments.
func TestMailqAndFlush(t *testing.T) {
	s := site(t, "defer_transports=local").Start()
	run(t, 0, "Mail queue is empty", "mailq")
	s.Send("Subject: waits\n\nx\n", "-f", "joe@remote.example", "ann", "bob")
	s.WaitLog("status=deferred .*bob|to=<bob.*status=deferred")
	out := run(t, 0, "", "mailq")
	wantMatch(t, out, `^-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------$`,
		`^[0-9A-F]+[ *] +\d+ \w{3} \w{3} +\d+ \d\d:\d\d:\d\d  joe@remote.example$`, `^ +\(deferred transport\)$`, `^ +ann@example.com$`, `^ +bob@example.com$`,
		`^-- \d+ Kbytes in 1 Request.$`)
	if sendmail := run(t, 0, "", "sendmail", "-bp"); strings.ReplaceAll(sendmail, "*", " ") != strings.ReplaceAll(out, "*", " ") {
		t.Errorf("sendmail -bp:\n%s\nmailq:\n%s", sendmail, out)
	}
	s.Set("defer_transports=")
	s.Reload()
	s.WaitLog(`master\[\d+\]: reload`)
	run(t, 0, "", "sendmail", "-q")
	s.WaitEmpty()
	want(t, s.Mailbox("ann"), "Subject: waits")
	want(t, s.Mailbox("bob"), "Subject: waits")
	write(t, "/etc/aliases", "root: ann\nnews: bob\n", 0o644)
	run(t, 0, "", "newaliases")
	run(t, 0, "bob", "postalias", "-q", "news", "/etc/aliases")
}

// S2.1: mail is taken while the system is down, and delivered when it is up.
func TestSendmailWhileDown(t *testing.T) {
	s := site(t)
	uid := s.User("ann")
	if out, status := machine.RunAs(uid, "Subject: early\n\nx\n", "sendmail", "bob"); status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	run(t, 0, "ann", "mailq") // for root; it looks into the queue itself
	if out, status := machine.RunAs(uid, "", "mailq"); status != 69 {
		t.Errorf("mailq of a user: status %d\n%s", status, out)
	}
	s.Start()
	s.WaitLog("status=sent")
	want(t, s.Mailbox("bob"), "Subject: early", "(Postfix, from userid ", "From: ann@example.com")
}

// S6.6, S2.1: reports about addresses (-bv) and about a delivery (-v).
func TestSendmailReports(t *testing.T) {
	s := site(t).Start()
	s.Send("", "-f", "ann", "-bv", "bob", "nobody-here")
	s.Wait("a report", func() bool { return strings.Contains(s.Mailbox("ann"), "Reporting-MTA") })
	box := s.Mailbox("ann")
	want(t, box, "Subject: Mail Delivery Status Report\n", "Action: deliverable\n", "Action: undeliverable\n", "Final-Recipient: rfc822; bob@example.com\n",
		"Final-Recipient: rfc822; nobody-here@example.com\n")
	if s.Mailbox("bob") != "" {
		t.Error("sendmail -bv has delivered mail")
	}
	os.Remove("/var/mail/ann")
	s.Send("Subject: verbose\n\nx\n", "-f", "ann", "-v", "bob")
	s.Wait("a report", func() bool { return strings.Contains(s.Mailbox("ann"), "Reporting-MTA") })
	want(t, s.Mailbox("ann"), "Subject: Mail Delivery Status Report\n", "Action: delivered\n", "Status: 2.0.0\n")
	want(t, s.Mailbox("bob"), "Subject: verbose")
}
