package endtoend

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"postrider/test/machine"
	"postrider/test/peer/milter"
	"postrider/test/peer/zone"
)

// dkimZone starts a name server with a key for signatures, and writes the private
// key to /etc/dkim.key.
func dkimZone(t *testing.T, more string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, _ := x509.MarshalPKIXPublicKey(&key.PublicKey)
	text := base64.StdEncoding.EncodeToString(public)
	write(t, "/etc/dkim.key", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})), 0o600)
	names, err := zone.Start("127.0.0.1:53", "sel._domainkey.example.com. TXT \"v=DKIM1; k=rsa; p="+text[:200]+"\" \""+text[200:]+"\"\n"+more)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(names.Close)
	resolver := read(t, "/etc/resolv.conf")
	write(t, "/etc/resolv.conf", "nameserver 127.0.0.1\n", 0o644)
	t.Cleanup(func() { os.WriteFile("/etc/resolv.conf", []byte(resolver), 0o644) })
}

// daemon runs a filter until the end of the test, and waits until it listens.
func daemon(t *testing.T, s *machine.System, addr, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	log, _ := os.CreateTemp("", "filter")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("%s said:\n%s", name, text)
		}
	})
	s.Wait(name, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// deliver sends a message by SMTP from an address of this machine, and returns the
// reply at its end.
func deliver(t *testing.T, local, from, to, text string) string {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}
	c, err := d.Dial("tcp", "127.0.0.1:25")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	conn := textproto.NewConn(c)
	conn.ReadResponse(220)
	for _, command := range []string{"EHLO client.example.com", "MAIL FROM:<" + from + ">", "RCPT TO:<" + to + ">", "DATA"} {
		conn.PrintfLine("%s", command)
		if code, reply, _ := conn.ReadResponse(0); code >= 400 {
			return reply
		}
	}
	w := conn.DotWriter()
	w.Write([]byte(text))
	w.Close()
	_, reply, err := conn.ReadResponse(0)
	if err != nil {
		return err.Error()
	}
	return reply
}

// outside is a client that filters do not take for one of our own.
const outside = "127.0.0.9"

// nextMail waits for mail in a mailbox and takes it out.
func nextMail(t *testing.T, s *machine.System, name string) string {
	t.Helper()
	s.Wait("mail for "+name, func() bool {
		_, err := os.Stat("/var/mail/" + name)
		return err == nil && len(s.Queued()) == 0
	})
	text := s.Mailbox(name)
	os.Remove("/var/mail/" + name)
	return text
}

// opendkim signs mail of our users, by SMTP and by sendmail(1), and verifies
// mail from outside. The signature survives the way through the queue, and a
// changed message does not pass.
func TestOpenDKIM(t *testing.T) {
	needs(t, "opendkim")
	s := site(t, "smtpd_milters=inet:127.0.0.1:8891", "non_smtpd_milters=$smtpd_milters", "milter_default_action=tempfail",
		"mynetworks=127.0.0.1/32")
	dkimZone(t, "")
	write(t, "/etc/opendkim-test.conf", "Socket inet:8891@127.0.0.1\nMode sv\nDomain example.com\nSelector sel\nKeyFile /etc/dkim.key\n"+
		"RequireSafeKeys false\nInternalHosts 127.0.0.1\nNameservers 127.0.0.1\nSyslog no\nCanonicalization relaxed/simple\n", 0o644)
	daemon(t, s, "127.0.0.1:8891", "opendkim", "-f", "-x", "/etc/opendkim-test.conf")
	s.Start()
	const message = "From: Ann <ann@example.com>\nTo: bob@example.com\nSubject: a folded\n  subject\nDate: Sat, 21 Nov 2026 07:00:00 +0000\n" +
		"Message-ID: <1@example.com>\n\nhello\n\n.\ndots, and a long line: "
	long := message + strings.Repeat("word ", 900) + "\n"

	s.Send(long, "-f", "ann@example.com", "bob@example.com")
	byUser := nextMail(t, s, "bob")
	want(t, byUser, "DKIM-Signature: v=1; a=rsa-sha256;", "d=example.com; s=sel;")
	if reply := deliver(t, "127.0.0.1", "ann@example.com", "bob@example.com", long); !strings.HasPrefix(reply, "2.0.0 Ok") {
		t.Fatal(reply)
	}
	want(t, nextMail(t, s, "bob"), "DKIM-Signature: v=1; a=rsa-sha256;")

	_, byUser, _ = strings.Cut(byUser, "\n") // without its From_ line
	signed := byUser[strings.Index(byUser, "DKIM-Signature:"):]
	for _, each := range []struct{ text, result string }{
		{signed, "dkim=pass (2048-bit key"},
		{strings.Replace(signed, "hello", "hallo", 1), "dkim=fail reason="},
	} {
		if reply := deliver(t, outside, "ann@example.com", "bob@example.com", each.text); !strings.HasPrefix(reply, "2.0.0 Ok") {
			t.Fatal(reply)
		}
		want(t, nextMail(t, s, "bob"), "Authentication-Results: mail.example.com;", each.result)
	}
}

// opendmarc behind opendkim refuses mail that the owner of its domain does
// not want.
func TestOpenDMARC(t *testing.T) {
	needs(t, "opendkim")
	needs(t, "opendmarc")
	s := site(t, "smtpd_milters={ inet:127.0.0.1:8891, default_action=accept } inet:127.0.0.1:8893", "milter_default_action=tempfail",
		"mynetworks=127.0.0.1/32")
	dkimZone(t, "_dmarc.example.com. TXT \"v=DMARC1; p=reject\"\n")
	write(t, "/etc/opendkim-test.conf", "Socket inet:8891@127.0.0.1\nMode sv\nDomain example.com\nSelector sel\nKeyFile /etc/dkim.key\n"+
		"RequireSafeKeys false\nInternalHosts 127.0.0.1\nNameservers 127.0.0.1\nSyslog no\nAlwaysAddARHeader yes\n", 0o644)
	write(t, "/etc/opendmarc-test.conf", "Socket inet:8893@127.0.0.1\nAuthservID mail.example.com\nTrustedAuthservIDs mail.example.com\n"+
		"RejectFailures true\nSPFSelfValidate false\nSyslog false\n", 0o644)
	daemon(t, s, "127.0.0.1:8891", "opendkim", "-f", "-x", "/etc/opendkim-test.conf")
	daemon(t, s, "127.0.0.1:8893", "opendmarc", "-f", "-c", "/etc/opendmarc-test.conf")
	s.Start()
	const message = "From: Ann <ann@example.com>\nTo: bob@example.com\nSubject: x\nDate: Sat, 21 Nov 2026 07:00:00 +0000\nMessage-ID: <1@example.com>\n\nhello\n"
	if reply := deliver(t, "127.0.0.1", "ann@example.com", "bob@example.com", message); !strings.HasPrefix(reply, "2.0.0 Ok") {
		t.Fatal(reply)
	}
	text := nextMail(t, s, "bob")
	signed := text[strings.Index(text, "DKIM-Signature:"):]
	if reply := deliver(t, outside, "ann@example.com", "bob@example.com", signed); !strings.HasPrefix(reply, "2.0.0 Ok") {
		t.Error(reply)
	}
	want(t, nextMail(t, s, "bob"), "dkim=pass", "dmarc=pass (p=reject")
	if reply := deliver(t, outside, "ann@example.com", "bob@example.com", message); !strings.Contains(reply, "DMARC policy") {
		t.Error(reply)
	}
	s.WaitLog(`milter-reject: END-OF-MESSAGE from .*\[127.0.0.9\]: 5.7.1 rejected by DMARC policy for example.com; from=<ann@example.com> to=<bob@example.com> proto=ESMTP helo=<client.example.com>`)
}

// rspamd signs, adds headers, and refuses spam.
func TestRspamd(t *testing.T) {
	needs(t, "rspamd")
	s := site(t, "smtpd_milters=inet:127.0.0.1:11332", "non_smtpd_milters=$smtpd_milters", "mynetworks=127.0.0.1/32")
	dkimZone(t, "")
	for name, text := range map[string]string{
		"worker-proxy.inc":      "bind_socket = \"127.0.0.1:11332\";\nmilter = yes;\ntimeout = 120s;\nupstream \"local\" { default = yes; self_scan = yes; }\ncount = 1;\n",
		"worker-normal.inc":     "enabled = false;\n",
		"worker-controller.inc": "enabled = false;\n",
		"worker-fuzzy.inc":      "enabled = false;\n",
		"milter_headers.conf":   "use = [\"x-spamd-bar\"];\nskip_local = false;\nskip_authenticated = false;\n",
		"dkim_signing.conf": "path = \"/etc/dkim.key\";\nselector = \"sel\";\nallow_username_mismatch = true;\nsign_local = true;\nuse_esld = false;\n" +
			"allow_hdrfrom_mismatch = true;\ncheck_pubkey = false;\n",
		"options.inc": "dns { nameserver = [\"127.0.0.1\"]; }\nlocal_addrs = [];\ndisable_hyperscan = true;\n",
		"rbl.conf":    "enabled = false;\n", "asn.conf": "enabled = false;\n", "fuzzy_check.conf": "enabled = false;\n",
	} {
		write(t, "/etc/rspamd/local.d/"+name, text, 0o644)
	}
	os.Chmod("/etc/dkim.key", 0o644)
	os.MkdirAll("/run/rspamd", 0o777)
	daemon(t, s, "127.0.0.1:11332", "rspamd", "-f", "-i", "-c", "/etc/rspamd/rspamd.conf")
	s.Start()
	const message = "From: Ann <ann@example.com>\nTo: bob@example.com\nSubject: x\nDate: Sat, 21 Nov 2026 07:00:00 +0000\nMessage-ID: <1@example.com>\n\nhello\n"
	s.Send(message, "-f", "ann@example.com", "bob@example.com")
	want(t, nextMail(t, s, "bob"), "X-Spamd-Bar: ", "DKIM-Signature: v=1; a=rsa-sha256;", "d=example.com; s=sel;")
	const spam = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
	if reply := deliver(t, outside, "x@example.net", "bob@example.com", message+spam+"\n"); reply != "5.7.1 Gtube pattern" {
		t.Error(reply)
	}
	s.WaitLog(`milter-reject: END-OF-MESSAGE from .*: 5.7.1 Gtube pattern; from=<x@example.net> to=<bob@example.com>`)
}

// Notices of the mail system go through filters when
// internal_mail_filter_classes says so, and in a jail filters are found, too.
func TestMilterInJail(t *testing.T) {
	f, err := milter.Start("unix", "/var/spool/postfix/filter", milter.Options{Rules: map[string]string{"EOM": "add X-Filter seen\ncontinue"}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	os.Chmod("/var/spool/postfix/filter", 0o666)
	s := site(t, "smtpd_milters=unix:filter", "non_smtpd_milters=$smtpd_milters", "internal_mail_filter_classes=bounce")
	s.Service("smtp inet n - y - - smtpd")
	s.Service("cleanup unix n - y - 0 cleanup")
	s.Start()
	if reply := deliver(t, "127.0.0.1", "ann@example.com", "bob@example.com", "Subject: x\n\nhello\n"); !strings.HasPrefix(reply, "2.0.0 Ok") {
		t.Error(reply)
	}
	want(t, nextMail(t, s, "bob"), "X-Filter: seen")
	s.Send("Subject: x\n\nhello\n", "-f", "ann@example.com", "nobody-here@example.com")
	want(t, nextMail(t, s, "ann"), "X-Filter: seen", "Undelivered Mail")
}
