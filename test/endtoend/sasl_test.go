package endtoend

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"postrider/test/machine"
	"postrider/test/peer/sink"
)

// dovecotConf is one server in two roles: it knows the passwords of our users, and as
// a provider it takes mail from those who log in, for a server behind it.
const dovecotConf = `
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
submission_relay_host = 127.0.0.1
submission_relay_port = 2525
submission_relay_trusted = no
first_valid_uid = 1
first_valid_gid = 1
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
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`

// withLogins installs a host with a submission service on port 587 whose users Dovecot
// knows, and which sends its mail through a provider that wants a login.
func withLogins(t *testing.T) (*machine.System, *sink.Server) {
	t.Helper()
	needs(t, "dovecot")
	if _, err := os.Stat("/usr/lib/dovecot/submission"); err != nil {
		t.Skip("without Dovecot's submission service; test.sh installs it")
	}
	s := secured(t, "relayhost=[127.0.0.1]:2587", "smtp_tls_security_level=encrypt", "smtp_sasl_auth_enable=yes",
		"smtp_sasl_password_maps=texthash:/etc/postfix/sasl_passwd", "smtp_sasl_tls_security_options=noanonymous",
		"smtpd_sasl_path=private/auth", "mynetworks=192.0.2.1/32", "notify_classes=protocol,policy,resource,software")
	write(t, "/etc/postfix/sasl_passwd", "[127.0.0.1]:2587 site:providerpw\n", 0o600)
	s.Service("587 inet n - y - - smtpd -o syslog_name=postfix/submission -o smtpd_tls_security_level=encrypt -o smtpd_tls_auth_only=yes" +
		" -o smtpd_sasl_auth_enable=yes -o smtpd_recipient_restrictions= -o smtpd_relay_restrictions=permit_sasl_authenticated,reject")
	os.MkdirAll("/etc/dovecot", 0o755)
	os.MkdirAll("/var/provider", 0o777)
	os.Chmod("/var/provider", 0o777)
	os.WriteFile("/etc/dovecot/users", []byte("ann:{PLAIN}secretpw\nsite:{PLAIN}providerpw\n"), 0o644)
	os.WriteFile("/etc/dovecot/dovecot.conf", []byte(dovecotConf), 0o644)
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
	behind, err := sink.Start("tcp", "127.0.0.1:2525", sink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(behind.Close)
	return s.Start(), behind
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

// S2.2, S6.7: a user logs in and sends mail, which goes out through a provider where
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
	write(t, "/etc/postfix/sasl_passwd", "[127.0.0.1]:2587 site:oldproviderpw\n", 0o600)
	s.Reload()
	if out, status = submit(t, "PLAIN", "secretpw"); status != 0 {
		t.Errorf("status %d\n%s", status, out)
	}
	s.WaitLog(`dsn=4.7.8, status=deferred \(SASL authentication failed; server 127.0.0.1\[127.0.0.1\] said: 535 5.7.8 `)
	for _, secret := range []string{"secretpw", "wrongpw", "providerpw", "AGFubgBzZWNyZXRwdw", "d3Jvbmdwdw", "c2l0ZQBw", "c2l0ZQBv"} {
		wantNot(t, s.Log(), secret)
		if out, status := machine.Run("", "grep", "-rl", secret, "/var/spool/postfix/incoming", "/var/spool/postfix/active", "/var/spool/postfix/deferred"); status == 0 {
			t.Errorf("%s is in %s", secret, out)
		}
	}
}

// S6.7: Dovecot restarts, and users go on logging in with processes that were
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
