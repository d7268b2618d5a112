package endtoend

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postrider/test/machine"
	"postrider/test/peer/sink"
)

// S2.4: what each option of sendmail(1) does to the message that another system
// gets.
func TestSendmailEnvelope(t *testing.T) {
	s := site(t, "relayhost=[127.0.0.1]:2525", "remote_header_rewrite_domain=")
	server := startSink(t, "tcp", "127.0.0.1:2525", sink.Options{Keywords: []string{"DSN", "8BITMIME", "SMTPUTF8"}})
	s.Start()
	const message = "From: ann\nTo: someone\nSubject: x\n\nbody\n"
	for i, test := range []struct {
		message, options string
		command          string // that the other system saw
		lines            []string
	}{
		{message, "-f x@example.com", "MAIL FROM:<x@example.com>", []string{"From: ann@example.com", "To: someone@example.com"}},
		{message, "-r x@example.com", "MAIL FROM:<x@example.com>", nil},
		{message, "-f x@example.com -r y@example.com", "MAIL FROM:<y@example.com>", nil},
		{message, "-f <>", "MAIL FROM:<>", nil},
		{"Subject: x\n\n", "-f x@example.com -F Some_Body", "", []string{"From: Some_Body <x@example.com>"}},
		{message, "-V envelope+2Dname", "MAIL FROM:<root@example.com> ENVID=envelope+2B2Dname", nil},
		{message, "-R hdrs", "MAIL FROM:<root@example.com> RET=HDRS", nil},
		{message, "-R full", "MAIL FROM:<root@example.com> RET=FULL", nil},
		{message, "-N success,delay", "RCPT TO:<far@remote.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;far@remote.example", nil},
		{message, "-N never", "RCPT TO:<far@remote.example> NOTIFY=NEVER ORCPT=rfc822;far@remote.example", nil},
		{message, "-B 8BITMIME", "MAIL FROM:<root@example.com> BODY=8BITMIME", nil},
		{message, "-O smtputf8=yes", "MAIL FROM:<root@example.com> SMTPUTF8", nil},
		{message, "-O SMTPUTF8=YES -O smtputf8=no", "MAIL FROM:<root@example.com>", nil},
		{message, "-XV-+ -f list@example.com", "MAIL FROM:<list-far+remote.example@example.com>", nil},
		{message, "-G", "", []string{"From: ann", "To: someone"}},
		{"Subject: x\n\n.\nbehind\n", "-i", "", []string{".", "behind"}},
		{"Subject: x\n\n.\nbehind\n", "-oi", "", []string{".", "behind"}},
		{message, "-Am -h 3 -L label -m -o7 -om -U -O LogLevel=9 -n -bm", "", []string{"body"}},
	} {
		options := strings.Fields(test.options)
		for j, o := range options {
			options[j] = strings.ReplaceAll(o, "_", " ")
		}
		s.Send(test.message, append(options, "far@remote.example")...)
		m := messages(t, server, i+1)[i]
		seen := "MAIL FROM:" + m.From + "\nRCPT TO:" + strings.Join(m.Recipients, " ") + "\n"
		seen = strings.ReplaceAll(seen, " SIZE="+size(seen), "")
		for _, line := range test.lines {
			if !strings.Contains(m.Data, "\n"+strings.ReplaceAll(line, "_", " ")+"\r\n") {
				t.Errorf("sendmail %s: no %q in\n%s", test.options, line, m.Data)
			}
		}
		found := test.command == ""
		for line := range strings.Lines(seen) {
			found = found || sameWords(line, test.command)
		}
		if !found {
			t.Errorf("sendmail %s: no %q in\n%s", test.options, test.command, seen)
		}
	}
}

func size(text string) string {
	_, rest, _ := strings.Cut(text, " SIZE=")
	return rest[:strings.IndexFunc(rest+" ", func(r rune) bool { return r < '0' || r > '9' })]
}

// sameWords compares commands whose parameters may be in any order. The BODY that
// everybody gets counts only where it is looked for.
func sameWords(a, b string) bool {
	for word := range strings.FieldsSeq(b) {
		if !strings.Contains(" "+strings.TrimSpace(a)+" ", " "+word+" ") {
			return false
		}
	}
	return strings.Contains(a, "SMTPUTF8") == strings.Contains(b, "SMTPUTF8") && strings.Contains(a, "RET=") == strings.Contains(b, "RET=")
}

// Recipients in headers, -t: those of Resent- headers when there are any, in all
// forms that addresses have; a Bcc: header is for the sender alone.
func TestSendmailHeaderForms(t *testing.T) {
	s := site(t, "relayhost=[127.0.0.1]:2525", "smtp_destination_recipient_limit=50")
	server := startSink(t, "tcp", "127.0.0.1:2525", sink.Options{})
	s.Start()
	for i, test := range []struct {
		headers, words string
		want           string
	}{
		{"To: a@r.example\nCc: b@r.example\nBcc: c@r.example", "", "a b c"},
		{"To: a@r.example", "z@r.example", "z a"},
		{"To: \"A, B\" <a@r.example>, b@r.example (c, d),\n\t<c@r.example>", "", "a b c"},
		{"To: Group: a@r.example, B <b@r.example>;, c@r.example", "", "a b c"},
		{"TO : a@r.example\nto: b@r.example", "", "a b"},
		{"To: a@r.example\nResent-To: b@r.example\nResent-Cc: c@r.example\nResent-Bcc: d@r.example", "", "b c d"},
		{"To: <@relay.example:a@r.example>", "", "a"},
		{"To: \"a b\"@r.example", "", `"a`},
		{"Cc: a@r.example\nTo: undisclosed-recipients:;", "", "a"},
		{"To: a@r.example, a@r.example", "", "a"},
	} {
		s.Send(test.headers+"\nSubject: x\n\nTo: body@r.example\n", append([]string{"-t"}, strings.Fields(test.words)...)...)
		m := messages(t, server, i+1)[i]
		var names []string
		for _, r := range m.Recipients {
			name, _, _ := strings.Cut(strings.TrimPrefix(r, "<"), "@")
			name, _, _ = strings.Cut(name, " ")
			names = append(names, name)
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("%s: for %s, want %s", test.headers, got, test.want)
		}
		wantNot(t, m.Data, "\nBcc:", "\nResent-Bcc:")
	}
}

// Modes that start other commands, and those that are refused.
func TestSendmailModes(t *testing.T) {
	s := site(t, "fast_flush_domains=remote.example", "relayhost=[127.0.0.1]:2525", "queue_run_delay=1h",
		"minimal_backoff_time=1h", "maximal_backoff_time=1h")
	run(t, 0, "", "sendmail", "-bl") // like -bd
	s.Wait("the master", func() bool { _, status := machine.Run("", "postfix", "status"); return status == 0 })
	run(t, 0, "", "postfix", "stop")
	run(t, 0, "", "sendmail", "-bd")
	s.Wait("the master", func() bool { _, status := machine.Run("", "postfix", "status"); return status == 0 })
	for _, to := range []string{"a@remote.example", "b@remote.example", "c@other.example"} {
		s.Send("Subject: "+to+"\n\nx\n", to)
	}
	var ids []string
	s.Wait("three deferred messages", func() bool {
		ids, _ = filepath.Glob(machine.Queue + "/deferred/*/*")
		return len(ids) == 3
	})
	server := startSink(t, "tcp", "127.0.0.1:2525", sink.Options{})
	run(t, 0, "", "sendmail", "-qI"+filepath.Base(ids[0]))
	messages(t, server, 1)
	run(t, 0, "", "sendmail", "-qRremote.example")
	run(t, 0, "", "sendmail", "-q")
	messages(t, server, 3)
	s.WaitEmpty()
	run(t, 0, "", "sendmail", "-q15m", "-bh")
	run(t, 0, "", "sendmail", "-bH")
	write(t, "/etc/other-aliases", "someone: ann\n", 0o644)
	run(t, 0, "", "sendmail", "-bi", "-oAhash:/etc/other-aliases")
	want(t, run(t, 0, "", "postalias", "-q", "someone", "hash:/etc/other-aliases"), "ann")
	os.Remove("/etc/other-aliases.cdb")
	run(t, 0, "", "sendmail", "-I", "-oA/etc/other-aliases")
	want(t, run(t, 0, "", "postalias", "-q", "someone", "hash:/etc/other-aliases"), "ann")
	for options, text := range map[string]string{
		"-O requiretls=perhaps": "requiretls=yes or requiretls=no", "-O smtputf8=perhaps": "smtputf8=yes or smtputf8=no", "-qSsite": "not implemented",
		"-bz": "unsupported", "-B 9BIT": "-B option needs", "-qR": "specify", "-t -bv": "-t option",
	} {
		out, status := machine.Run("Subject: x\n\n", "sendmail", append(strings.Fields(options), "ann")...)
		if status != 75 || !strings.Contains(out, text) {
			t.Errorf("sendmail %s: status %d, %s", options, status, out)
		}
	}
	s.Send("Subject: x\n\n", "-v", "-f", "ann@example.com", "bob")
	s.Wait("the report", func() bool {
		return strings.Contains(s.Mailbox("ann"), "status=sent") || strings.Contains(s.Mailbox("ann"), "Action: deliver")
	})
	s.WaitEmpty()
	want(t, fmt.Sprint(s.Mailbox("bob")), "Subject: x")
}
