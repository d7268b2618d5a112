package endtoend

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postrider/test/machine"
)

// screened installs a host with postscreen(8) on port 25, by the lines that are in
// master.cf for that.
func screened(t *testing.T, settings ...string) *machine.System {
	t.Helper()
	s := site(t, append([]string{"inet_interfaces=all", "inet_protocols=ipv4", "mynetworks=127.0.0.0/8", "postscreen_greet_wait=2s"}, settings...)...)
	text := read(t, "/etc/postfix/master.cf")
	for _, line := range []string{"#smtp     inet       n       -       n       -       1       postscreen\n", "#smtpd    pass ", "#dnsblog  unix ", "#tlsproxy unix "} {
		if !strings.Contains(text, "\n"+line) {
			t.Fatalf("no line %q in master.cf", line)
		}
		text = strings.Replace(text, "\n"+line, "\n"+line[1:], 1)
	}
	text = strings.Replace(text, "\nsmtp      inet  ", "\n#smtp      inet  ", 1)
	write(t, "/etc/postfix/master.cf", text, 0o644)
	old, _ := filepath.Glob("/var/lib/postfix/postscreen_cache.*")
	for _, path := range old {
		os.Remove(path)
	}
	run(t, 0, "", "postfix", "check")
	return s
}

// from connects from an address of the second host.
func from(t *testing.T, far *machine.Host, address string) *talk {
	t.Helper()
	conn := far.Dial(address, machine.Near+":25")
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &talk{Conn: conn, t: t, in: bufio.NewReader(conn)}
}

// Mail of a client that waits arrives, and the second time at once; those of a
// bot and of somebody on a list do not. The server behind knows the real client.
func TestScreen(t *testing.T) {
	far := machine.NewHost(t)
	farZone(t, far, "3.2.0.192.dnsbl.test. A 127.0.0.2\n3.2.0.192.dnsbl.test. TXT \"spam\"\n")
	s := screened(t, "postscreen_greet_action=drop", "postscreen_dnsbl_sites=dnsbl.test*2", "postscreen_dnsbl_action=enforce")
	s.Start()
	for _, word := range []string{"NEW", "OLD"} {
		c := from(t, far, machine.Far)
		c.begin().submit("joe@client.example", "ann@example.com", "Subject: "+word+"\n\nhello\n")
		c.say("QUIT", "221")
		s.WaitLog("PASS " + word + ` \[192\.0\.2\.2\]:`)
	}
	s.WaitEmpty()
	want(t, s.Mailbox("ann"), "Subject: NEW", "Subject: OLD", "(unknown [192.0.2.2])")

	bot := from(t, far, machine.Far) // it is known, and may be as impolite as it likes
	fmt.Fprint(bot, "EHLO bot.example\r\n")
	bot.expect("220")
	listed := from(t, far, machine.Other)
	listed.expect("220")
	listed.say("EHLO x.example", "250")
	listed.say("MAIL FROM:<a@x.example>", "250")
	listed.say("RCPT TO:<ann@example.com>", "550 5.7.1 Service unavailable; client [192.0.2.3] blocked using dnsbl.test")
	listed.say("QUIT", "221")
	s.WaitLog(`DNSBL rank 2 for \[192\.0\.2\.3\]:`)
	wantMatch(t, s.Log(), `dnsblog\[\d+\]: addr 192\.0\.2\.3 listed by domain dnsbl\.test as 127\.0\.0\.2`,
		`NOQUEUE: reject: RCPT from \[192\.0\.2\.3\]:\d+: 550 5\.7\.1 .*; from=<a@x\.example>, to=<ann@example\.com>, proto=ESMTP, helo=<x\.example>`)
	early := from(t, far, machine.Other)
	fmt.Fprint(early, "EHLO bot.example\r\n")
	if last := early.last(); last != "521 5.5.1 Protocol error" {
		t.Errorf("the bot heard %q", last)
	}
	s.WaitLog(`PREGREET 18 after \S+ from \[192\.0\.2\.3\]:\d+: EHLO bot\.example\\r\\n`)
}

// What is known about clients is there after "postfix stop", and a reload while
// clients are tested costs none of them anything.
func TestScreenReload(t *testing.T) {
	far := machine.NewHost(t)
	s := screened(t, "postscreen_greet_wait=4s")
	s.Start()
	waiting := from(t, far, machine.Far)
	s.WaitLog(`CONNECT from \[192\.0\.2\.2\]`)
	s.Reload()
	s.WaitLog("reload -- version")
	begin := time.Now()
	other := from(t, far, machine.Other)
	s.WaitLog(`CONNECT from \[192\.0\.2\.3\]`)
	if took := time.Since(begin); took > 6*time.Second { // the next process begins when this one has done its tests
		t.Errorf("a new client has waited %v", took)
	}
	waiting.begin().say("QUIT", "221")
	other.begin().say("QUIT", "221")
	s.WaitLog(`PASS NEW \[192\.0\.2\.3\]`)
	s.Stop()
	s.Start()
	from(t, far, machine.Other).begin().say("QUIT", "221")
	s.WaitLog(`PASS OLD \[192\.0\.2\.3\]`)
	wantNot(t, s.Log(), "fatal", "panic", "is not saved")
}

// TLS in the part of postscreen(8) that takes no mail, by tlsproxy(8).
func TestScreenTLS(t *testing.T) {
	s := secured(t, "postscreen_greet_wait=1s", "postscreen_bare_newline_enable=yes", "mynetworks=127.0.0.9/32", "tlsproxy_tls_loglevel=1")
	s.Service("2525 inet n - n - 1 postscreen")
	s.Service("smtpd pass - - n - - smtpd")
	s.Service("tlsproxy unix - - n - 0 tlsproxy")
	s.Start()
	out, _ := machine.Run("EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<ann@example.com>\r\nQUIT\r\n", "timeout", "15", "openssl", "s_client", "-starttls", "smtp",
		"-connect", "127.0.0.1:2525", "-CAfile", keys+"ca.pem", "-verify_return_error", "-quiet", "-ign_eof")
	want(t, out, "450 4.3.2 Service currently unavailable", "221 2.0.0 Bye")
	wantMatch(t, s.WaitLog("TLS connection established"), `tlsproxy\[\d+\]: Anonymous TLS connection established from \[127\.0\.0\.1\]:\d+: TLSv1\.3 with cipher`)
	s.WaitLog(`PASS NEW \[127\.0\.0\.1\]`)
}

// A proxy says who the client is, to smtpd(8) and to postscreen(8).
func TestProxyHeader(t *testing.T) {
	s := screened(t, "postscreen_upstream_proxy_protocol=haproxy", "smtpd_peername_lookup=no")
	s.Service("2525 inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy")
	s.Start()
	for _, addr := range []string{"127.0.0.1:25", "127.0.0.1:2525"} {
		c := dial(t, addr)
		fmt.Fprint(c, "PROXY TCP4 203.0.113.7 192.0.2.1 1234 25\r\n")
		c.begin().say("MAIL FROM:<a@x.example>", "250")
		c.say("RCPT TO:<ann@example.com>", "250")
		c.say("DATA", "354")
		c.say("Subject: "+addr+"\r\n\r\nhello\r\n.", "250")
		c.say("QUIT", "221")
	}
	s.WaitEmpty()
	mail := s.Mailbox("ann")
	want(t, mail, "Subject: 127.0.0.1:25\n", "Subject: 127.0.0.1:2525\n")
	if n := strings.Count(mail, "(unknown [203.0.113.7])"); n != 2 {
		t.Errorf("%d messages from the client of the proxy:\n%s", n, mail)
	}
	s.WaitLog(`PASS NEW \[203\.0\.113\.7\]:1234`)
}
