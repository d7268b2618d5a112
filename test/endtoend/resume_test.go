package endtoend

import (
	"regexp"
	"strings"
	"testing"
)

// resume has a conversation over TLS with smtpd; the session is in a file before,
// or afterwards.
func resume(t *testing.T, args ...string) string {
	t.Helper()
	return openssl(t, "25", "QUIT\n", append([]string{"-starttls", "smtp"}, args...)...)
}

// A client that comes again takes up its session with another process of smtpd: the
// keys of tickets are in tlsmgr. S6.6.
func TestTickets(t *testing.T) {
	s := secured(t, "max_use=1", "smtpd_tls_loglevel=2").Start()
	file := t.TempDir() + "/session"
	for _, version := range []string{"-tls1_3", "-tls1_2"} {
		want(t, resume(t, version, "-sess_out", file), "New, TLSv1.", "221 2.0.0 Bye")
		for range 3 {
			want(t, resume(t, version, "-sess_in", file), "Reused, TLSv1.", "221 2.0.0 Bye")
		}
	}
	s.WaitLog(`smtpd\[\d+\]: localhost\[127.0.0.1\]: Issuing session ticket, key expiration: \d+\n`)
	s.WaitLog(`smtpd\[\d+\]: localhost\[127.0.0.1\]: Decrypting session ticket, key expiration: \d+\n`)
	s.WaitLog(`smtpd\[\d+\]: localhost\[127.0.0.1\]: Reusing old session \(RFC 5077 session ticket\)\n`)
	s.WaitLog(`Anonymous TLS connection established from localhost\[127.0.0.1\]: TLSv1.3 with cipher \S+ \(\d+/\d+ bits\) key-exchange X25519 server-signature ECDSA \(prime256v1\)\n`)
	run(t, 0, "", "postfix", "reload") // there are new keys
	s.WaitLog(`reload -- version`)
	s.Wait("a session that cannot be taken up", func() bool {
		return strings.Contains(resume(t, "-sess_in", file), "New, TLSv1.")
	})
}

// Without tlsmgr, and when tickets are not wanted, each handshake is a full one.
func TestNoTickets(t *testing.T) {
	for _, how := range []string{"tls_session_ticket_cipher=", "smtpd_tls_session_cache_timeout=0", "tlsmgr_service_name=gone"} {
		s := secured(t, how).Start()
		for _, version := range []string{"-tls1_3", "-tls1_2"} {
			out := resume(t, version)
			want(t, out, "New, TLSv1.", "221 2.0.0 Bye")
			wantNot(t, out, "TLS session ticket")
		}
		s.Stop()
		if line := regexp.MustCompile(`(?m)^.*/smtpd\[\d+\]: (warning|panic|fatal).*$`).FindString(s.Log()); line != "" {
			t.Error(line)
		}
	}
}

// One smtp process saves a session, another one takes it up; one with a stronger
// policy does not. S6.6.
func TestSavedSessions(t *testing.T) {
	s := secured(t, "max_use=1", "smtp_tls_loglevel=2", "smtp_tls_session_cache_database=btree:$data_directory/smtp_scache",
		"smtp_tls_CAfile="+keys+"ca.pem", "smtp_tls_security_level=may", "smtp_host_lookup=native",
		"smtp_tls_policy_maps=inline:{{[localhost]:2526=encrypt}}",
		"transport_maps=inline:{{far.example=smtp:[localhost]:2525} {strong.example=smtp:[localhost]:2526}}")
	for _, port := range []string{"2525", "2526"} {
		s.Service(port + " inet n - n - - smtpd -o smtpd_client_restrictions= -o mydestination=far.example,strong.example -o local_recipient_maps= -o local_transport=discard -o syslog_name=far")
	}
	s.Start()
	send := func(domain, line string) {
		t.Helper()
		s.Send("Subject: x\n\nx\n", "-f", "ann", "x@"+domain+".example")
		s.WaitLog(`postfix/smtp\[\d+\]: \w+: to=<x@` + domain + `.example>, .*status=sent`)
		s.WaitLog(line)
	}
	send("far", `tlsmgr\[\d+\]: put smtp session id=`)
	send("far", `localhost\[127.0.0.1\]:2525: Reusing old session\n`)
	send("strong", `save session localhost\[127.0.0.1\]:2526&`)
	send("strong", `localhost\[127.0.0.1\]:2526: Reusing old session\n`)
}
