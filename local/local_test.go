package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"postrider/lib/mail/dsn"
	"postrider/lib/service/deliver"
)

// line is a line of the log about an address that came from the recipient.
func line(to, recipient, rest string) string {
	orig := ""
	if to != recipient {
		orig = ", orig_to=<" + recipient + "@example>"
	}
	return "QID: to=<" + to + "@example>" + orig + ", relay=local, " + rest
}

func sent(text string) string { return "dsn=2.0.0, status=sent (" + text + ")" }

// What the parts of an address come to, in the words of the log. S2.7, S4.6.6.
func TestDeliveries(t *testing.T) {
	s := newSuite(t, "", `
		multi: ann, "bob@example", "|exit 0", DIR/home/file
		twice: ann, ann, ANN@example, bob, ann
		cmd: "|exit 0"
		st67: "|exit 67"
		st75: "|exit 75"
		sig: "|kill -9 $$"
		dsn: "|echo 4.7.9 not now; exit 1"
		out: "|echo a; echo b; exit 1"
		loop: loop2
		loop2: loop
		self: self, ann
		ann.l: \ann
		empty: ,
		devnull: /dev/null
		exec: DIR/home/exec
		md: DIR/home/md/
		relinc: :include:etc/x
		noinc: :include:DIR/none
		mixed: ann, zork
		brk: x@broken
		ann+ext: bob
		down: outage
		`)
	os.Chmod(s.dir+"/home", 0o777)
	s.write("home/file", "", 65534)
	s.write("home/exec", "", 65534)
	os.Chmod(s.dir+"/home/exec", 0o755)
	for _, test := range []struct {
		to   string
		want []string
	}{
		{"ann", []string{line("ann", "ann", sent("delivered to mailbox"))}},
		{"ANN", []string{line("ANN", "ANN", sent("delivered to mailbox"))}},
		{"ann+x", []string{line("ann+x", "ann+x", sent("delivered to mailbox"))}},
		{"ann+Ext", []string{line("bob", "ann+Ext", sent("delivered to mailbox"))}},
		{"ann+a/b", []string{"warning: QID: address with illegal extension: ann+a/b",
			line("ann+a/b", "ann+a/b", sent("delivered to mailbox"))}},
		{"multi", []string{line("ann", "multi", sent("delivered to mailbox")), line("bob", "multi", sent("delivered to mailbox")),
			line("multi", "multi", sent("delivered to command: exit 0")), line("multi", "multi", sent("delivered to file: DIR/home/file"))}},
		{"twice", []string{line("ann", "twice", sent("delivered to mailbox")), line("bob", "twice", sent("delivered to mailbox"))}},
		{"ann.l", []string{line("ann", "ann.l", sent("delivered to mailbox"))}},
		{"cmd", []string{line("cmd", "cmd", sent("delivered to command: exit 0"))}},
		{"st67", []string{"bounce <st67@example> failed 5.1.1 user unknown", line("st67", "st67", "dsn=5.1.1, status=bounced (user unknown)")}},
		{"sig", []string{`defer <sig@example> delayed 4.3.0 Command died with signal 9: "kill -9 $$"`,
			line("sig", "sig", `dsn=4.3.0, status=deferred (Command died with signal 9: "kill -9 $$")`)}},
		{"dsn", []string{"defer <dsn@example> delayed 4.7.9 not now ", line("dsn", "dsn", "dsn=4.7.9, status=deferred (not now )")}},
		{"out", []string{`bounce <out@example> failed 5.3.0 Command died with status 1: "echo a; echo b; exit 1". Command output: a b `,
			line("out", "out", `dsn=5.3.0, status=bounced (Command died with status 1: "echo a; echo b; exit 1". Command output: a b )`)}},
		{"loop", []string{"warning: alias database loop for loop2", "bounce <loop2@example> failed 5.4.6 alias database loop for loop2",
			line("loop2", "loop", "dsn=5.4.6, status=bounced (alias database loop for loop2)")}},
		{"self", []string{`bounce <self@example> failed 5.1.1 unknown user: "self"`,
			line("self", "self", `dsn=5.1.1, status=bounced (unknown user: "self")`), line("ann", "self", sent("delivered to mailbox"))}},
		{"empty", []string{"warning: no recipient in alias lookup result for empty", "defer <empty@example> delayed 4.3.0 alias database unavailable",
			line("empty", "empty", "dsn=4.3.0, status=deferred (alias database unavailable)")}},
		{"devnull", []string{line("devnull", "devnull", sent("delivered to file: /dev/null"))}},
		{"exec", []string{"bounce <exec@example> failed 5.7.1 cannot append message to file DIR/home/exec: file is executable",
			line("exec", "exec", "dsn=5.7.1, status=bounced (cannot append message to file DIR/home/exec: file is executable)")}},
		{"md", []string{line("md", "md", sent("delivered to maildir"))}},
		{"relinc", []string{"warning: :include:etc/x uses a relative path", "bounce <relinc@example> failed 5.3.5 mail system configuration error",
			line("relinc", "relinc", "dsn=5.3.5, status=bounced (mail system configuration error)")}},
		{"noinc", []string{"warning: unable to lookup :include: file DIR/none: No such file or directory",
			"bounce <noinc@example> failed 5.3.5 mail system configuration error",
			line("noinc", "noinc", "dsn=5.3.5, status=bounced (mail system configuration error)")}},
		{"mixed", []string{line("ann", "mixed", sent("delivered to mailbox")), `bounce <zork@example> failed 5.1.1 unknown user: "zork"`,
			line("zork", "mixed", `dsn=5.1.1, status=bounced (unknown user: "zork")`)}},
		{"brk", []string{"defer <brk@example> delayed 4.3.0 address resolver failure",
			line("brk", "brk", "dsn=4.3.0, status=deferred (address resolver failure)")}},
		{"down", []string{"warning: test:aliases: lookup of 'down' failed", "defer <down@example> delayed 4.3.0 alias database unavailable",
			line("down", "down", "dsn=4.3.0, status=deferred (alias database unavailable)")}},
		{"postmaster", []string{"warning: required alias not found: postmaster", line("postmaster", "postmaster", sent("discarded"))}},
		{"Mailer-Daemon", []string{"warning: required alias not found: mailer-daemon", line("Mailer-Daemon", "Mailer-Daemon", sent("discarded"))}},
		{"zork+x", []string{`bounce <zork+x@example> failed 5.1.1 unknown user: "zork"`,
			line("zork+x", "zork+x", `dsn=5.1.1, status=bounced (unknown user: "zork")`)}},
	} {
		log, done := s.deliver(mail{to: test.to + "@example"})
		expect(t, test.to, log, test.want...)
		if want := !strings.Contains(strings.Join(log, " "), "status=deferred"); done != want {
			t.Errorf("%s: done %v", test.to, done)
		}
	}
}

// Headers, ownership and mode of mailboxes. S2.7, S6.7.
func TestMailbox(t *testing.T) {
	s := newSuite(t, "", "one: ann")
	s.deliver(mail{to: "one@example", sender: "a b@x"})
	text := s.read("spool/ann")
	from, rest, _ := strings.Cut(text, "\n")
	if !strings.HasPrefix(from, `From "a b"@x  `) || rest != "Return-Path: <\"a b\"@x>\nX-Original-To: one@example\nDelivered-To: one@example\n"+
		"Subject: test\n\n>From me\n\n" {
		t.Errorf("got %q", text)
	}
	var st syscall.Stat_t
	syscall.Stat("spool/ann", &st)
	if st.Uid != 60001 || st.Gid != 60001 || st.Mode != syscall.S_IFREG|0o600 {
		t.Errorf("%+v", st)
	}
	for _, test := range []struct {
		mode     os.FileMode
		uid, gid uint32
	}{{0o775 | os.ModeSetgid, 60002, 8}, {0o775, 60002, 8}, {0o755, 60002, 60002}, {0o777, 60002, 60002}} {
		os.Remove("spool/bob")
		os.Chown("spool", 0, 8)
		os.Chmod("spool", test.mode)
		log, _ := s.deliver(mail{to: "bob@example"})
		syscall.Stat("spool/bob", &st)
		if st.Uid != test.uid || st.Gid != test.gid || st.Mode != syscall.S_IFREG|0o600 {
			t.Errorf("%v: %d %d %o %q", test.mode, st.Uid, st.Gid, st.Mode, log)
		}
	}
	os.Chown("spool/bob", 60004, 60004)
	os.Chmod("spool/bob", 0o666)
	log, _ := s.deliver(mail{to: "bob@example"})
	const why = "cannot update mailbox DIR/spool/bob for user bob. destination DIR/spool/bob is not owned by recipient"
	expect(t, "foreign", log, `warning: specify "strict_mailbox_ownership = no" to ignore mailbox ownership mismatch`,
		"defer <bob@example> delayed 4.2.0 "+why, line("bob", "bob", "dsn=4.2.0, status=deferred ("+why+")"))
	s.write("spool/ann.lock", "", 0)
	log, _ = s.deliver(mail{to: "ann@example"})
	const locked = "cannot update mailbox DIR/spool/ann for user ann. unable to create lock file DIR/spool/ann.lock: File exists"
	expect(t, "locked", log, "defer <ann@example> delayed 4.2.0 "+locked, line("ann", "ann", "dsn=4.2.0, status=deferred ("+locked+")"))
}

func TestHomeMailbox(t *testing.T) {
	s := newSuite(t, "home_mailbox = Mail/", "")
	log, _ := s.deliver(mail{to: "joe@example"})
	expect(t, "maildir", log, line("joe", "joe", sent("delivered to maildir")))
	entries, _ := os.ReadDir("home/joe/Mail/new")
	if len(entries) != 1 {
		t.Fatalf("%v", entries)
	}
	var st syscall.Stat_t
	syscall.Stat("home/joe/Mail/new/"+entries[0].Name(), &st)
	want := "Return-Path: <s@sender.example>\nX-Original-To: joe@example\nDelivered-To: joe@example\nSubject: test\n\nFrom me\n"
	if text := s.read("home/joe/Mail/new/" + entries[0].Name()); text != want || st.Uid != 60003 {
		t.Errorf("%q %+v", text, st)
	}
	s.load("home_mailbox = box")
	log, _ = s.deliver(mail{to: "joe@example"})
	expect(t, "mbox", log, line("joe", "joe", sent("delivered to mailbox")))
	s.load("mail_spool_directory = DIR/spool/")
	log, _ = s.deliver(mail{to: "joe@example"})
	expect(t, "spool", log, line("joe", "joe", sent("delivered to maildir")))
	if entries, _ := os.ReadDir("spool/joe/new"); len(entries) != 1 {
		t.Errorf("%v", entries)
	}
}

// .forward files: their owner, mode, extension, and the user in them. S2.7.
func TestForward(t *testing.T) {
	s := newSuite(t, "", "one: ann")
	forward := func(name, text string, uid int, mode os.FileMode) {
		s.write("home/ann/"+name, text, uid)
		os.Chmod("home/ann/"+name, mode)
	}
	mailbox := line("ann", "ann", sent("delivered to mailbox"))
	for _, test := range []struct {
		text string
		uid  int
		mode os.FileMode
		want []string
	}{
		{"", 60001, 0o600, []string{mailbox}},
		{"# comment\n\n", 60001, 0o600, []string{mailbox}},
		{"ann\n", 60001, 0o600, []string{mailbox}},
		{"\\ann, ann@example", 60001, 0o600, []string{mailbox}},
		{"ann", 60001, 0o666, []string{"warning: file DIR/home/ann/.forward is world writable", mailbox}},
		{"bob", 60002, 0o600, []string{"warning: file DIR/home/ann/.forward has bad owner uid 60002", mailbox}},
		{"bob", 0, 0o600, []string{"warning: cannot open file DIR/home/ann/.forward: Permission denied", mailbox}},
		{"\"|exit 0\"", 0, 0o644, []string{line("ann", "ann", sent("delivered to command: exit 0"))}},
		{"DIR/home/ann/x", 60001, 0o644, []string{line("ann", "ann", sent("delivered to file: DIR/home/ann/x"))}},
		{":include:DIR/etc/list", 60001, 0o644, []string{"bounce <ann@example> failed 5.7.1 mail to command is restricted",
			line("ann", "ann", "dsn=5.7.1, status=bounced (mail to command is restricted)")}},
	} {
		s.write("etc/list", "\"|exit 0\"\n", 0)
		forward(".forward", strings.ReplaceAll(test.text, "DIR", s.dir), test.uid, test.mode)
		log, _ := s.deliver(mail{to: "ann@example"})
		expect(t, test.text, log, test.want...)
	}
	forward(".forward+lists", `"|id -u; env | sort; exit 1"`, 60001, 0o600)
	log, _ := s.deliver(mail{to: "Ann+Lists@example", sender: "a b;c@x", change: func(r *deliver.Request, _ *deliver.Recipient) {
		r.ClientName, r.SASLUsername, r.EnvelopeID = "client.example", "me", "e1"
	}})
	for _, want := range []string{"Command output: 60001 ", " USER=ann ", " LOGNAME=ann ", " HOME=DIR/home/ann ", " SHELL=/bin/sh ", " EXTENSION=lists ",
		" LOCAL=ann+lists ", " DOMAIN=example ", " RECIPIENT=Ann+Lists@example ", " ORIGINAL_RECIPIENT=Ann+Lists@example ", " SENDER=a_b_c@x ",
		" PATH=/usr/bin:/bin ", " CLIENT_HOSTNAME=client.example ", " SASL_USERNAME=me ", " ENVID=e1 "} {
		if len(log) == 0 || !strings.Contains(log[len(log)-1], want) {
			t.Errorf("no %q in %q", want, log)
		}
	}
	os.Remove("home/ann/.forward")
	os.Symlink("x", "home/ann/.forward")
	log, _ = s.deliver(mail{to: "ann@example"})
	expect(t, "symlink", log, "warning: file DIR/home/ann/.forward is not a regular file", mailbox)
	s.load("require_home_directory = yes")
	os.Rename("home/ann", "home/away")
	log, done := s.deliver(mail{to: "ann@example"})
	expect(t, "no home", log, "defer <ann@example> delayed 4.3.0 cannot access home directory DIR/home/ann: No such file or directory",
		line("ann", "ann", "dsn=4.3.0, status=deferred (cannot access home directory DIR/home/ann: No such file or directory)"))
	if done {
		t.Error("done")
	}
}

// What is forwarded is a new message, with a header that stops loops. S2.7.
func TestResend(t *testing.T) {
	s := newSuite(t, "", `
		remote: x@far.example, "y z"@far.example, ann
		list: ann, bob
		owner-list: joe@far.example
		bad: x@far.example, "|exit 75"
		`)
	newID := sent("forwarded as NEWID")
	log, _ := s.deliver(mail{to: "remote@example", change: func(r *deliver.Request, to *deliver.Recipient) {
		r.EnvelopeID, r.Return, to.Notify = "envid", 2, dsn.NotifyFailure
	}})
	expect(t, "remote", log, line("ann", "remote", sent("delivered to mailbox")), "cleanup flags 33", "cleanup S s@sender.example",
		"cleanup A ret_flags=2", "cleanup A envelope_id=envid", "cleanup A rewrite_context=local",
		"cleanup A notify_flags=4", "cleanup A dsn_orig_rcpt=rfc822;remote@example", "cleanup O remote@example", "cleanup R x@far.example",
		"cleanup A notify_flags=4", "cleanup A dsn_orig_rcpt=rfc822;remote@example", "cleanup O remote@example", "cleanup R y z@far.example",
		"cleanup M ", "cleanup N Received: by mail.example (Postfix)", "cleanup N Delivered-To: remote@example", "cleanup N Subject: test",
		"cleanup N ", "cleanup N From me", "cleanup X ", "cleanup E ", line("remote", "remote", newID))

	log, _ = s.deliver(mail{to: "list@example", change: func(r *deliver.Request, to *deliver.Recipient) {
		r.EnvelopeID, to.Notify = "envid", dsn.NotifySuccess|dsn.NotifyDelay
	}})
	expect(t, "list", log, "trace <list@example> delivered 2.0.0 delivery via local: alias expanded",
		"cleanup flags 33", "cleanup S owner-list@example", "cleanup A rewrite_context=local", "cleanup R ann@example", "cleanup R bob@example",
		"cleanup M ", "cleanup N Received: by mail.example (Postfix)", "cleanup N Delivered-To: list@example", "cleanup N Subject: test",
		"cleanup N ", "cleanup N From me", "cleanup X ", "cleanup E ", line("list", "list", newID))

	log, done := s.deliver(mail{to: "bad@example"})
	if last := log[len(log)-1]; done || last != "cleanup aborted" && log[0] != "cleanup aborted" && !strings.Contains(fmt.Sprint(log), "deferred") {
		t.Errorf("bad: done %v, %q", done, log)
	}

	s.write("home/ann/.forward", "joe, ann, x@far.example\n", 60001)
	log, _ = s.deliver(mail{to: "ann@example"})
	if log[0] != line("ann", "ann", sent("delivered to mailbox")) || log[len(log)-1] != line("ann", "ann", newID) ||
		!strings.Contains(strings.Join(log, "|"), "|cleanup R joe@example|") {
		t.Errorf("forward: %q", log)
	}
	log, _ = s.deliver(mail{to: "ann@example", headers: []string{"Received: x", "Delivered-To: Ann@Example"}})
	expect(t, "loop", log, "bounce <ann@example> failed 5.4.6 mail forwarding loop for ann@example",
		line("ann", "ann", "dsn=5.4.6, status=bounced (mail forwarding loop for ann@example)"))
}

// Notices of success are about the alias. RFC 3461, section 5.2.7.
func TestNotifySuccess(t *testing.T) {
	s := newSuite(t, "", "one: ann")
	success := func(_ *deliver.Request, to *deliver.Recipient) { to.Notify = dsn.NotifySuccess }
	log, _ := s.deliver(mail{to: "one@example", change: success})
	expect(t, "alias", log, line("ann", "one", sent("delivered to mailbox")), "trace <one@example> expanded 2.0.0 delivery via local: alias expanded")
	log, _ = s.deliver(mail{to: "ann@example", change: success})
	expect(t, "user", log, "trace <ann@example> delivered 2.0.0 delivery via local: delivered to mailbox", line("ann", "ann", sent("delivered to mailbox")))
}

// Other transports: which, for whom, and who marks the recipient. S2.7.
func TestTransports(t *testing.T) {
	s := newSuite(t, "mailbox_transport = other:hop\nmailbox_transport_maps = inline:{{bob=other} {eve=other:fail} {joe=nosuch:}}", "")
	passing := func(to string) string { return "QID: passing <" + to + "@example> to transport=other" }
	for to, want := range map[string][]string{
		"ann":   {passing("ann"), "other <ann@example> hop hop offset -1"},
		"zork":  {passing("zork"), "other <zork@example> hop hop offset -1"},
		"bob+x": {passing("bob+x"), "other <bob+x@example> hop example offset -1"},
		"eve":   {passing("eve"), "other <eve@example> hop fail offset -1"},
	} {
		log, done := s.deliver(mail{to: to + "@example"})
		expect(t, to, log, want...)
		if done != (to != "eve") {
			t.Errorf("%s: done %v", to, done)
		}
	}
	if log, done := s.deliver(mail{to: "joe@example"}); done || !strings.Contains(log[len(log)-1], "dsn=4.3.0, status=deferred (mail transport unavailable)") {
		t.Errorf("%v %q", done, log)
	}
	s.load("fallback_transport = other:f")
	log, _ := s.deliver(mail{to: "zork@example"})
	expect(t, "fallback", log, passing("zork"), "other <zork@example> hop f offset -1")
	log, _ = s.deliver(mail{to: "ann@example"})
	expect(t, "no fallback", log, line("ann", "ann", sent("delivered to mailbox")))
}

func TestLuserRelay(t *testing.T) {
	s := newSuite(t, "luser_relay = joe+$local", "")
	log, _ := s.deliver(mail{to: "zork+e@example"})
	expect(t, "relay", log, line("joe+zork+e", "zork+e", sent("delivered to mailbox")))
	s.load("luser_relay = nobody+$user")
	log, _ = s.deliver(mail{to: "zork@example"})
	if len(log) == 0 || strings.Count(strings.Join(log, " "), "status=") != 1 {
		t.Errorf("%q", log)
	}
}

func TestMailboxCommand(t *testing.T) {
	s := newSuite(t, "mailbox_command = echo \"$USER $EXTENSION $HOME\"; id -u; pwd; exit 1\nmailbox_command_maps = inline:{bob=false}\n"+
		"command_execution_directory = $home\nallow_mail_to_commands =", "")
	log, _ := s.deliver(mail{to: "Ann+ExT@example"})
	if want := "Command output: ann ext DIR/home/ann 60001 DIR/home/ann )"; !strings.HasSuffix(log[len(log)-1], want) {
		t.Errorf("%q", log)
	}
	log, _ = s.deliver(mail{to: "bob@example"})
	if want := `(Command died with status 1: "false")`; !strings.HasSuffix(log[len(log)-1], want) {
		t.Errorf("%q", log)
	}
	log, _ = s.deliver(mail{to: "root@example"}) // never as root
	if !strings.Contains(log[len(log)-1], " 65534 ") && !strings.Contains(log[len(log)-1], "cannot change directory") &&
		!strings.Contains(log[len(log)-1], "temporary failure") {
		t.Errorf("%q", log)
	}
}

// Nothing is delivered when only the way is asked for.
func TestTraceOnly(t *testing.T) {
	s := newSuite(t, "", `all: ann, x@far.example, "|exit 1", DIR/home/f, DIR/home/d/`)
	log, _ := s.deliver(mail{to: "all@example", flags: deliver.FlagUserProbe})
	got := strings.Join(log, "\n")
	for _, want := range []string{"deliverable (delivers to mailbox)", "deliverable (forwards to x@far.example)", "deliverable (delivers to command: exit 1)",
		"deliverable (delivers to file: DIR/home/f)", "deliverable (delivers to maildir)", "trace <ann@example> deliverable 2.0.0 delivery via local: delivers to mailbox"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, name := range []string{"spool/ann", "home/f", "home/d"} {
		if _, err := os.Stat(name); err == nil {
			t.Errorf("%s was made", name)
		}
	}
}

// An outage of accounts, and a broken queue file, delay mail. S2.7.
func TestTrouble(t *testing.T) {
	s := newSuite(t, "", "")
	os.Rename("etc/passwd", "etc/away")
	log, done := s.deliver(mail{to: "ann@example"})
	if done || !strings.HasSuffix(log[len(log)-1], "dsn=4.3.0, status=deferred (user lookup error)") {
		t.Errorf("%v %q", done, log)
	}
	os.Rename("etc/away", "etc/passwd")
	_, done = s.deliver(mail{to: "ann@example", change: func(r *deliver.Request, _ *deliver.Recipient) { r.Offset += 1 }})
	var st syscall.Stat_t
	syscall.Stat("active/QID", &st)
	if done || st.Mode&0o777 != 0o400 {
		t.Errorf("corrupt: %v %o", done, st.Mode)
	}
	if text := s.read("spool/ann"); text != "" {
		t.Errorf("%q", text)
	}
}
