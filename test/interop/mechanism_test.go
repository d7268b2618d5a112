package interop

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestMechanisms: each mechanism works between smtp and smtpd of both systems, with
// Dovecot as the one that knows the password.
func TestMechanisms(t *testing.T) {
	startTokens(t)
	startDovecot(t, "auth_mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256 xoauth2 oauthbearer",
		"passdb {\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = /etc/dovecot/oauth2\n}")
	mechanisms := []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"}
	tokens := []string{"XOAUTH2", "OAUTHBEARER"} // stock has no plug-in for them
	for _, m := range []mix{{base: ours}, {base: ours, swapped: []string{"smtp"}}, {base: stock, swapped: []string{"smtp"}}} {
		list := mechanisms
		if m.of("smtp") == ours {
			list = append(list, tokens...)
		}
		t.Run(m.String(), func(t *testing.T) { tryMechanisms(t, m, list) })
	}
}

// startTokens starts what Dovecot asks about access tokens: "secret" is one of ann's.
func startTokens(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:2996")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, `{"active":false}`, http.StatusUnauthorized)
			return
		}
		io.WriteString(w, `{"active":true,"username":"ann"}`)
	})}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	os.MkdirAll("/etc/dovecot", 0o755)
	os.WriteFile("/etc/dovecot/oauth2", []byte("introspection_url = http://127.0.0.1:2996/\nintrospection_mode = auth\nusername_attribute = username\nactive_attribute = active\nactive_value = true\n"), 0o644)
}

func tryMechanisms(t *testing.T, m mix, mechanisms []string) {
	b := newBed(t, m, "transport_maps=texthash:/etc/postfix/logins", "delay_warning_time=0", "smtp_sasl_auth_enable=yes",
		"smtp_sasl_password_maps=inline:{{[127.0.0.1]:2790=ann:secret},{[127.0.0.1]:2791=ann:wrong}}", "smtp_sasl_security_options=noanonymous")
	entries, err := os.ReadFile("testdata/master.cf")
	if err != nil {
		t.Fatal(err)
	}
	text, transport := string(entries), ""
	for port := 2790; port < 2792; port++ {
		text += fmt.Sprintf("127.0.0.1:%d inet n - n - - smtpd\n -o smtpd_sasl_auth_enable=yes -o smtpd_sasl_type=dovecot -o smtpd_sasl_path=private/auth\n"+
			" -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject -o content_filter=discard: -o smtpd_delay_open_until_valid_rcpt=yes\n", port)
	}
	for i, name := range mechanisms {
		text += fmt.Sprintf("m%d unix - - n - - smtp -o smtp_sasl_mechanism_filter=%s\n", i, name)
		transport += fmt.Sprintf("m%d.example m%d:[127.0.0.1]:2790\nw%[1]d.example m%[1]d:[127.0.0.1]:2791\n", i, i)
	}
	os.WriteFile("/etc/postfix/master.cf", []byte(text), 0o644)
	defer os.WriteFile("/etc/postfix/master.cf", entries, 0o644)
	os.WriteFile("/etc/postfix/logins", []byte(transport), 0o644)
	b.start()
	for i := range mechanisms {
		for _, letters := range []string{"m", "w"} {
			b.send(letter{tag: fmt.Sprint(letters, i), by: "sendmail", to: fmt.Sprintf("-f alice x@%s%d.example", letters, i), body: "x\n"})
		}
	}
	b.settle()
	b.stop()
	log := b.log()
	for i, name := range mechanisms {
		if !strings.Contains(log, ", sasl_method="+name+", sasl_username=ann\n") {
			t.Errorf("nobody has logged in with %s", name)
		}
		if !strings.Contains(log, ": SASL "+name+" authentication failed: (reason unavailable), sasl_username=ann\n") {
			t.Errorf("nobody has failed with %s", name)
		}
		if !slices.ContainsFunc(strings.Split(log, "\n"), func(line string) bool {
			return strings.Contains(line, fmt.Sprintf("to=<x@w%d.example>", i)) && strings.Contains(line, "dsn=4.7.8, status=deferred (SASL authentication failed; server 127.0.0.1[127.0.0.1] said: 535 5.7.8 ")
		}) {
			t.Errorf("mail with a wrong password does not wait: %s", name)
		}
	}
	if t.Failed() {
		t.Log(log)
	}
}
