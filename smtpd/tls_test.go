package main

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postrider/lib/mail/param"
	"postrider/test/peer/pki"
	"postrider/test/script"
)

// A talker is a client that can begin TLS.
type talker struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
	p  script.Peer
}

// plainConn makes a net.Conn of a peer.
type plainConn struct{ io.ReadWriteCloser }

func (plainConn) LocalAddr() net.Addr              { return nil }
func (plainConn) RemoteAddr() net.Addr             { return nil }
func (plainConn) SetDeadline(time.Time) error      { return nil }
func (plainConn) SetReadDeadline(time.Time) error  { return nil }
func (plainConn) SetWriteDeadline(time.Time) error { return nil }

var authority = pki.NewAuthority("Test CA")

// talkTo begins a session with a server that has a certificate, and settings.
func talkTo(t *testing.T, settings string) *talker {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "server")
	server := authority.Issue(pki.Request{Name: "mail.example.com"})
	pki.Write(file, server.PrivateKey, server.Certificate...)
	pki.Write(filepath.Join(dir, "ca"), nil, authority.Cert.Raw)
	text := "smtpd_tls_cert_file = " + file + "\nsmtpd_tls_CAfile = " + filepath.Join(dir, "ca") + "\nsmtpd_tls_loglevel = 1\n" + settings
	p := connect(t, &script.Script{Sections: map[string]string{"main.cf": text}})
	conn := plainConn{p}
	c := &talker{t, conn, bufio.NewReader(conn), p}
	if !strings.Contains(settings, "wrappermode") {
		c.expect("220")
	}
	return c
}

func (c *talker) expect(code string) string {
	c.t.Helper()
	for all := ""; ; {
		line, err := c.in.ReadString('\n')
		all += line
		if err != nil || len(line) < 4 || line[3] != '-' {
			if !strings.HasPrefix(line, code) {
				c.t.Errorf("got %q (%v), want %s", all, err, code)
			}
			return all
		}
	}
}

func (c *talker) say(line, code string) string {
	c.t.Helper()
	io.WriteString(c, line+"\r\n")
	return c.expect(code)
}

func (c *talker) secure(certs ...tls.Certificate) {
	c.t.Helper()
	secret := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true, Certificates: certs})
	if err := secret.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.Conn, c.in = secret, bufio.NewReader(secret)
}

// log ends the session and gives what it has logged.
func (c *talker) log() string {
	c.p.Close()
	return c.p.Finish()["log"]
}

// S6.6: the session knows nothing inside TLS of what was said before, and what was
// sent before the handshake is not obeyed. CVE-2011-0411.
func TestNothingComesThrough(t *testing.T) {
	c := talkTo(t, "smtpd_tls_security_level = may\nsmtpd_helo_required = yes")
	if got := c.say("EHLO client.example", "250"); !strings.Contains(got, "250-STARTTLS\r\n") {
		t.Error(got)
	}
	c.say("MAIL FROM:<joe@client.example>", "250")
	c.say("RCPT TO:<ann@example.com>", "250")
	c.say("STARTTLS\r\nRSET", "220")
	c.secure()
	c.say("RCPT TO:<ann@example.com>", "503 5.5.1 Error: need MAIL command")
	c.say("MAIL FROM:<joe@client.example>", "503 5.5.1 Error: send HELO/EHLO first")
	if got := c.say("EHLO client.example", "250"); strings.Contains(got, "STARTTLS") {
		t.Error(got)
	}
	c.say("STARTTLS", "554 5.5.1 Error: TLS already active")
	c.say("QUIT", "221")
	log := c.log()
	for _, line := range []string{"warning: localhost[127.0.0.1]: 6 bytes after STARTTLS came before TLS, and are thrown away: RSET\\r\\n",
		"Anonymous TLS connection established from localhost[127.0.0.1]: TLSv1.3 with cipher TLS_", " starttls=1/2 "} {
		if !strings.Contains(strings.ReplaceAll(log, "unknown[", "localhost["), line) {
			t.Errorf("no %q in:\n%s", line, log)
		}
	}
}

// S6.6: where TLS is a must, nothing goes without.
func TestEncryptIsEnforced(t *testing.T) {
	c := talkTo(t, "smtpd_tls_security_level = encrypt")
	c.say("EHLO client.example", "250")
	for _, line := range []string{"MAIL FROM:<joe@client.example>", "RCPT TO:<ann@example.com>", "DATA", "BDAT 0 LAST", "VRFY ann", "ETRN example.com", "AUTH PLAIN"} {
		c.say(line, "530 5.7.0 Must issue a STARTTLS command first")
	}
	c.say("NOOP", "250")
	c.say("STARTTLS", "220")
	c.secure()
	c.say("MAIL FROM:<joe@client.example>", "250")
	c.say("QUIT", "221")
	c.log()
}

// A client may relay with a certificate that an authority has signed, and with TLS
// from the first byte.
func TestCertificateRelays(t *testing.T) {
	const settings = "smtpd_tls_wrappermode = yes\nsmtpd_tls_ask_ccert = yes\nsmtpd_relay_restrictions = permit_tls_all_clientcerts, reject"
	for name, code := range map[string]string{"good": "250", "self": "554", "none": "554"} {
		c := talkTo(t, settings)
		switch name {
		case "good":
			c.secure(authority.Issue(pki.Request{Name: "client"}))
		case "self":
			c.secure(pki.SelfSigned(pki.Request{Name: "client"}))
		default:
			c.secure()
		}
		c.expect("220")
		c.say("MAIL FROM:<joe@client.example>", "250")
		c.say("RCPT TO:<jim@elsewhere.example>", code)
		c.say("QUIT", "221")
		c.log()
	}
}

// The levels, and what the old parameters mean.
func TestSecurityLevel(t *testing.T) {
	for text, want := range map[string]tlsService{
		"":                                 {},
		"smtpd_tls_security_level=none":    {},
		"smtpd_tls_security_level=may":     {offered: true},
		"smtpd_tls_security_level=encrypt": {offered: true, enforced: true},
		"smtpd_tls_security_level=verify":  {offered: true, enforced: true},
		"smtpd_use_tls=yes":                {offered: true},
		"smtpd_enforce_tls=yes":            {offered: true, enforced: true},
		"smtpd_tls_wrappermode=yes":        {offered: true, enforced: true, wrapped: true},
	} {
		set := param.New(t.TempDir())
		if name, value, ok := strings.Cut(text, "="); ok {
			set.Override(name, value)
		}
		conf = params{}
		if err := set.Load(&conf); err != nil {
			t.Fatal(err)
		}
		var got tlsService
		if err := got.level(); err != nil || got != want {
			t.Errorf("%q: %+v %v", text, got, err)
		}
	}
	conf.TLS.SecurityLevel = "nonsense"
	if err := new(tlsService).level(); err == nil {
		t.Error("nonsense is taken")
	}
}
