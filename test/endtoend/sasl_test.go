package endtoend

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"postrider/test/machine"
	"postrider/test/peer/sink"
)

// providerConf is Dovecot as a provider: it takes mail from those who log in, for a
// server behind it. It also knows the passwords of our users; the page docs/sasl.md
// says how we get at them.
const providerConf = `
protocols = submission
listen = 127.0.0.1
log_path = /var/log/dovecot.log
auth_verbose = yes
auth_mechanisms = plain login cram-md5 scram-sha-256
auth_failure_delay = 0
ssl = required
ssl_cert = <` + keys + `server.pem
ssl_key = <` + keys + `server.pem
mail_location = maildir:~/mail
first_valid_uid = 1
first_valid_gid = 1
submission_relay_host = 127.0.0.1
submission_relay_port = 2525
passdb {
  driver = passwd-file
  args = /etc/dovecot/users
}
userdb {
  driver = static
  args = uid=mail gid=mail home=/var/provider/%u
}
service submission-login {
  inet_listener submission {
    port = 2587
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`

// pageLines are the indented lines of a section of docs/sasl.md that begin so.
func pageLines(t *testing.T, section, begin string) (lines []string) {
	t.Helper()
	_, text, _ := strings.Cut(read(t, "/src/docs/sasl.md"), "\n## "+section)
	text, _, _ = strings.Cut(text, "\n## ")
	for line := range strings.Lines(text) {
		if code, ok := strings.CutPrefix(line, "    "); ok && strings.HasPrefix(code, begin) {
			lines = append(lines, strings.TrimSuffix(code, "\n"))
		}
	}
	if len(lines) == 0 {
		t.Fatalf("docs/sasl.md: no lines %q in %q", begin, section)
	}
	return lines
}

// withLogins sets up what docs/sasl.md says: a submission service whose users Dovecot
// knows, and a provider that wants a login, which is Dovecot too.
func withLogins(t *testing.T) (*machine.System, *sink.Server) {
	t.Helper()
	needs(t, "dovecot")
	if _, err := os.Stat("/usr/lib/dovecot/submission"); err != nil {
		t.Skip("without Dovecot's submission service; test.sh installs it")
	}
	s := secured(t, "mynetworks=192.0.2.1/32", "notify_classes=protocol,policy,resource,software")
	run(t, 0, "", "postconf", "-MX", "587/inet")
	settings := append(pageLines(t, "Users log in: Dovecot", "smtp"), pageLines(t, "A provider wants a login", "smtp")...)
	for _, line := range append(settings, pageLines(t, "A provider wants a login", "relayhost")...) {
		s.Set(here.Replace(strings.Replace(line, " = ", "=", 1)))
	}
	for _, line := range pageLines(t, "Users log in: Dovecot", "postconf ") {
		run(t, 0, "", "sh", "-c", line)
	}
	setPassword(t, "providerpw")
	os.MkdirAll("/etc/dovecot", 0o755)
	os.MkdirAll("/var/provider", 0o777)
	os.Chmod("/var/provider", 0o777)
	os.WriteFile("/etc/dovecot/users", []byte("ann:{PLAIN}secretpw\nann@example.com:{PLAIN}providerpw\n"), 0o644)
	service, _, _ := strings.Cut(strings.Join(pageLines(t, "Users log in: Dovecot", ""), "\n"), "\n}\n")
	os.WriteFile("/etc/dovecot/dovecot.conf", []byte(providerConf+service+"\n}\n"), 0o644)
	startDovecot(t, s)
	return s.Start(), startSink(t, "tcp", "127.0.0.1:2525", sink.Options{})
}

// here puts this machine in place of what the page names.
var here = strings.NewReplacer("[mail.provider.example]:587", "[127.0.0.1]:2587", "/etc/postfix/key-and-certificates.pem", keys+"server.pem")

// setPassword sets the password at the provider.
func setPassword(t *testing.T, password string) {
	t.Helper()
	line := here.Replace(pageLines(t, "A provider wants a login", "[mail.provider")[0])
	write(t, "/etc/postfix/sasl_passwd", strings.Replace(line, "secret", password, 1)+"\n", 0o600)
	run(t, 0, "", "postmap", "cdb:/etc/postfix/sasl_passwd")
}

func startDovecot(t *testing.T, s *machine.System) {
	t.Helper()
	cmd := exec.Command("dovecot", "-F")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if log, _ := os.ReadFile("/var/log/dovecot.log"); t.Failed() {
			t.Logf("the log of Dovecot:\n%s", log)
		}
		machine.Run("", "doveadm", "stop")
		cmd.Process.Kill()
		cmd.Wait()
	})
	s.Wait("Dovecot", func() bool {
		_, status := machine.Run("", "sh", "-c", "test -S /var/spool/postfix/private/auth && ss -ltn | grep -q ':2587 '")
		return status == 0
	})
}

// submit sends a message to the submission service with swaks.
func submit(t *testing.T, mechanism, password string, more ...string) (string, int) {
	t.Helper()
	needs(t, "swaks")
	out, status := machine.Run("", "swaks", append([]string{"--server", "127.0.0.1:587", "--tls", "--from", "ann@example.com", "--to", "joe@elsewhere.example",
		"--ehlo", "client.example", "--auth", mechanism, "--auth-user", "ann", "--auth-password", password, "--body", "hello"}, more...)...)
	if strings.Contains(out, "requires Net::SSLeay") || strings.Contains(out, "Digest") && strings.Contains(out, "requires") {
		t.Skip("swaks lacks what it needs here: " + out)
	}
	return out, status
}

// S2.2: a user logs in and sends mail, which goes out through a provider where
// we log in; only Dovecot at both ends knows the passwords, and no log does.
func TestSubmission(t *testing.T) {
	s, behind := withLogins(t)
	out, status := submit(t, "PLAIN", "secretpw")
	if status != 0 {
		t.Fatalf("swaks: status %d\n%s", status, out)
	}
	want(t, out, "250-AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256", "235 2.7.0 Authentication successful", "250 2.0.0 Ok: queued as")
	s.WaitLog(`postfix/submission/smtpd\[\d+\]: [0-9A-F]+: client=localhost\[127.0.0.1\], sasl_method=PLAIN, sasl_username=ann`)
	s.WaitLog(`to=<joe@elsewhere.example>, relay=127.0.0.1\[127.0.0.1\]:2587, .*dsn=2.0.0, status=sent \(250 2.0.0 `)
	want(t, messages(t, behind, 1)[0].Data, "with ESMTPSA id ", "hello")

	out, status = submit(t, "LOGIN", "wrongpw")
	if status == 0 || !strings.Contains(out, "535 5.7.8 Error: authentication failed: (reason unavailable)") {
		t.Errorf("a wrong password: status %d\n%s", status, out)
	}
	s.WaitLog(`warning: localhost\[127.0.0.1\]: SASL LOGIN authentication failed: \(reason unavailable\), sasl_username=ann`)
	if out, status = submit(t, "CRAM-MD5", "secretpw"); status != 0 {
		t.Errorf("CRAM-MD5: status %d\n%s", status, out)
	}
	s.WaitLog(`sasl_method=CRAM-MD5, sasl_username=ann`)

	// The provider's password changes: mail waits, and nobody is told a secret.
	setPassword(t, "oldproviderpw")
	s.Reload()
	if out, status = submit(t, "PLAIN", "secretpw"); status != 0 {
		t.Errorf("status %d\n%s", status, out)
	}
	s.WaitLog(`dsn=4.7.8, status=deferred \(SASL authentication failed; server 127.0.0.1\[127.0.0.1\] said: 535 5.7.8 `)
	for _, secret := range []string{"secretpw", "wrongpw", "providerpw", "AGFubgBzZWNyZXRwdw", "d3Jvbmdwdw"} {
		wantNot(t, s.Log(), secret)
		if out, status := machine.Run("", "grep", "-rl", secret, "/var/spool/postfix/incoming", "/var/spool/postfix/active", "/var/spool/postfix/deferred"); status == 0 {
			t.Errorf("%s is in %s", secret, out)
		}
	}
}

// Dovecot restarts, and users go on logging in with processes that were
// connected to it.
func TestDovecotRestarts(t *testing.T) {
	s, _ := withLogins(t)
	if out, status := submit(t, "PLAIN", "secretpw"); status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	if out, status := machine.Run("", "doveadm", "reload"); status != 0 {
		t.Fatal(out)
	}
	if out, status := submit(t, "PLAIN", "secretpw"); status != 0 {
		t.Fatalf("after a reload: status %d\n%s", status, out)
	}
	wantNot(t, s.Log(), "fatal:", "panic:")
}
