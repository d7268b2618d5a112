package sites

import (
	"strings"
	"testing"

	"postrider/test/peer/sink"
)

// S5.1, S4.4.4, S4.6.3: a dial-up office. Mail in the house arrives at once, mail
// for the world waits until the line is up; outside nobody sees the machines of
// the office, and no name server is asked.
func TestDialup(t *testing.T) {
	s := example(t, "dialup", "ann", "bob")
	attach(t, "office", "192.168.0.7", "", "192.168.0.1")
	attach(t, "provider", "192.0.2.2", "", "192.0.2.1")
	server := startSink(t, "provider", "192.0.2.2:25", sink.Options{})
	startZone(t, "provider", "192.0.2.2", "provider.example. MX 10 mail.provider.example.\n")
	s.Start()

	// From a machine of the office, as its programs write it.
	c := dial(t, "office", "", "192.168.0.1:25")
	c.say("EHLO pc7.office.example.com", "250")
	c.submit("ann@pc7.office.example.com", "bob@office.example.com", "From: ann@pc7.office.example.com\nTo: bob\nSubject: lunch\n\nAt noon?\n")
	c.submit("ann@pc7.office.example.com", "joe@remote.example",
		"From: Ann <ann@pc7.office.example.com>\nTo: joe@remote.example\nCc: bob@pc9.office.example.com\nSubject: offer\n\nCheap.\n")
	s.Send("Subject: disk\n\nfull\n", "-f", "root@server.office.example.com", "admin@remote.example")
	s.WaitLog(`postfix/local\[\d+\]: .*to=<bob@office.example.com>.*status=sent`)
	want(t, s.Mailbox("bob"), "Subject: lunch", "From ann@office.example.com ")
	s.WaitLog(`to=<joe@remote.example>, relay=none, .*dsn=4.3.2, status=deferred \(deferred transport\)`)
	s.WaitLog(`to=<admin@remote.example>, relay=none, .*status=deferred \(deferred transport\)`)
	if server.Sessions() > 0 {
		t.Error("somebody dialled")
	}

	// The line is up.
	run(t, "sh", "/src/conf/examples/dialup/ip-up")
	for _, m := range messages(t, server, 2) {
		switch {
		case strings.Contains(m.Data, "Subject: offer"):
			want(t, m.From, "<ann@office.example.com>")
			want(t, m.Data, "From: Ann <ann@office.example.com>", "Cc: bob@office.example.com")
		default:
			want(t, m.From, "<root@server.office.example.com>") // the exception
		}
	}
	s.WaitEmpty()

	// The line is down again.
	s.Send("Subject: later\n\nx\n", "-f", "ann", "jim@remote.example")
	s.WaitLog(`to=<jim@remote.example>, .*\(deferred transport\)`)
	run(t, "sendmail", "-q")
	messages(t, server, 3)
	s.WaitEmpty()
}

// S5.1: every form of relayhost. Without DNS, names are those of /etc/hosts.
func TestRelayhostForms(t *testing.T) {
	s := example(t, "dialup", "ann", "bob")
	attach(t, "provider", "192.0.2.2", "", "192.0.2.1")
	run(t, "ip", "-n", "provider", "addr", "add", "192.0.2.3/24", "dev", "provider-out")
	usual := startSink(t, "provider", "192.0.2.2:25", sink.Options{})
	other := startSink(t, "provider", "192.0.2.2:2525", sink.Options{})
	exchanger := startSink(t, "provider", "192.0.2.3:25", sink.Options{})
	startZone(t, "provider", "192.0.2.2", "provider.example. MX 10 mx.provider.example.\nprovider.example. A 192.0.2.2\n"+
		"mx.provider.example. A 192.0.2.3\nmail.provider.example. A 192.0.2.2\n")
	hosts := read(t, "/etc/hosts")
	write(t, "/etc/hosts", hosts+"192.0.2.2 provider.example mail.provider.example\n")
	t.Cleanup(func() { write(t, "/etc/hosts", hosts) })
	s.Set("defer_transports=")
	s.Start()
	for i, form := range []struct {
		relayhost, without string
		to                 *sink.Server
	}{
		{"provider.example", "yes", usual},
		{"provider.example:2525", "yes", other},
		{"mail.provider.example", "yes", usual},
		{"mail.provider.example:2525", "yes", other},
		{"[mail.provider.example]", "yes", usual},
		{"[192.0.2.2]", "yes", usual},
		{"[192.0.2.2]:2525", "yes", other},
		{"provider.example", "no", exchanger},
		{"[provider.example]", "no", usual},
		{"mail.provider.example:2525", "no", other}, // has no MX
	} {
		before := len(form.to.Messages())
		s.Set("relayhost="+form.relayhost, "disable_dns_lookups="+form.without)
		s.Reload()
		s.Wait("reload", func() bool { return strings.Count(s.Log(), "]: reload ") > i })
		s.Send("Subject: "+form.relayhost+"\n\nx\n", "-f", "ann", "joe@remote.example")
		messages(t, form.to, before+1)
		s.WaitEmpty()
	}
}
