package endtoend

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"postrider/test/machine"
	"postrider/test/peer/sink"
)

// remote installs a host that can reach the second one, and is reached by it.
func remote(t *testing.T, settings ...string) (*machine.System, *machine.Host) {
	t.Helper()
	far := machine.NewHost(t)
	s := site(t, append([]string{"inet_interfaces=all", "mynetworks=127.0.0.0/8"}, settings...)...)
	return s, far
}

// S2.8: the best MX host is dead, the next one refuses the connection, the third
// one takes the mail; and the log says where it went.
func TestMailExchangers(t *testing.T) {
	s, far := remote(t, "smtp_connect_timeout=1s")
	farZone(t, far, `
remote.example. MX 10 dead.remote.example.
remote.example. MX 20 refuses.remote.example.
remote.example. MX 30 mx.remote.example.
remote.example. MX 40 last.remote.example.
dead.remote.example. A `+machine.Dead+`
refuses.remote.example. A `+machine.Other+`
mx.remote.example. A `+machine.Far+`
last.remote.example. A `+machine.Near+`
`)
	server := farSink(t, far, machine.Far+":25", sink.Options{Keywords: []string{"PIPELINING", "SIZE 1000000", "8BITMIME", "DSN"}})
	s.Start()
	s.Send("Subject: far\n\n.dot\nFrom here\n", "-f", "ann", "joe@remote.example", "jim@remote.example")
	got := messages(t, server, 1)[0]
	s.WaitEmpty()
	s.WaitLog(`postfix/smtp\[\d+\]: connect to dead.remote.example\[192.0.2.66\]:25: `)
	s.WaitLog(`postfix/smtp\[\d+\]: connect to refuses.remote.example\[192.0.2.3\]:25: Connection refused`)
	s.WaitLog(`to=<jim@remote.example>, relay=mx.remote.example\[192.0.2.2\]:25, .*dsn=2.0.0, status=sent \(250 2.0.0 Ok: queued as SINK\)`)
	if got.Helo != "EHLO mail.example.com" || len(got.Recipients) != 2 || !strings.HasPrefix(got.From, "<ann@example.com> SIZE=") {
		t.Errorf("envelope: %q %q %q", got.Helo, got.From, got.Recipients)
	}
	want(t, got.Data, "\r\n\r\n.dot\r\nFrom here\r\n", "Received: by mail.example.com (Postfix, from userid 0)\r\n", "From: root <ann@example.com>\r\n")
	wantNot(t, got.Data, "Return-Path", "Delivered-To")
}

// S4.3.0: a host that is the best MX of a domain it does not know as its own
// stops at once; and one that is a later MX never sends to a worse one.
func TestMailLoopsBack(t *testing.T) {
	s, far := remote(t, "smtp_connect_timeout=1s")
	farZone(t, far, "loop.example. MX 10 mail.example.com.\nmail.example.com. A "+machine.Near+"\nloop.example. MX 20 mx.loop.example.\nmx.loop.example. A "+machine.Far+"\n")
	server := farSink(t, far, machine.Far+":25", sink.Options{})
	s.Start()
	s.Send("Subject: loop\n\nx\n", "-f", "ann", "joe@loop.example")
	s.WaitLog(`to=<joe@loop.example>, relay=none, .*dsn=5.4.6, status=bounced \(mail for loop.example loops back to myself\)`)
	s.WaitEmpty()
	want(t, s.Mailbox("ann"), "loops back to myself")
	if server.Sessions() != 0 {
		t.Error("a worse MX host was asked")
	}
}

// S1.9, S2.8, S6.1: nobody is there: the mail waits with the reason, and goes out
// when the host is back and the queue is flushed.
func TestDeadHost(t *testing.T) {
	s, far := remote(t, "smtp_connect_timeout=1s")
	farZone(t, far, "remote.example. MX 10 mx.remote.example.\nmx.remote.example. A "+machine.Far+"\n")
	s.Start()
	s.Send("Subject: later\n\nx\n", "-f", "ann", "joe@remote.example")
	s.WaitLog(`to=<joe@remote.example>, relay=none, .*dsn=4.4.1, status=deferred \(connect to mx.remote.example\[192.0.2.2\]:25: Connection refused\)`)
	s.Wait("the deferred queue", func() bool { list := s.Queued(); return len(list) == 1 && strings.HasPrefix(list[0], "deferred/") })
	out := run(t, 0, "", "mailq")
	want(t, out, "(connect to mx.remote.example[192.0.2.2]:25: Connection refused)", "joe@remote.example")
	st, err := os.Stat(machine.Queue + "/" + s.Queued()[0])
	if err != nil || time.Until(st.ModTime()) < 4*time.Minute {
		t.Errorf("next attempt at %v (%v)", st.ModTime(), err)
	}
	server := farSink(t, far, machine.Far+":25", sink.Options{})
	s.Flush()
	messages(t, server, 1)
	s.WaitEmpty()
	s.WaitLog("status=sent")
}

// S1.10: once a host is known as dead, mail for it waits without being tried.
func TestDeadHostRemembered(t *testing.T) {
	s, far := remote(t, "smtp_connect_timeout=1s", "initial_destination_concurrency=1")
	farZone(t, far, "remote.example. A "+machine.Far+"\n")
	s.Start()
	for _, name := range []string{"one", "two"} {
		s.Send("Subject: x\n\nx\n", "-f", "", name+"@remote.example")
		s.WaitLog("to=<" + name + "@remote.example>, .*status=deferred")
	}
	s.WaitLog(`postfix/error\[\d+\]: \w+: to=<two@remote.example>, relay=none, .*status=deferred \(delivery temporarily suspended: connect to remote.example\[192.0.2.2\]:25: Connection refused\)`)
}

// S2.8: bad DNS, each with its own end: no such domain and a null MX bounce at
// once, trouble waits.
func TestBadDNS(t *testing.T) {
	s, far := remote(t, "ignore_mx_lookup_error=no", "soft_bounce=no")
	farZone(t, far, `
null.example. MX 0 .
nohost.example. MX 10 gone.nohost.example.
cname.example. CNAME real.example.
real.example. MX 10 mx.real.example.
mx.real.example. A `+machine.Far+`
only6.example. AAAA `+machine.Far6+`
truncated.real.example. MX 10 mx.real.example.
`)
	server := farSink(t, far, ":25", sink.Options{Name: "mx.real.example"})
	s.Start()
	all := []string{"null.example", "nohost.example", "nowhere.example", "servfail.example", "cname.example", "truncated.real.example", "only6.example"}
	for _, domain := range all {
		s.Send("Subject: dns\n\nx\n", "-f", "ann", "joe@"+domain)
	}
	for domain, line := range map[string]string{
		"null.example":           `dsn=5.1.0, status=bounced \(Domain null.example does not accept mail \(nullMX\)\)`,
		"nohost.example":         `dsn=5.4.4, status=bounced \(Host or domain name not found. Name service error for name=gone.nohost.example type=A+: Host not found\)`,
		"nowhere.example":        `dsn=5.4.4, status=bounced \(Host or domain name not found. Name service error for name=nowhere.example type=A+: Host not found\)`,
		"servfail.example":       `dsn=4.4.3, status=deferred \(Host or domain name not found. Name service error for name=servfail.example type=MX: Host not found, try again\)`,
		"cname.example":          `relay=mx.real.example\[192.0.2.2\]:25, .*status=sent`,
		"truncated.real.example": `relay=mx.real.example\[192.0.2.2\]:25, .*status=sent`,
	} {
		s.WaitLog("to=<joe@" + domain + ">, .*" + line)
	}
	messages(t, server, 3)
}

// S2.8: replies of the other side decide: 4xx waits, 5xx returns, others go on.
func TestRemoteReplies(t *testing.T) {
	s, far := remote(t)
	farZone(t, far, "remote.example. MX 10 mx.remote.example.\nmx.remote.example. A "+machine.Far+"\n")
	server := farSink(t, far, machine.Far+":25", sink.Options{Keywords: []string{"PIPELINING"}, Rules: map[string][]string{
		"RCPT full@remote.example":  {"452 4.2.2 mailbox is full", ""},
		"RCPT wrong@remote.example": {"550 5.1.1 no such user"},
	}})
	s.Start()
	s.Send("Subject: replies\n\nx\n", "-f", "ann", "good@remote.example", "full@remote.example", "wrong@remote.example")
	s.WaitLog(`to=<good@remote.example>, .*dsn=2.0.0, status=sent`)
	s.WaitLog(`to=<full@remote.example>, .*dsn=4.2.2, status=deferred \(host mx.remote.example\[192.0.2.2\] said: 452 4.2.2 mailbox is full \(in reply to RCPT TO command\)\)`)
	s.WaitLog(`to=<wrong@remote.example>, .*dsn=5.1.1, status=bounced \(host mx.remote.example\[192.0.2.2\] said: 550 5.1.1 no such user \(in reply to RCPT TO command\)\)`)
	s.WaitLog("sender non-delivery notification")
	s.Flush()
	s.WaitEmpty()
	list := messages(t, server, 2)
	if to := list[1].Recipients; len(to) != 1 || !strings.HasPrefix(to[0], "<full@remote.example>") {
		t.Errorf("second time to %q", to)
	}
	want(t, s.Mailbox("ann"), "Diagnostic-Code: smtp; 550 5.1.1 no such user\n", "Remote-MTA: dns; mx.remote.example\n", "Action: failed\n", "Status: 5.1.1\n")
}

// S5.1: the five forms of a next hop.
func TestRelayhost(t *testing.T) {
	s, far := remote(t)
	farZone(t, far, "relay.example. MX 10 mx.relay.example.\nmx.relay.example. A "+machine.Far+"\nhost.relay.example. A "+machine.Other+"\nhost.relay.example. MX 10 mx.relay.example.\n")
	mx := farSink(t, far, machine.Far+":25", sink.Options{Name: "mx"})
	host := farSink(t, far, machine.Other+":25", sink.Options{Name: "host"})
	port := farSink(t, far, machine.Other+":2525", sink.Options{Name: "port"})
	mxPort := farSink(t, far, machine.Far+":2525", sink.Options{Name: "mxport"})
	s.Start()
	counts := map[*sink.Server]int{}
	for _, step := range []struct {
		hop    string
		server *sink.Server
	}{{"relay.example", mx}, {"[host.relay.example]", host}, {"[host.relay.example]:2525", port}, {"[192.0.2.3]", host}, {"[192.0.2.3]:2525", port}, {"host.relay.example:2525", mxPort}} {
		s.Set("relayhost=" + step.hop)
		before := strings.Count(s.Log(), "]: reload ")
		s.Reload()
		s.Wait("reload", func() bool { return strings.Count(s.Log(), "]: reload ") > before })
		s.Send("Subject: hop\n\nx\n", "-f", "ann", "joe@anything.example")
		counts[step.server]++
		if _, err := step.server.Wait(counts[step.server], 20*time.Second); err != nil {
			t.Errorf("%s: %v", step.hop, err)
		}
	}
}

// S2.8: LMTP over a UNIX socket and over TCP, with an answer for each recipient.
func TestLMTP(t *testing.T) {
	s := site(t, "virtual_mailbox_domains=virtual.example", "virtual_mailbox_maps=static:x", "virtual_transport=lmtp:unix:private/imap")
	path := machine.Queue + "/private/imap"
	os.Remove(path)
	server := startSink(t, "unix", path, sink.Options{LMTP: true, Keywords: []string{"PIPELINING"},
		Rules: map[string][]string{". two@virtual.example": {"552 5.2.2 over quota"}}})
	os.Chmod(path, 0o666)
	s.Start()
	s.Send("Subject: lmtp\n\nx\n", "-f", "ann", "one@virtual.example", "two@virtual.example", "three@virtual.example")
	messages(t, server, 2)
	s.WaitEmpty()
	s.WaitLog(`postfix/lmtp\[\d+\]: \w+: to=<one@virtual.example>, relay=mail.example.com\[private/imap\], .*status=sent`)
	s.WaitLog(`to=<two@virtual.example>, .*dsn=5.2.2, status=bounced`)
	want(t, s.Mailbox("ann"), "over quota", "Final-Recipient: rfc822; two@virtual.example")
	tcp := startSink(t, "tcp", "127.0.0.1:2424", sink.Options{LMTP: true})
	s.Set("virtual_transport=lmtp:inet:127.0.0.1:2424")
	s.Reload()
	s.WaitLog(`master\[\d+\]: reload`)
	s.Send("Subject: lmtp\n\nx\n", "-f", "ann", "one@virtual.example")
	messages(t, tcp, 1)
}

// S1.7: a storm of mail for one host: several connections, never more than the
// limit; and our own sink at the other end.
func TestSmtpSink(t *testing.T) {
	s := site(t, "relayhost=[127.0.0.1]:2525", "default_destination_concurrency_limit=4")
	path := t.TempDir()
	os.Chmod(path, 0o777)
	stop := background(t, "smtp-sink", "-u", "postfix", "-c", "127.0.0.1:2525", "100")
	s.Start()
	run(t, 0, "", "smtp-source", "-s", "8", "-m", "300", "-d", "-t", "joe@remote.example", "127.0.0.1:25")
	s.WaitEmpty()
	if n := strings.Count(s.Log(), "status=sent"); n != 300 {
		t.Errorf("%d messages sent, not 300", n)
	}
	stop()
}

// S2.2, S2.8: two of our systems, each on its host, write to each other; a
// notice comes back over the net.
func TestTwoSystems(t *testing.T) {
	s, far := remote(t, "smtp_address_preference=ipv4")
	farZone(t, far, "remote.example. MX 10 mx.remote.example.\nmx.remote.example. A "+machine.Far+"\nexample.com. MX 10 mail.example.com.\nmail.example.com. A "+machine.Near+
		"\n2.2.0.192.in-addr.arpa. PTR mx.remote.example.\n1.2.0.192.in-addr.arpa. PTR mail.example.com.\n")
	other := second(t, "myhostname=mx.remote.example", "mydestination=remote.example", "inet_interfaces=all")
	s.Start()
	other.start()
	s.Send("Subject: there\n\nx\n", "-f", "ann", "bob@remote.example", "nobody-here@remote.example")
	s.Wait("the mail on the second host", func() bool { return strings.Contains(s.Mailbox("bob"), "Subject: there") })
	s.Wait("the notice on the first host", func() bool { return strings.Contains(s.Mailbox("ann"), "Undelivered Mail") })
	want(t, s.Mailbox("bob"), "Received: from mail.example.com (mail.example.com [192.0.2.1])\n\tby mx.remote.example (Postfix) with ESMTP id ")
	want(t, flat(s.Mailbox("ann")), "550 5.1.1 <nobody-here@remote.example>: Recipient address rejected: User unknown in local recipient table")
	out, status := machine.Run("Subject: back\n\nx\n", "sendmail", "-C", "/etc/postfix-far", "-f", "bob@remote.example", "ann@example.com")
	if status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	s.Wait("the mail back", func() bool { return strings.Contains(s.Mailbox("ann"), "Subject: back") })
}

// Client names come from the DNS, both ways, and an address that has no name is
// unknown. S6.4, S4.3.2.
func TestClientNames(t *testing.T) {
	s, far := remote(t)
	farZone(t, far, "2.2.0.192.in-addr.arpa. PTR client.remote.example.\nclient.remote.example. A "+machine.Far+
		"\n3.2.0.192.in-addr.arpa. PTR liar.example.\nliar.example. A 192.0.2.99\n")
	s.Start()
	(&talk{t: t, Conn: far.Dial(machine.Far, machine.Near+":25")}).begin()
	s.WaitLog(`connect from client.remote.example\[192.0.2.2\]`)
	(&talk{t: t, Conn: far.Dial(machine.Other, machine.Near+":25")}).begin()
	s.WaitLog(`warning: hostname liar.example does not resolve to address 192.0.2.3`)
	s.WaitLog(`connect from unknown\[192.0.2.3\]`)
}

// S2.8: a host that goes away or falls silent in the middle of anything: the next
// one gets the mail, and if there is none it waits; nothing is returned or lost.
func TestRemoteTrouble(t *testing.T) {
	short := []string{"connect", "helo", "mail", "rcpt", "data_init", "data_xfer", "data_done", "quit"}
	settings := []string{"smtp_mx_session_limit=5"}
	for _, name := range short {
		settings = append(settings, "smtp_"+name+"_timeout=1s")
	}
	s, far := remote(t, settings...)
	records := "mx.good.example. A " + machine.Far + "\n"
	stages := []string{"CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."}
	moods := []string{"drop", "hang", "421 4.3.2 closing", "garbage"}
	good := farSink(t, far, machine.Far+":25", sink.Options{})
	port := 3000
	for i, stage := range stages {
		for j, mood := range moods {
			port++
			name := fmt.Sprintf("s%dm%d.example", i, j)
			farSink(t, far, fmt.Sprintf("%s:%d", machine.Other, port), sink.Options{Rules: map[string][]string{stage: {mood}}})
			records += fmt.Sprintf("%s. A %s\n", name, machine.Other)
			s.Set("default_destination_concurrency_limit=20")
		}
	}
	farZone(t, far, records)
	maps := ""
	for i := range stages {
		for j := range moods {
			maps += fmt.Sprintf("s%dm%d.example smtp:[%s]:%d\n", i, j, machine.Other, 3001+i*len(moods)+j)
		}
	}
	write(t, "/etc/postfix/transport", maps, 0o644)
	s.Set("transport_maps=texthash:/etc/postfix/transport", "smtp_fallback_relay=[mx.good.example]")
	s.Start()
	for i := range stages {
		for j := range moods {
			s.Send("Subject: trouble\n\nx\n", "-f", "ann", fmt.Sprintf("joe@s%dm%d.example", i, j))
		}
	}
	// After the end of the data nobody knows whether the mail was taken: that one
	// host is asked again later. A 421 there is an answer.
	s.Wait("all outcomes", func() bool { return strings.Count(s.Log(), "status=") >= len(stages)*len(moods) })
	if log := s.Log(); strings.Contains(log, "status=bounced") {
		t.Errorf("mail was returned")
	}
	sent, waiting := len(good.Messages()), len(s.Queued())
	if sent+waiting < len(stages)*len(moods) || sent < (len(stages)-1)*len(moods) {
		t.Errorf("%d went to the next host, %d wait; there were %d", sent, waiting, len(stages)*len(moods))
	}
	wantNot(t, s.Log(), "panic", "fatal")
}

// Eight-bit text to a host that does not want it is encoded, and a mailbox name
// that only SMTPUTF8 can carry comes back from a host without it.
func TestEightBit(t *testing.T) {
	s := site(t, "transport_maps=inline:{{seven.example=smtp:[127.0.0.1]:2525},{eight.example=smtp:[127.0.0.1]:2526}}")
	seven := startSink(t, "tcp", "127.0.0.1:2525", sink.Options{})
	eight := startSink(t, "tcp", "127.0.0.1:2526", sink.Options{Keywords: []string{"8BITMIME", "SMTPUTF8"}})
	s.Start()
	text := "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGr\u00fc\u00dfe = \u20ac\n"
	s.Send(text, "-f", "ann", "-B", "8BITMIME", "joe@seven.example", "joe@eight.example")
	want(t, messages(t, seven, 1)[0].Data, "Content-Transfer-Encoding: quoted-printable\r\n", "\r\n\r\nGr=C3=BC=C3=9Fe =3D =E2=82=AC\r\n")
	m := messages(t, eight, 1)[0]
	want(t, m.Data, "Gr\u00fc\u00dfe = \u20ac\r\n")
	want(t, m.From, "BODY=8BITMIME")
	s.Send("Subject: \u00fc\n\nx\n", "-f", "ann", "j\u00f6@seven.example", "j\u00f6@eight.example")
	want(t, messages(t, eight, 2)[1].From, "SMTPUTF8")
	s.WaitLog(`status=bounced \(SMTPUTF8 is required, but was not offered by host 127.0.0.1\[127.0.0.1\]\)`)
	s.WaitEmpty()
}
