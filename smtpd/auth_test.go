package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// startAuth starts a server that speaks Dovecot's protocol and knows PLAIN: the password
// of everybody is "secret", nothing is known about temp, and there is a user odd whose
// name has a newline.
func startAuth(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "auth")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serveAuth(conn)
		}
	}()
	return path
}

func serveAuth(conn net.Conn) {
	defer conn.Close()
	fmt.Fprintf(conn, "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tEXTERNAL\nMECH\tANONYMOUS\tanonymous\nDONE\n")
	for in := bufio.NewScanner(conn); in.Scan(); {
		f := strings.Split(in.Text(), "\t")
		if f[0] != "AUTH" && f[0] != "CONT" {
			continue
		}
		response, ok := strings.CutPrefix(f[len(f)-1], "resp=")
		if f[0] == "AUTH" && !ok {
			fmt.Fprintf(conn, "CONT\t%s\t\n", f[1])
			continue
		}
		said, _ := base64.StdEncoding.DecodeString(response)
		words := strings.Split(string(said)+"\x00\x00", "\x00")
		switch {
		case words[1] == "temp":
			fmt.Fprintf(conn, "FAIL\t%s\tuser=temp\tcode=temp_fail\n", f[1])
		case words[1] == "odd":
			fmt.Fprintf(conn, "OK\t%s\tuser=o\x01ndd\n", f[1])
		case words[2] == "secret":
			fmt.Fprintf(conn, "OK\t%s\tuser=%s\n", f[1], words[1])
		default:
			fmt.Fprintf(conn, "FAIL\t%s\tuser=%s\treason=go away\n", f[1], words[1])
		}
	}
}

func authPlain(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}

// A login opens the relay, and its end closes it; failures say which kind they
// are. No password comes into the log.
func TestLogin(t *testing.T) {
	c := talkTo(t, "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_path = "+startAuth(t)+"\nsmtpd_relay_restrictions = permit_sasl_authenticated, reject\n"+
		"smtpd_sasl_response_limit = 12288\nsmtpd_forbid_unauth_pipelining = no\nsmtpd_hard_error_limit = 100")
	c.say("EHLO client.example", "250")
	for command, reply := range map[string]string{
		"AUTH PLAIN " + authPlain("ann", "wrong"):     "535 5.7.8 Error: authentication failed: go away",
		"AUTH PLAIN " + authPlain("temp", "secret"):   "454 4.7.0 Temporary authentication failure: (reason unavailable)",
		"AUTH PLAIN " + authPlain("odd", "secret"):    "535 5.7.8 Error: authentication failed: the name of the user has control characters",
		"AUTH EXTERNAL " + authPlain("ann", "secret"): "535 5.7.8 Error: authentication failed: Invalid authentication mechanism", // it is filtered
		"AUTH PLAIN " + authPlain("ann", "x") + " y":  "501 5.5.4 Syntax: AUTH mechanism",
	} {
		c.say(command, reply)
	}
	c.say("AUTH PLAIN", "334 ")
	c.say(strings.Repeat("QUFB", 4000), "500 5.5.6 SASL response limit exceeded")
	c.say("AUTH PLAIN", "334 ")
	c.say("*", "501 5.7.0 Authentication aborted")
	c.say("AUTH PLAIN "+authPlain("ann", strings.Repeat("long", 2000)), "535 5.7.8 Error: authentication failed: go away") // RFC 4954, section 4
	c.say("AUTH NONE", "535")
	c.say("U0VDUkVU", "500 5.5.2 Error: command not recognized") // it believes that AUTH goes on
	c.say("MAIL FROM:<joe@client.example>", "250")
	c.say("RCPT TO:<jim@elsewhere.example>", "554")
	c.say("RSET", "250")
	c.say("AUTH PLAIN", "334 ")
	c.say(authPlain("ann", "secret"), "235 2.7.0 Authentication successful")
	c.say("AUTH PLAIN "+authPlain("ann", "secret"), "503 5.5.1 Error: already authenticated")
	c.say("MAIL FROM:<joe@client.example>", "250")
	c.say("RCPT TO:<jim@elsewhere.example>", "250")
	c.say("QUIT", "221")
	log := c.log()
	for _, line := range []string{": SASL PLAIN authentication failed: go away, sasl_username=ann", ": SASL PLAIN authentication aborted",
		", sasl_method=PLAIN, sasl_username=ann", "request longer than 12288: (not shown)"} {
		if !strings.Contains(log, line) {
			t.Errorf("no %q in:\n%s", line, log)
		}
	}
	for _, secret := range []string{authPlain("ann", "secret"), authPlain("ann", "wrong"), "QUFBQUFB", "bG9uZ2xvb", "U0VDUkVU"} {
		if strings.Contains(log, secret) {
			t.Errorf("%q is in the log:\n%s", secret, log)
		}
	}
}

// Where passwords need TLS, nobody can tell one without it, and a login does not
// outlive the begin of TLS.
func TestLoginWantsTLS(t *testing.T) {
	settings := "smtpd_tls_security_level = may\nsmtpd_sasl_auth_enable = yes\nsmtpd_sasl_path = " + startAuth(t) + "\n"
	c := talkTo(t, settings+"smtpd_tls_auth_only = yes")
	if got := c.say("EHLO client.example", "250"); strings.Contains(got, "AUTH") {
		t.Error(got)
	}
	c.say("AUTH PLAIN "+authPlain("ann", "secret"), "503 5.5.1 Error: authentication not enabled")
	c.say("STARTTLS", "220")
	c.secure()
	if got := c.say("EHLO client.example", "250"); !strings.Contains(got, "250-AUTH PLAIN\r\n") {
		t.Error(got)
	}
	c.say("AUTH PLAIN "+authPlain("ann", "secret"), "235")
	c.log()
	c = talkTo(t, settings)
	c.say("EHLO client.example", "250")
	c.say("AUTH PLAIN "+authPlain("ann", "secret"), "235")
	c.say("STARTTLS", "220")
	c.secure()
	c.say("AUTH PLAIN "+authPlain("ann", "secret"), "235")
	c.log()
}

// What a client sent ahead and what a table replaces is logged without passwords.
func TestWithoutSecrets(t *testing.T) {
	for said, want := range map[string]string{
		"AUTH PLAIN AGFubgBz":               "AUTH PLAIN (not shown)",
		"auth  plain\tAGFubgBz":             "auth  plain\t(not shown)",
		"EHLO x\r\nAUTH LOGIN\r\nYW5u\r\nz": "EHLO x\r\nAUTH LOGIN\r(not shown)",
		"AUTH PLAIN":                        "AUTH PLAIN",
		"AUTH PLAIN\r\n":                    "AUTH PLAIN\r\n",
		"AUTH":                              "AUTH",
		"MAIL FROM:<a@b> AUTH=<>":           "MAIL FROM:<a@b> AUTH=<>",
		"RCPT TO:<author@b> x":              "RCPT TO:<author@b> x",
		"author AUTH PLAIN xyz":             "author AUTH PLAIN (not shown)",
		"":                                  "",
	} {
		if got := withoutSecrets(said); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
	c := talkTo(t, "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_path = "+startAuth(t)+"\nsmtpd_command_filter = inline:{{AUTH PLAIN eA===AUTH PLAIN eQ==}}")
	c.say("EHLO client.example\r\nAUTH PLAIN "+authPlain("ann", "secret"), "")
	if log := c.log(); strings.Contains(log, authPlain("ann", "secret")) || !strings.Contains(log, "(not shown)") {
		t.Errorf("log:\n%s", log)
	}
}

// The comment of a header stays one, whatever the name of the user is.
func TestComment(t *testing.T) {
	for in, want := range map[string]string{"ann": "ann", "a(b": "a(b)", "a)b": "a?b", "a(b)c": "a(b)c", "((": "(())", "j\u00f6": "j??", `a\b`: "a?b", "a\nb": "a?b"} {
		if got := comment(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// The default of smtpd_forbidden_commands ends sessions with lines that cannot be
// commands; what follows on a refused AUTH is not shown there, nor to the postmaster.
func TestAnswersToRefusedAuth(t *testing.T) {
	c := talkTo(t, "smtpd_forbidden_commands = regexp:{{/^[^A-Z]/ Bogus}}")
	c.say("EHLO client.example", "250")
	c.say("AUTH LOGIN", "503 5.5.1 Error: authentication not enabled")
	c.say("5c2VjcmV0", "221 2.7.0 Error: I can break rules, too. Goodbye.")
	if log := c.log(); strings.Contains(log, "c2VjcmV0") || !strings.Contains(log, "non-SMTP command from ") {
		t.Errorf("log:\n%s", log)
	}
}
