package main

import (
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/param"
	"postrider/lib/mail/record"
	"postrider/lib/service/deliver"
	"postrider/lib/service/ipc"
)

// session makes a queue file and sends a request with its recipients. It returns
// the log and the reply.
func session(t *testing.T, sender string, recipients ...string) (log []string, status int) {
	t.Helper()
	defer msg.SetOutput(func(l msg.Level, text string) {
		log = append(log, l.Prefix()+regexp.MustCompile(` delay=[^ ]* delays=[^ ]*`).ReplaceAllString(text, ""))
	})()
	b := record.Append(nil, record.Message, "")
	for _, line := range []string{"Subject: t", "", "From me", ".dot"} {
		b = record.Append(b, record.Text, line)
	}
	b = record.Append(record.Append(b, record.Extracted, ""), record.End, "")
	os.Mkdir("active", 0o700)
	if err := os.WriteFile("active/QID", b, 0o700); err != nil {
		t.Fatal(err)
	}
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		st := stream.New(stream.FD(fds[0]))
		agent.Serve(st, "uucp", &agent.Agent{Name: "pipe", Params: &conf, Deliver: deliverAll})
		st.Close()
	}()
	st := stream.New(stream.FD(fds[1]))
	defer st.Close()
	if err := ipc.Expect(st, deliver.Protocol); err != nil {
		t.Fatal(err)
	}
	attr.Write(st, deliver.Request{Flags: deliver.FlagDefault, QueueName: "active", QueueID: "QID", Offset: 2, Size: 40, NextHop: "hop",
		Sender: sender, Time: deliver.Times{Arrival: time.Now()}.Encode(), RecipientCount: len(recipients)})
	for _, to := range recipients {
		attr.Write(st, deliver.Recipient{Original: to, Address: to, Offset: deliver.NoOffset})
	}
	var reply deliver.Reply
	if err := attr.Read(st, &reply); err != nil {
		t.Fatal(err)
	}
	return log, reply.Status
}

// A command gets the message as the flags say, with the rights of its user, and
// what it prints is logged. S2.9.
func TestCommand(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be another user")
	}
	t.Chdir(t.TempDir())
	set := param.New(".")
	set.Override("mail_owner", "daemon")
	set.Override("command_time_limit", "10s")
	set.Override("fast_flush_domains", "")
	if err := set.Load(&conf); err != nil {
		t.Fatal(err)
	}
	if err := set.LoadTransport(&perTransport, "uucp"); err != nil {
		t.Fatal(err)
	}
	defer func() { service = attributes{} }()
	use := func(args ...string) {
		t.Helper()
		a, err := parse(args)
		if err == nil {
			err = a.findUser(&conf.Params.Params.Params)
		}
		if err != nil {
			t.Fatal(err)
		}
		service = a
	}

	use("flags=BFR.>", "user=nobody", "eol=\\r\\n", "argv=/bin/sh", "-c", "id -u; echo $$#; cat", "sh", "$recipient")
	log, status := session(t, "s@x", "a@b", "c@d")
	const ok = ", relay=uucp, dsn=2.0.0, status=sent (delivered via uucp service (65534 2 From s@x  "
	if len(log) != 2 || status != 0 || !strings.HasPrefix(log[0], "QID: to=<a@b>"+ok) || !strings.HasPrefix(log[1], "QID: to=<c@d>"+ok) ||
		!strings.Contains(log[0], "Return-Path: <s@x>? Subject: t? ? >From") {
		t.Errorf("%d %q", status, log)
	}

	use("flags=DORX", "user=nobody", "null_sender=", "argv=/bin/sh", "-c", "cat | tr '\\n' '|'", "$sender")
	log, status = session(t, "", "a@b")
	if want := "QID: to=<a@b>, relay=uucp, dsn=2.0.0, status=sent (delivered via uucp service (Return-Path: <>|X-Original-To: a@b|" +
		"Delivered-To: a@b|Subject: t||From me|.dot|))"; len(log) != 1 || log[0] != want || status != 0 {
		t.Errorf("%d %q", status, log)
	}

	log, status = session(t, "", "a@b", "c@d")
	if len(log) == 0 || log[0] != "warning: pipe flag `D' requires uucp_destination_recipient_limit = 1" || status == 0 {
		t.Errorf("%d %q", status, log)
	}

	use("user=nobody", "argv=/bin/sh", "-c", "exit 75")
	log, status = session(t, "", "a@b")
	if want := "QID: to=<a@b>, relay=uucp, dsn=4.3.0, status=deferred (temporary failure)"; status == 0 || !strings.Contains(strings.Join(log, "\n"), want) {
		t.Errorf("%d %q", status, log)
	}

	use("user=nobody", "argv=/no/such/program")
	log, status = session(t, "", "a@b")
	if want := "dsn=4.3.0, status=deferred (temporary failure. Command output: "; status == 0 || !strings.Contains(strings.Join(log, "\n"), want) {
		t.Errorf("%d %q", status, log)
	}
}
