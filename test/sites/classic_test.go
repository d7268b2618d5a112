package sites

import (
	"strings"
	"testing"

	"postrider/test/machine"
	"postrider/test/peer/sink"
)

// The old system: conf/classic/main.cf, as it is installed, with the settings of a
// site behind it. Old names and old defaults work; what the old system did to mail
// for unknown users, and for whom it relayed, it does again.
func TestClassic(t *testing.T) {
	s := machine.Install(t)
	s.User("ann")
	attach(t, "world", "192.0.2.2", "", "192.0.2.1")
	server := startSink(t, "world", "192.0.2.2:25", sink.Options{})
	write(t, "/etc/aliases", "postmaster: ann\nroot: ann\n")
	write(t, machine.Config+"/main.cf", read(t, "/usr/libexec/postfix/classic/main.cf")+`
myhostname = mail.example.com
inet_interfaces = all
mydestination = $myhostname, localhost.$mydomain, example.com
alias_maps = cdb:/etc/aliases
virtual_maps = inline:{info@example.com=ann}
relayhost = [192.0.2.2]
maillog_file = `+machine.LogTo+"\n")
	run(t, "newaliases")
	out := run(t, "postfix", "check")
	want(t, out, "virtual_maps: this is the old name of parameter virtual_alias_maps")
	for line := range strings.Lines(out) {
		if !strings.Contains(line, "old name") && !strings.Contains(line, "overriding earlier entry: mydestination=") && !strings.Contains(line, "no program here acts upon it yet") &&
			!strings.Contains(line, "backwards-compatible") && !strings.Contains(line, "COMPATIBILITY_README") && !strings.Contains(line, "compatibility_level=") {
			t.Errorf("postfix check: %s", line)
		}
	}
	s.Start()
	// A client in the same class C network could relay.
	c := dial(t, "world", "", "192.0.2.1:25")
	c.say("EHLO client.example", "250")
	c.submit("joe@remote.example", "jim@elsewhere.example", "From: joe@remote.example\nSubject: relayed\n\nx\n")
	want(t, messages(t, server, 1)[0].Data, "Subject: relayed")
	// Mail for nobody is taken, and returned afterwards.
	c.submit("joe@remote.example", "nobody-here@example.com", "Subject: returned\n\nx\n")
	want(t, messages(t, server, 2)[1].Data, "Subject: Undelivered Mail Returned to Sender", `unknown user: "nobody-here"`)
	// Incomplete addresses are completed in mail from everywhere.
	c.submit("joe@remote.example", "info@example.com", "From: joe\nTo: info\nSubject: completed\n\nx\n")
	s.WaitEmpty()
	want(t, s.Mailbox("ann"), "From: joe@mail.example.com\n", "Subject: completed\n")
}
