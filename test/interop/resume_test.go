package interop

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"postrider/test/machine"
)

// TestResume: servers and clients of both systems take up TLS sessions with the
// tlsmgr of both. What is of another system is never taken for something it is
// not: then the handshake is a full one, and nobody notices.
func TestResume(t *testing.T) {
	certificates(t)
	entries, err := os.ReadFile("testdata/master.cf")
	if err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile("/etc/postfix/master.cf", entries, 0o644)
	for _, m := range []mix{{base: stock}, {stock, []string{"tlsmgr"}}, {stock, []string{"smtp"}}, {stock, []string{"smtpd"}},
		{base: ours}, {ours, []string{"tlsmgr"}}, {ours, []string{"smtp"}}, {ours, []string{"smtpd"}}} {
		t.Run(m.String(), func(t *testing.T) { resumeIn(t, m, entries) })
	}
}

const resumeServices = "tlsmgr unix - - n 1000? 1 tlsmgr\n2626 inet n - n - - smtpd -o syslog_name=far\n2627 inet n - n - - ../other/smtpd -o syslog_name=other\n"

func resumeIn(t *testing.T, m mix, entries []byte) {
	b := newBed(t, m, "max_use=1", "smtpd_tls_security_level=may", "smtpd_tls_cert_file="+keyDir+"rsa.pem", "smtpd_tls_loglevel=2",
		"smtp_tls_security_level=may", "smtp_tls_loglevel=2", "smtp_tls_session_cache_database=btree:$data_directory/smtp_scache",
		"smtpd_tls_session_cache_database=btree:$data_directory/smtpd_scache", "smtp_connection_cache_on_demand=no",
		"transport_maps=inline:{{far.example=smtp:[127.0.0.1]:2626} {other.example=smtp:[127.0.0.1]:2627}}",
		"smtpd_relay_restrictions=permit_mynetworks,reject_unauth_destination", "content_filter=", "hopcount_limit=8",
		"virtual_alias_maps=", "mynetworks=127.0.0.0/8")
	if err := os.WriteFile("/etc/postfix/master.cf", append(entries, resumeServices...), 0o644); err != nil {
		t.Fatal(err)
	}
	os.MkdirAll("/mix/other", 0o755)
	daemons, _ := m.of("smtpd").other().dirs()
	os.Symlink(daemons+"/smtpd", "/mix/other/smtpd")
	b.start()
	file := t.TempDir() + "/session"
	client := func(port, want string, args ...string) {
		t.Helper()
		out, _ := machine.Run("QUIT\n", "timeout", append([]string{"3", "openssl", "s_client", "-connect", "127.0.0.1:" + port, "-starttls", "smtp",
			"-ign_eof", "-crlf"}, args...)...)
		if !strings.Contains(out, want) || !strings.Contains(out, "221 2.0.0 Bye") {
			t.Errorf("%v: no %q in\n%s", m, want, out)
		}
	}
	for _, version := range []string{"-tls1_3", "-tls1_2"} {
		client("2626", "New, TLSv1.", version, "-sess_out", file)
		client("2626", "Reused, TLSv1.", version, "-sess_in", file)
		client("2627", "New, TLSv1.", version, "-sess_in", file, "-sess_out", file)
		client("2627", "Reused, TLSv1.", version, "-sess_in", file)
		client("2626", "New, TLSv1.", version, "-sess_in", file)
	}
	// A message goes around until it has passed too many hands, which is one
	// delivery after the other to each server.
	for _, domain := range []string{"far", "other"} {
		b.run("Subject: x\n\nx\n", "sendmail", "-f", "alice", "x@"+domain+".example")
	}
	b.settle()
	for _, port := range []string{"2626", "2627"} {
		name := `127\.0\.0\.1\[127\.0\.0\.1\]:` + port
		log := b.log()
		established := len(regexp.MustCompile(`TLS connection established to `+name).FindAllString(log, -1))
		reused := len(regexp.MustCompile(name+`: Reusing old session`).FindAllString(log, -1))
		if established < 4 || reused < established-2 {
			t.Errorf("%v: %d of %d sessions with port %s were taken up", m, reused, established, port)
		}
	}
	if bad := regexp.MustCompile(`(?m)^.*(SSL_connect error|SSL_accept error|TLS library problem|panic|fatal|problem talking).*$`).FindAllString(b.log(), -1); bad != nil {
		t.Errorf("%v:\n%s", m, strings.Join(bad, "\n"))
	}
}
