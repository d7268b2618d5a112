package endtoend

import (
	"os"
	"strings"
	"testing"

	"postrider/test/machine"
	"postrider/test/peer/pki"
)

// Where the certificates of these tests are.
const keys = "/etc/postfix/keys/"

// secured installs a host with STARTTLS on port 25, TLS from the first byte on
// port 465, and a port 587 where nothing goes without TLS.
func secured(t *testing.T, settings ...string) *machine.System {
	t.Helper()
	needs(t, "openssl")
	os.MkdirAll(keys, 0o700) // root's: they are read before privileges are gone
	ca := pki.NewAuthority("Test CA")
	for name, common := range map[string]string{"server": "mail.example.com", "sni": "mail.example.org", "client": "client.example.net"} {
		c := ca.Issue(pki.Request{Name: common, DNS: []string{common}})
		if err := pki.Write(keys+name+".pem", c.PrivateKey, c.Certificate...); err != nil {
			t.Fatal(err)
		}
	}
	pki.Write(keys+"ca.pem", nil, ca.Cert.Raw)
	write(t, "/etc/postfix/sni", "mail.example.org "+keys+"sni.pem\n", 0o600)
	s := site(t, append([]string{"smtpd_tls_security_level=may", "smtpd_tls_chain_files=" + keys + "server.pem", "smtpd_tls_loglevel=1",
		"smtpd_tls_received_header=yes", "smtpd_tls_CAfile=" + keys + "ca.pem", "tls_server_sni_maps=cdb:/etc/postfix/sni",
		"smtpd_forbid_unauth_pipelining=no"}, settings...)...)
	run(t, 0, "", "postmap", "-F", "cdb:/etc/postfix/sni")
	s.Service("465 inet n - y - - smtpd -o smtpd_tls_wrappermode=yes -o syslog_name=postfix/submissions")
	s.Service("587 inet n - n - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_tls_req_ccert=yes -o smtpd_relay_restrictions=permit_tls_all_clientcerts,reject -o syslog_name=postfix/submission")
	return s
}

// S2.2, S6.6: a program of others sends a message with STARTTLS; log and header
// say how it was protected.
func TestStartTLS(t *testing.T) {
	needs(t, "swaks")
	s := secured(t).Start()
	out, status := machine.Run("", "swaks", "--server", "127.0.0.1", "--tls", "--from", "joe@remote.example", "--to", "ann@example.com",
		"--ehlo", "client.example", "--body", "secret")
	if strings.Contains(out, "requires Net::SSLeay") {
		t.Skip("swaks has no TLS here; test.sh installs what it needs: " + out)
	}
	if status != 0 {
		t.Fatalf("swaks: status %d\n%s", status, out)
	}
	want(t, out, "250-STARTTLS", "220 2.0.0 Ready to start TLS", "250 2.0.0 Ok: queued as")
	s.WaitLog(`smtpd\[\d+\]: Anonymous TLS connection established from localhost\[127.0.0.1\]: TLSv1.3 with cipher TLS_\w+ \(\d+/\d+ bits\) key-exchange X25519 server-signature ECDSA \(prime256v1\) server-digest SHA256`)
	s.WaitLog(`disconnect from localhost\[127.0.0.1\] ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7`)
	s.WaitLog(`status=sent \(delivered to mailbox\)`)
	want(t, s.Mailbox("ann"), "\n\t(using TLSv1.3 with cipher TLS_", " key-exchange X25519 server-signature ECDSA (prime256v1) server-digest SHA256)\n\t(No client certificate requested)\n\tby mail.example.com (Postfix) with ESMTPS id ")
}

// openssl has a conversation over TLS; it sends all at once, and returns all that was
// said.
func openssl(t *testing.T, port, dialogue string, args ...string) string {
	t.Helper()
	out, _ := machine.Run(dialogue, "timeout", append([]string{"10", "openssl", "s_client", "-connect", "127.0.0.1:" + port,
		"-ign_eof", "-crlf", "-CAfile", keys + "ca.pem"}, args...)...)
	return out
}

// Port 465 has TLS from the first byte, in a jail where no certificate is; port 25
// has the certificate for the name that is asked for.
func TestWrapperModeAndNames(t *testing.T) {
	s := secured(t).Start()
	out := openssl(t, "465", "EHLO client.example\nQUIT\n", "-servername", "mail.example.com")
	want(t, out, "subject=O = Test, CN = mail.example.com", "Verify return code: 0 (ok)", "250-CHUNKING", "250 REQUIRETLS", "221 2.0.0 Bye")
	wantNot(t, out, "STARTTLS")
	s.WaitLog(`postfix/submissions/smtpd\[\d+\]: Anonymous TLS connection established from localhost\[127.0.0.1\]: TLSv1.3 `)
	out = openssl(t, "25", "QUIT\n", "-starttls", "smtp", "-servername", "mail.example.org")
	want(t, out, "subject=O = Test, CN = mail.example.org", "221 2.0.0 Bye")
	s.WaitLog(`Anonymous TLS connection established from localhost\[127.0.0.1\] to mail.example.org: `)
	out = openssl(t, "25", "QUIT\n", "-starttls", "smtp", "-tls1_2")
	want(t, out, "Protocol  : TLSv1.2", "221 2.0.0 Bye")
}

// Where TLS and a certificate are a must, nothing goes without, and clients with
// a certificate may relay.
func TestClientCertificate(t *testing.T) {
	s := secured(t).Start()
	c := dial(t, "127.0.0.1:587")
	c.expect("220")
	if got := c.reply("MAIL FROM:<joe@remote.example>"); got != "530 5.7.0 Must issue a STARTTLS command first" {
		t.Error(got)
	}
	c.say("QUIT", "221")
	const relay = "EHLO client.example\nMAIL FROM:<joe@remote.example>\nrcpt to:<jim@elsewhere.example>\nQUIT\n"
	out := openssl(t, "587", "", "-starttls", "smtp") // what it says would be unread when we close, and take our reply with it
	want(t, out, "421 4.7.1 mail.example.com Error: No client certificate presented")
	s.WaitLog(`NOQUEUE: abort: TLS from localhost\[127.0.0.1\]: No client certificate presented`)
	out = openssl(t, "587", relay, "-starttls", "smtp", "-cert", keys+"client.pem", "-key", keys+"client.pem")
	want(t, out, "250 2.1.5 Ok", "221 2.0.0 Bye")
	s.WaitLog(`postfix/submission/smtpd\[\d+\]: Trusted TLS connection established from localhost\[127.0.0.1\]: TLSv1.3 .* client-signature ECDSA \(prime256v1\) client-digest SHA256`)
}

// A server whose certificate cannot be read says so, and takes mail in the clear.
func TestMissingCertificate(t *testing.T) {
	s := secured(t, "smtpd_tls_chain_files="+keys+"gone.pem").Start()
	c := dial(t, "127.0.0.1:25")
	c.expect("220")
	c.say("EHLO client.example", "250")
	if got := c.reply("STARTTLS"); got != "454 4.7.0 TLS not available due to local problem" {
		t.Error(got)
	}
	c.say("MAIL FROM:<joe@remote.example>", "250")
	c.say("QUIT", "221")
	s.WaitLog(`warning: .*gone.pem.*: disabling TLS support`)
}

// A client may begin only so many TLS sessions: the one too many ends, the next one
// does not begin.
func TestNewTLSRate(t *testing.T) {
	s := secured(t, "smtpd_client_new_tls_session_rate_limit=1", "smtpd_client_event_limit_exceptions=").Start()
	want(t, openssl(t, "25", "QUIT\n", "-starttls", "smtp"), "221 2.0.0 Bye")
	want(t, openssl(t, "25", "QUIT\n", "-starttls", "smtp"), "421 4.7.0 mail.example.com Error: too many new TLS sessions from localhost[127.0.0.1]")
	s.WaitLog(`warning: New TLS session rate limit exceeded: 2 from localhost\[127.0.0.1\] for service smtp`)
	c := dial(t, "127.0.0.1:25")
	c.expect("220")
	c.say("EHLO client.example", "250")
	if got := c.reply("STARTTLS"); got != "454 4.7.0 Error: too many new TLS sessions from localhost[127.0.0.1]" {
		t.Error(got)
	}
	c.say("QUIT", "221")
	s.WaitLog(`warning: Refusing STARTTLS request from localhost\[127.0.0.1\] for service smtp`)
}
