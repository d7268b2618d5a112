package endtoend

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"testing"

	"postrider/test/machine"
	"postrider/test/peer/pki"
	"postrider/test/peer/sink"
)

// TestSendTLS: mail goes out over TLS as far as the level asks for it, from a
// chroot jail too; what may not go waits in the queue, and its reason is told.
func TestSendTLS(t *testing.T) {
	root := pki.NewAuthority("Root")
	cert := func(name string) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{root.Issue(pki.Request{Name: name, DNS: []string{name}})}}
	}
	if err := pki.Write("/etc/postfix-ca.pem", nil, root.Cert.Raw); err != nil {
		t.Fatal(err)
	}
	defer os.Remove("/etc/postfix-ca.pem")
	s, far := remote(t, "smtp_tls_loglevel=1", "smtp_tls_CAfile=/etc/postfix-ca.pem", "smtp_dns_support_level=dnssec", "smtp_tls_security_level=none",
		"transport_maps=inline:{{plain.example=smtp:[mx.bad.example]:2525} {clear.example=smtp:mx.bad.example:2525}}",
		"smtp_tls_policy_maps=inline:{{may.example=may} {[mx.bad.example]:2525=may} {mx.bad.example:2525=encrypt} {encrypt.example=encrypt} {verify.example=verify} "+
			"{wrong.example=verify} {dane.example=dane} {other.example=dane} {broken.example=bogus}}")
	good, wrong := cert("mx.good.example"), cert("mx.wrong.example")
	key := func(c *tls.Config) [32]byte { return sha256.Sum256(c.Certificates[0].Leaf.RawSubjectPublicKeyInfo) }
	text := fmt.Sprintf("mx.good.example. A %s\nmx.bad.example. A %s\n_25._tcp.mx.good.example. TLSA 3 1 1 %x\n_25._tcp.mx.bad.example. TLSA 3 1 1 %[3]x\n",
		machine.Far, machine.Other, key(good))
	for domain, host := range map[string]string{"may": "bad", "encrypt": "bad", "verify": "good", "wrong": "bad", "dane": "good", "other": "bad", "broken": "good"} {
		text += fmt.Sprintf("%s.example. MX 10 mx.%s.example.\n", domain, host)
	}
	farZone(t, far, text).Secure.Store(true)
	write(t, "/etc/resolv.conf", read(t, "/etc/resolv.conf")+"options trust-ad\n", 0o644)
	taken := []*sink.Server{farSink(t, far, machine.Far+":25", sink.Options{TLS: good}), farSink(t, far, machine.Other+":25", sink.Options{TLS: wrong}),
		farSink(t, far, machine.Other+":2525", sink.Options{})}
	s.Service("smtp unix - - y - - smtp")
	s.Start()
	sent := map[string]bool{}
	for _, row := range []struct{ domain, line string }{
		{"may", `Trusted TLS connection established to mx.bad.example\[` + machine.Other + `\]:25: TLSv1.3 with cipher `},
		{"may", `to=<x@may.example>, relay=mx.bad.example.*status=sent`},
		{"plain", `to=<x@plain.example>, .*status=sent`},
		{"encrypt", `to=<x@encrypt.example>, .*status=sent`},
		{"clear", `to=<x@clear.example>, .*dsn=4.7.4, status=deferred \(TLS is required, but was not offered by host mx.bad.example\[.*\]\)`},
		{"verify", `Verified TLS connection established to mx.good.example\[`},
		{"verify", `to=<x@verify.example>, .*status=sent`},
		{"wrong", `to=<x@wrong.example>, .*dsn=4.7.5, status=deferred \(Server certificate not verified\)`},
		{"dane", `to=<x@dane.example>, .*status=sent`},
		{"other", `to=<x@other.example>, .*dsn=4.7.5, status=deferred \(Server certificate not verified\)`},
		{"broken", `to=<x@broken.example>, relay=none, .*dsn=4.7.5, status=deferred \(client TLS configuration problem\)`},
	} {
		if !sent[row.domain] {
			sent[row.domain] = true
			s.Send("Subject: tls\n\nx\n", "-f", "ann", "x@"+row.domain+".example")
		}
		s.WaitLog(row.line)
	}
	s.Wait("the deferred queue", func() bool { return len(s.Queued()) == 4 })
	want(t, run(t, 0, "", "mailq"), "(TLS is required, but was not offered by host", "(Server certificate not verified)", "(client TLS configuration problem)")
	for i, n := range []int{2, 2, 1} {
		if got := len(taken[i].Messages()); got != n {
			t.Errorf("server %d has taken %d messages, not %d", i, got, n)
		}
	}
}

// TestOwnTLS: our smtp(8) and our smtpd(8) understand each other, at port 25 and
// where TLS comes first, with certificates on both sides.
func TestOwnTLS(t *testing.T) {
	root := pki.NewAuthority("Root")
	dir := t.TempDir()
	for name, host := range map[string]string{"server": "localhost", "client": "client.example"} {
		c := root.Issue(pki.Request{Name: host, DNS: []string{host}})
		if err := pki.Write(dir+"/"+name+".pem", c.PrivateKey, c.Certificate...); err != nil {
			t.Fatal(err)
		}
	}
	pki.Write(dir+"/ca.pem", nil, root.Cert.Raw)
	s := site(t, "smtpd_tls_security_level=encrypt", "smtpd_tls_chain_files="+dir+"/server.pem", "smtpd_tls_CAfile="+dir+"/ca.pem", "smtpd_tls_loglevel=1",
		"smtpd_tls_ask_ccert=yes", "smtpd_tls_received_header=yes",
		"smtp_host_lookup=native", "smtp_tls_security_level=secure", "smtp_tls_CAfile="+dir+"/ca.pem", "smtp_tls_loglevel=1", "smtp_tls_chain_files="+dir+"/client.pem",
		"transport_maps=inline:{{ann@tls.example=smtp:[localhost]:2526} {ann@wrapped.example=wrapped:[localhost]:2465}}")
	s.Service("2526 inet n - n - - smtpd -o cleanup_service_name=inside")
	s.Service("2465 inet n - n - - smtpd -o cleanup_service_name=inside -o smtpd_tls_wrappermode=yes")
	s.Service("inside unix n - n - 0 cleanup -o virtual_alias_maps=inline:{ann@tls.example=ann,ann@wrapped.example=ann}")
	s.Service("smtp unix - - n - 1 smtp")
	s.Service("wrapped unix - - n - 1 smtp -o smtp_tls_wrappermode=yes")
	s.Start()
	for _, to := range []string{"ann@tls.example", "ann@wrapped.example", "ann@tls.example"} {
		s.Send("Subject: tls\n\nx\n", "-f", "bob", to)
		s.WaitEmpty()
	}
	s.WaitLog(`postfix/smtp\[\d+\]: Verified TLS connection established to localhost\[127.0.0.1\]:2526: TLSv1.3 with cipher `)
	s.WaitLog(`postfix/smtp\[\d+\]: Verified TLS connection established to localhost\[127.0.0.1\]:2465: TLSv1.3 with cipher `)
	s.WaitLog(`smtpd\[\d+\]: Trusted TLS connection established from localhost\[127.0.0.1\]`)
	if n := strings.Count(s.Mailbox("ann"), "\n\t(using TLSv1.3 with cipher TLS_"); n != 3 {
		t.Errorf("%d of 3 messages came over TLS", n)
	}
}
