package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postrider/lib/net/dns"
	"postrider/test/peer/sink"
	"postrider/test/peer/zone"
)

// A collector gets one datagram for each session with TLS, in the form of
// libtlsrpt; domains without a record are nobody's business. RFC 8460.
func TestReports(t *testing.T) {
	for _, test := range []struct{ name, keywords, settings, record, want string }{
		{"dane", "", "smtp_tls_security_level=dane; smtp_dns_support_level=dnssec", "example.net. ",
			`{"d":"example.net","pr":"v=TLSRPTv1; rua=mailto:r@example.net","policies":[{"policy-type":1,"policy-domain":"_PORT._tcp.mx.example.net","policy-string":["3 1 1 `},
		{"no policy", "", "smtp_tls_security_level=may", "example.net. ",
			`"policies":[{"policy-type":9,"policy-domain":"example.net","t":0,"f":0}]}`},
		{"self-signed", "", "smtp_tls_security_level=secure", "example.net. ",
			`"failure-details":[{"c":205,"s":"127.0.0.1","n":"mx.example.net","h":"sink.example","r":"127.0.0.1","f":"untrusted_issuer_/O=Test/CN=Root"}],"t":1,"f":1}]}`},
		{"name", "", "smtp_tls_security_level=secure; smtp_tls_CAfile=FILE; smtp_tls_secure_cert_match=other.example", "example.net. ",
			`"failure-details":[{"c":202,"s":"127.0.0.1","n":"mx.example.net","h":"sink.example","r":"127.0.0.1"}],"t":1,"f":1}]}`},
		{"no STARTTLS", "NOTLS", "smtp_tls_security_level=encrypt", "example.net. ", `"c":201,`},
		{"STS", "", "smtp_tls_security_level=may; smtp_tls_policy_maps=static:{secure match=nexthop tafile=FILE policy_type=sts policy_domain=sts.example.net {policy_string=version: STSv1} mx_host_pattern=*.example.net}", "example.net. ",
			`"policies":[{"policy-type":2,"policy-domain":"sts.example.net","policy-string":["version: STSv1"],"mx-host":["*.example.net"],"t":0,"f":0}]}`},
		{"STS failed", "", "smtp_tls_policy_maps=static:{secure policy_type=sts policy_failure=sts-webpki-invalid}", "example.net. ",
			`"failure-details":[{"c":303}],"t":1,"f":1}]}`},
		{"no record", "", "smtp_tls_security_level=may", "example.org. ", ""},
		{"no TLS", "", "smtp_tls_security_level=none", "example.net. ", ""},
		{"off", "", "smtp_tls_security_level=may; smtp_tlsrpt_enable=no", "example.net. ", ""},
	} {
		path := filepath.Join(t.TempDir(), "s")
		socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		o := sink.Options{}
		if test.keywords == "NOTLS" {
			o.Rules = map[string][]string{"EHLO": {"250 mx"}}
		}
		p := startTLSPlace(t, o, append([]string{"smtp_tlsrpt_enable=yes", "smtp_tlsrpt_socket_name=" + path}, strings.Split(test.settings, "; ")...)...)
		p.addRecord(t, "_smtp._tls."+test.record+`TXT "v=TLSRPTv1; rua=mailto:r@example.net"`)
		p.required(t, 0)
		socket.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		b := make([]byte, 9000)
		n, _ := socket.Read(b)
		got := strings.ReplaceAll(string(b[:n]), p.port, "PORT")
		if !strings.Contains(got, test.want) || test.want == "" && got != "" {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, got, test.want)
		}
	}
}

// addRecord adds a record to those of the place.
func (p *tlsPlace) addRecord(t *testing.T, text string) {
	t.Helper()
	if err := p.zone.Set(p.records + text + "\n"); err != nil {
		t.Fatal(err)
	}
}

// Two records are none. RFC 8460, section 3.
func TestReportRecord(t *testing.T) {
	server, err := zone.Start("127.0.0.1:0", `_smtp._tls.one.example. TXT "v=TLSRPTv1; rua=https://x/" 
_smtp._tls.one.example. TXT "other"
_smtp._tls.two.example. TXT "v=TLSRPTv1; rua=https://x/"
_smtp._tls.two.example. TXT "v=TLSRPTv1; rua=https://y/"
`)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	r, err := dns.New(dns.Options{Servers: []string{server.Addr}})
	if err != nil {
		t.Fatal(err)
	}
	for domain, want := range map[string]string{"one.example": "v=TLSRPTv1; rua=https://x/", "two.example": "", "no.example": ""} {
		if got := reportPolicyOf(r, domain); got != want {
			t.Errorf("%s: %q", domain, got)
		}
	}
}
