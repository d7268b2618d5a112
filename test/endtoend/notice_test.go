package endtoend

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"os"
	"regexp"
	"strings"
	"testing"

	"postrider/test/peer/sink"
)

// A notice is mail about mail, RFC 3464, taken apart.
type notice struct {
	header     mail.Header
	text       string
	message    textproto.MIMEHeader   // fields about the message
	recipients []textproto.MIMEHeader // fields about each recipient
	kind       string                 // of the third part: message/rfc822 or text/rfc822-headers
	original   string
}

// parseNotice takes the last message of a mailbox apart.
func parseNotice(t *testing.T, box string) notice {
	t.Helper()
	i := strings.LastIndex("\n"+box, "\nFrom ")
	if i < 0 {
		t.Fatalf("no message in %q", box)
	}
	_, text, _ := strings.Cut(box[i:], "\n")
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	n := notice{header: m.Header}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
		t.Fatalf("Content-Type: %q (%v)\n%s", m.Header.Get("Content-Type"), err, text)
	}
	if !regexp.MustCompile(`^<(double-bounce@.*)?>$`).MatchString(m.Header.Get("Return-Path")) || !strings.HasPrefix(m.Header.Get("Auto-Submitted"), "auto-") {
		t.Errorf("not like a notice: %v", m.Header)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for at := 0; ; at++ {
		part, err := parts.NextPart()
		if err == io.EOF && at == 3 {
			return n
		}
		if err != nil {
			t.Fatalf("part %d: %v\n%s", at, err, text)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
		switch at {
		case 0:
			n.text = string(body)
		case 1:
			if kind != "message/delivery-status" {
				t.Errorf("part 1 is %q", kind)
			}
			n.status(t, body)
		case 2:
			n.kind, n.original = kind, string(body)
		}
	}
}

func (n *notice) status(t *testing.T, body []byte) {
	t.Helper()
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(body, "\n\n"...))))
	for {
		fields, err := r.ReadMIMEHeader()
		if len(fields) > 0 && n.message == nil {
			n.message = fields
		} else if len(fields) > 0 {
			n.recipients = append(n.recipients, fields)
		}
		if err != nil || len(fields) == 0 {
			break
		}
	}
	if n.message.Get("Reporting-Mta") == "" || len(n.recipients) == 0 {
		t.Fatalf("delivery status:\n%s", body)
	}
}

// is checks fields.
func is(t *testing.T, fields textproto.MIMEHeader, want ...string) {
	t.Helper()
	for i := 0; i < len(want); i += 2 {
		if got := fields.Get(want[i]); !regexp.MustCompile("^(?:" + want[i+1] + ")$").MatchString(got) {
			t.Errorf("%s: got %q, want %q", want[i], got, want[i+1])
		}
	}
}

// S2.3: mail from a local program to nobody comes back, as RFC 3464 says it.
func TestBounce(t *testing.T) {
	s := site(t).Start()
	s.Send("Subject: lost\nX-Mark: one\n\nthe body\n", "-f", "ann", "-V", "env+20id", "nobody-here", "bob")
	s.WaitEmpty()
	want(t, s.Mailbox("bob"), "Subject: lost")
	n := parseNotice(t, s.Mailbox("ann"))
	if got := n.header.Get("Subject"); got != "Undelivered Mail Returned to Sender" {
		t.Error(got)
	}
	if got := n.header.Get("From"); got != "Mail Delivery System <MAILER-DAEMON@example.com>" && got != "MAILER-DAEMON@example.com (Mail Delivery System)" {
		t.Error(got)
	}
	want(t, flat(n.text), "mail.example.com", "<nobody-here@example.com> (expanded from <nobody-here>): unknown user: \"nobody-here\"")
	wantNot(t, n.text, "bob")
	is(t, n.message, "Reporting-Mta", "dns; mail.example.com", "X-Postfix-Queue-Id", "[0-9A-F]+", "X-Postfix-Sender", "rfc822; ann@example.com",
		"Arrival-Date", `\w{3}, +\d+ \w{3} \d{4} .*`, "Original-Envelope-Id", `env\+20id|env id`)
	if len(n.recipients) != 1 {
		t.Fatalf("%d recipients", len(n.recipients))
	}
	is(t, n.recipients[0], "Final-Recipient", "rfc822; nobody-here@example.com", "Action", "failed", "Status", "5.1.1",
		"Original-Recipient", "rfc822; ?nobody-here.*", "Diagnostic-Code", `X-Postfix; unknown user: "nobody-here"`)
	if n.kind != "message/rfc822" {
		t.Errorf("returned as %s", n.kind)
	}
	want(t, n.original, "Subject: lost", "X-Mark: one", "the body", "Return-Path: <ann@example.com>")
}

// S2.3: what the sender asked for (RFC 3461) decides about notices and goes
// into them: NOTIFY, ORCPT, RET, ENVID.
func TestDSN(t *testing.T) {
	s := site(t).Start()
	c := greet(t)
	send := func(from string, to ...string) {
		c.say("MAIL FROM:<ann@example.com> "+from, "250")
		for _, r := range to {
			c.say("RCPT TO:"+r, "250")
		}
		c.say("DATA", "354")
		c.say("Subject: dsn\r\n\r\nthe body\r\n.", "250")
		s.WaitEmpty()
	}
	s.Set("local_recipient_maps=")
	s.Reload()
	s.WaitLog(`master\[\d+\]: reload`)
	c = greet(t)
	send("RET=HDRS ENVID=QQ314159", "<nobody-here@example.com> NOTIFY=FAILURE ORCPT=rfc822;Somebody+2BElse@far.example", "<nobody-2@example.com> NOTIFY=NEVER")
	n := parseNotice(t, s.Mailbox("ann"))
	is(t, n.message, "Original-Envelope-Id", "QQ314159")
	if len(n.recipients) != 1 {
		t.Fatalf("%d recipients\n%v", len(n.recipients), n.recipients)
	}
	is(t, n.recipients[0], "Original-Recipient", `rfc822;Somebody\+Else@far.example`, "Final-Recipient", "rfc822; nobody-here@example.com", "Action", "failed")
	if n.kind != "text/rfc822-headers" {
		t.Errorf("returned as %s", n.kind)
	}
	wantNot(t, n.original, "the body")

	os.Remove("/var/mail/ann")
	send("RET=FULL", "<bob@example.com> NOTIFY=SUCCESS,DELAY")
	n = parseNotice(t, s.Mailbox("ann"))
	if got := n.header.Get("Subject"); got != "Successful Mail Delivery Report" {
		t.Error(got)
	}
	is(t, n.recipients[0], "Action", "delivered", "Status", "2.0.0", "Final-Recipient", "rfc822; bob@example.com")

	os.Remove("/var/mail/ann")
	send("", "<nobody-here@example.com> NOTIFY=SUCCESS")
	if box := s.Mailbox("ann"); box != "" {
		t.Errorf("a failure is reported that the sender does not want to know:\n%s", box)
	}
}

// S2.3, S2.8: the wishes of the sender go to the next host when it knows them,
// and a report "relayed" comes when it does not.
func TestDSNRelayed(t *testing.T) {
	s := site(t, "transport_maps=inline:{{knows.example=smtp:[127.0.0.1]:2525},{knows-not.example=smtp:[127.0.0.1]:2526}}")
	knows := startSink(t, "tcp", "127.0.0.1:2525", sink.Options{Keywords: []string{"DSN", "SIZE"}})
	startSink(t, "tcp", "127.0.0.1:2526", sink.Options{})
	s.Start()
	s.Send("Subject: x\n\nx\n", "-f", "ann", "-N", "success,failure", "-R", "hdrs", "-V", "id1", "joe@knows.example")
	m := messages(t, knows, 1)[0]
	want(t, m.From, " RET=HDRS", " ENVID=id1")
	want(t, m.Recipients[0], " NOTIFY=SUCCESS,FAILURE", " ORCPT=rfc822;joe@knows.example")
	s.WaitEmpty()
	s.Send("Subject: x\n\nx\n", "-f", "ann", "-N", "success", "joe@knows-not.example")
	s.WaitEmpty()
	is(t, parseNotice(t, s.Mailbox("ann")).recipients[0], "Action", "relayed", "Status", "2.0.0", "Remote-Mta", `dns; .*127.0.0.1.*`)
}

// S1.9: a warning while mail waits, and the mail itself when it waited too long.
func TestDelayAndExpiry(t *testing.T) {
	s := site(t, "relayhost=[127.0.0.1]:1", "delay_warning_time=1s", "maximal_queue_lifetime=3s", "minimal_backoff_time=1s", "maximal_backoff_time=1s",
		"queue_run_delay=1s", "transport_retry_time=1s").Start()
	s.Send("Subject: slow\n\nx\n", "-f", "ann", "joe@remote.example")
	s.WaitLog("sender delay notification")
	s.Wait("the warning", func() bool { return s.Mailbox("ann") != "" })
	n := parseNotice(t, s.Mailbox("ann"))
	if got := n.header.Get("Subject"); got != "Delayed Mail (still being retried)" {
		t.Error(got)
	}
	is(t, n.recipients[0], "Action", "delayed", "Status", "4.4.1", "Final-Recipient", "rfc822; joe@remote.example", "Will-Retry-Until", `\w{3}, .*`)
	s.WaitLog(`from=<ann@example.com>, status=expired, returned to sender`)
	s.WaitEmpty()
	n = parseNotice(t, s.Mailbox("ann"))
	is(t, n.recipients[0], "Action", "failed", "Status", "4.4.1", "Diagnostic-Code", `X-Postfix; connect to 127.0.0.1\[127.0.0.1\]:1: Connection refused`)
	if strings.Count(s.Log(), "sender delay notification") != 1 {
		t.Error("more than one warning")
	}
}

// S2.3: a notice that cannot be delivered goes to the postmaster, and no further.
func TestDoubleBounce(t *testing.T) {
	s := site(t, "notify_classes=2bounce,resource,software").Start()
	s.Send("Subject: lost\n\nx\n", "-f", "gone-too", "nobody-here")
	s.WaitLog("status=sent")
	s.WaitEmpty()
	n := parseNotice(t, s.Mailbox("root"))
	want(t, n.header.Get("Subject"), "Postmaster Copy: Undelivered Mail")
	is(t, n.recipients[0], "Final-Recipient", "rfc822; gone-too@example.com", "Status", "5.1.1")
	s.WaitLog(`postmaster non-delivery notification`)
	// Now the postmaster is gone as well: the mail is discarded.
	write(t, "/etc/aliases", "postmaster: nobody-either\n", 0o644)
	run(t, 0, "", "newaliases")
	s.Send("Subject: lost\n\nx\n", "-f", "gone-too", "nobody-here")
	s.WaitLog(`to=<postmaster@example.com>.*status=bounced|to=<nobody-either@example.com>.*status=bounced`)
	s.WaitEmpty()
}

// S4.2.3: each class of notify_classes tells the postmaster.
func TestNotifyClasses(t *testing.T) {
	s := site(t, "notify_classes=bounce,policy,protocol,resource,software", "smtpd_hard_error_limit=3").Start()
	c := greet(t)
	c.say("MAIL FROM:<x@remote.example>", "250")
	c.say("RCPT TO:<nobody-here@example.com>", "550")
	c.say("frob", "500")
	c.say("QUIT", "221")
	s.Wait("a transcript", func() bool { return strings.Contains(s.Mailbox("root"), "Transcript of session follows") })
	want(t, s.Mailbox("root"), "Subject: Postfix SMTP server: errors from localhost[127.0.0.1]\n", " In:  RCPT TO:<nobody-here@example.com>\n",
		" Out: 550 5.1.1 <nobody-here@example.com>: Recipient address rejected: User")
	os.Remove("/var/mail/root")
	s.Send("Subject: lost\n\nsecret\n", "-f", "ann", "nobody-here")
	s.Wait("a copy", func() bool { return strings.Contains(s.Mailbox("root"), "Postmaster Copy") })
	wantNot(t, s.Mailbox("root"), "secret")
}

// A sender address of its own for each recipient, from sendmail -XV and XVERP.
func TestVERP(t *testing.T) {
	s := site(t, "relayhost=[127.0.0.1]:2525", "smtpd_authorized_verp_clients=127.0.0.1")
	server := startSink(t, "tcp", "127.0.0.1:2525", sink.Options{})
	s.Start()
	s.Send("Subject: list\n\nx\n", "-XV", "-f", "list@example.com", "joe@remote.example", "jim@other.example")
	froms := func(n int) (all string) {
		for _, m := range messages(t, server, n) {
			all += m.From + " " + strings.Join(m.Recipients, " ") + "\n"
		}
		return all
	}
	want(t, froms(2), "<list+joe=remote.example@example.com> <joe@remote.example>\n", "<list+jim=other.example@example.com> <jim@other.example>\n")
	c := greet(t)
	c.say("MAIL FROM:<list@example.com> XVERP=-=", "250")
	c.say("RCPT TO:<ann2@remote.example>", "250")
	c.say("DATA", "354")
	c.say("\r\nx\r\n.", "250")
	want(t, froms(3), "<list-ann2=remote.example@example.com> <ann2@remote.example>\n")
}
