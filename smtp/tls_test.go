package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postrider/lib/net/dns"
	"postrider/lib/net/starttls"
	"postrider/test/peer/pki"
	"postrider/test/peer/sink"
	"postrider/test/peer/zone"
)

var (
	authority = pki.NewAuthority("Root")
	mxCert    = authority.Issue(pki.Request{Name: "mx.example.net", DNS: []string{"mx.example.net", "example.net"}})
)

// A tlsPlace is a server with TLS, and a client's router that finds it as
// mx.example.net, the mail exchanger of example.net.
type tlsPlace struct {
	*router
	server *sink.Server
	port   string
	zone   *zone.Server

	records string // of the zone
}

func startTLSPlace(t *testing.T, o sink.Options, settings ...string) tlsPlace {
	t.Helper()
	if o.TLS == nil {
		o.TLS = &tls.Config{Certificates: []tls.Certificate{mxCert}}
	}
	server, _ := peer(t, o)
	_, port, _ := net.SplitHostPort(server.Addr)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := pki.Write(ca, nil, authority.Cert.Raw); err != nil {
		t.Fatal(err)
	}
	for i := range settings {
		settings[i] = strings.ReplaceAll(settings[i], "FILE", ca)
	}
	p := tlsPlace{router: testRouter(t, settings...), server: server, port: port}
	p.setZone(t, fmt.Sprintf("_%s._tcp.mx.example.net. TLSA 3 1 1 %x", port, sha256.Sum256(mxCert.Leaf.RawSubjectPublicKeyInfo)))
	return p
}

// setZone gives the router a name server with validated records.
func (p *tlsPlace) setZone(t *testing.T, records string) {
	t.Helper()
	var err error
	p.records = ". NS a.root.\nexample.net. MX 10 mx.example.net.\nmx.example.net. A 127.0.0.1\n" + records + "\n"
	if p.zone, err = zone.Start("127.0.0.1:0", p.records); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.zone.Close)
	p.zone.Secure.Store(true)
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	os.WriteFile(resolv, []byte("options timeout:1 attempts:1\n"), 0o644)
	if p.resolver, err = dns.New(dns.Options{Servers: []string{p.zone.Addr}, Resolv: resolv, Secure: true}); err != nil {
		t.Fatal(err)
	}
}

// send sends a message to a next hop; PORT in it is the server's.
func (p tlsPlace) send(t *testing.T, nexthop string) string {
	t.Helper()
	got := exchange(t, p.router, strings.ReplaceAll(nexthop, "PORT", p.port), 1, records([]string{"x"}))
	return strings.ReplaceAll(strings.Join(got, "\n"), p.port, "PORT")
}

// TestTLSLevels: what each level makes of a good server. Nothing is ever said in
// the clear that the level forbids.
func TestTLSLevels(t *testing.T) {
	const sent, refused = "r0@example.com 2.0.0 ", "r0@example.com 4.7.5 Server certificate not verified"
	for settings, want := range map[string]string{
		"none":                         sent,
		"may":                          "Untrusted TLS connection established to mx.example.net[127.0.0.1]:PORT: TLSv1.3",
		"may; smtp_tls_CAfile=FILE":    "Trusted TLS connection",
		"encrypt":                      "Untrusted TLS connection",
		"verify; smtp_tls_CAfile=FILE": "Verified TLS connection",
		"verify":                       refused,
		"secure; smtp_tls_CAfile=FILE": "Verified TLS connection",
		"secure; smtp_tls_trust_anchor_file=FILE":                        "Verified TLS connection",
		"secure; smtp_tls_CAfile=FILE; smtp_tls_secure_cert_match=other": refused,
		"fingerprint; smtp_tls_fingerprint_cert_match=aa:bb":             refused,
		"dane; smtp_dns_support_level=dnssec":                            "Verified TLS connection",
		"dane-only; smtp_dns_support_level=dnssec":                       "Verified TLS connection",
		"dane": "Untrusted TLS connection",
	} {
		p := startTLSPlace(t, sink.Options{}, append(strings.Split("smtp_tls_security_level="+settings, "; "), "smtp_tls_loglevel=1")...)
		got := p.send(t, "example.net:PORT")
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %s", settings, got)
		}
		if n := len(p.server.Messages()); want == refused && n != 0 || want != refused && n != 1 {
			t.Errorf("%s: %d messages were taken", settings, n)
		}
	}
}

// TestTLSWrong: with DANE, a server without the right key gets nothing, and one
// whose records cannot be looked up neither. RFC 7672, section 2.2.
func TestTLSWrong(t *testing.T) {
	p := startTLSPlace(t, sink.Options{}, "smtp_tls_security_level=dane", "smtp_dns_support_level=dnssec")
	p.setZone(t, fmt.Sprintf("_%s._tcp.mx.example.net. TLSA 3 1 1 %064x", p.port, 1))
	if got := p.send(t, "example.net:PORT"); !strings.Contains(got, "r0@example.com 4.7.5 Server certificate not verified") {
		t.Errorf("wrong record: got %s", got)
	}
	p.setZone(t, "servfail.example.net. A 127.0.0.1")
	p.zone.Set("mx.example.net. A 127.0.0.1\nexample.net. MX 10 mx.example.net.\n")
	if got := p.send(t, "[servfail.example.net]:PORT"); strings.Contains(got, " 2.") {
		t.Errorf("no answer: got %s", got)
	}
	if n := len(p.server.Messages()); n != 0 {
		t.Errorf("%d messages were taken", n)
	}
	p.setZone(t, "")
	if got := p.send(t, "example.net:PORT"); !strings.Contains(got, "r0@example.com 2.0.0 ") {
		t.Errorf("no record: got %s", got)
	}
}

// TestTLSInjection: what somebody puts behind the answer to STARTTLS, in the clear,
// is not taken for an answer to what comes later. CVE-2011-0411.
func TestTLSInjection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		say := func(text string) { conn.Write([]byte(text)) }
		say("220 mx ESMTP\r\n")
		in.ReadString('\n')
		say("250-mx\r\n250 STARTTLS\r\n")
		in.ReadString('\n')
		say("220 go\r\n250-evil\r\n250 PIPELINING\r\n")
		secret := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{mxCert}})
		in = bufio.NewReader(secret)
		for reply := range strings.SplitSeq("250 mx|250 from|250 to|354 go", "|") {
			in.ReadString('\n')
			secret.Write([]byte(reply + "\r\n"))
		}
		for line := ""; line != ".\r\n" && err == nil; {
			line, err = in.ReadString('\n')
		}
		secret.Write([]byte("250 2.0.0 the real one\r\n"))
		in.ReadString('\n')
	}()
	r := testRouter(t, "smtp_tls_security_level=encrypt")
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	got := exchange(t, r, "[127.0.0.1]:"+port, 1, records([]string{"x"}))
	if want := "r0@example.com 2.0.0 250 2.0.0 the real one"; len(got) != 1 || got[0] != want {
		t.Errorf("got %q", got)
	}
}

// TestTLSSilent: a server that says 220 and nothing more does not hold us for ever.
func TestTLSSilent(t *testing.T) {
	r := testRouter(t, "smtp_tls_security_level=encrypt", "smtp_starttls_timeout=1s")
	_, nexthop := peer(t, sink.Options{Keywords: []string{"STARTTLS"}, Rules: map[string][]string{"STARTTLS": {"220 go"}}})
	start := time.Now()
	got := strings.Join(exchange(t, r, nexthop, 1, records([]string{"x"})), "\n")
	if time.Since(start) > 5*time.Second || !strings.Contains(got, "r0@example.com 4.7.5 Cannot start TLS: handshake failure") {
		t.Errorf("got %s", got)
	}
}

// TestTLSSessions: a session is used again in the next delivery, as far as a
// setting allows it.
func TestTLSSessions(t *testing.T) {
	old := savedSessions
	defer func() { savedSessions = old }()
	kept := &starttls.Memory{}
	savedSessions = func() starttls.Sessions { return kept }
	for setting, want := range map[string]int{"": 0, "btree:unused": 1} {
		p := startTLSPlace(t, sink.Options{}, "smtp_tls_security_level=verify", "smtp_tls_CAfile=FILE", "smtp_tls_loglevel=cache",
			"smtp_tls_session_cache_database="+setting)
		got := p.send(t, "[mx.example.net]:PORT") + "\n" + p.send(t, "[mx.example.net]:PORT")
		if n := strings.Count(got, ": Reusing old session"); n != want || len(p.server.Messages()) != 2 {
			t.Errorf("%q: got %s", setting, got)
		}
	}
}

// TestTLSCommands: after STARTTLS, EHLO comes again, and the server's words from
// before do not count.
func TestTLSCommands(t *testing.T) {
	p := startTLSPlace(t, sink.Options{Rules: map[string][]string{"EHLO": {"250-mx\n250-PIPELINING\n250-SIZE 1\n250 STARTTLS", "250 mx"}}},
		"smtp_tls_security_level=may", "smtp_tls_block_early_mail_reply=yes", "smtp_per_request_deadline=yes")
	got := p.send(t, "[127.0.0.1]:PORT")
	list := p.server.Messages()
	if len(list) != 1 || !slices.Equal(list[0].Commands[:3], []string{"EHLO client.example.org", "STARTTLS", "EHLO client.example.org"}) {
		t.Errorf("got %s %+v", got, list)
	}
}

// TestTLSPolicy: attributes that stock systems of this age do not have.
func TestTLSPolicy(t *testing.T) {
	for value, want := range map[string]string{
		"secure policy_type=sts policy_domain=example.net policy_ttl=100 mx_host_pattern=*.example.net { policy_string = version: STSv1 }": "r0@example.com 2.0.0 ",
		"secure policy_type=sts mx_host_pattern=*.net mx_host_pattern=other.example.net":                                                   "4.7.5 MTA-STS policy does not allow server mx.example.net",
		"secure policy_type=sts policy_failure=sts-policy-invalid mx_host_pattern=mx.example.net":                                          "4.7.5 MTA-STS policy failure: sts-policy-invalid",
		"may policy_type=sts policy_failure=sts-policy-invalid":                                                                            "r0@example.com 2.0.0 ",
		"secure mx_host_pattern=mx.example.net":                                                                                            "4.7.5 client TLS configuration problem",
		"secure policy_type=no-policy-found":                                                                                               "r0@example.com 2.0.0 ",
		"secure policy_type=bogus":                                                                                                         "4.7.5 client TLS configuration problem",
		"secure policy_failure=bogus policy_type=sts":                                                                                      "4.7.5 client TLS configuration problem",
		"encrypt enable_rpk=yes":                                                                                                           "raw public keys are not available: attribute \"enable_rpk\" is ignored",
		"encrypt enable_rpk=perhaps":                                                                                                       "4.7.5 client TLS configuration problem",
		"secure match=other.example tafile=FILE":                                                                                           "4.7.5 Server certificate not verified",
		"secure match=nexthop tafile=FILE tafile=FILE servername=nexthop":                                                                  "r0@example.com 2.0.0 ",
	} {
		p := startTLSPlace(t, sink.Options{}, "smtp_tls_policy_maps=static:{"+value+"}", "smtp_tls_CAfile=FILE", "smtp_tls_security_level=none")
		if got := p.send(t, "example.net:PORT"); !strings.Contains(got, want) {
			t.Errorf("%s: got %s", value, got)
		}
	}
}

// TestTLSAsks: a server that asks for our certificate gets it, and the name that
// we want to talk with.
func TestTLSAsks(t *testing.T) {
	own := filepath.Join(t.TempDir(), "own.pem")
	cert := authority.Issue(pki.Request{Name: "client.example.org"})
	if err := pki.Write(own, cert.PrivateKey, cert.Certificate...); err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"smtp_tls_chain_files=", "smtp_tls_eccert_file=", "smtp_tls_cert_file="} {
		names, certs := make(chan string, 1), make(chan int, 1)
		config := &tls.Config{Certificates: []tls.Certificate{mxCert}, ClientAuth: tls.RequireAnyClientCert,
			GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) { names <- hello.ServerName; return nil, nil },
			VerifyConnection:   func(s tls.ConnectionState) error { certs <- len(s.PeerCertificates); return nil }}
		p := startTLSPlace(t, sink.Options{TLS: config}, "smtp_tls_security_level=encrypt", "smtp_tls_servername=hostname", setting+own)
		got := p.send(t, "[mx.example.net]:PORT")
		if !strings.Contains(got, " 2.0.0 ") || <-names != "mx.example.net" || <-certs != 1 {
			t.Errorf("%s: got %s", setting, got)
		}
	}
}

func TestTLSBadSettings(t *testing.T) {
	testRouter(t) // for conf
	defer func(c tlsParams) { conf.TLS = c }(conf.TLS)
	conf.TLS.SecurityLevel = "bogus"
	if _, err := newEngine(); err == nil || err.Error() != `invalid tls security level: "bogus"` {
		t.Errorf("got %v", err)
	}
	conf.TLS.SecurityLevel, conf.TLS.DANEInsecureMXPolicy = "may", "none"
	if _, err := newEngine(); err == nil {
		t.Error("smtp_tls_dane_insecure_mx_policy = none is accepted")
	}
}

func FuzzTLSPolicy(f *testing.F) {
	for _, seed := range []string{"secure match=a:b tafile=x", "may {policy_string = a b}", "fingerprint match=aa|bb", "none x", "{", "encrypt exclude="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		e := &engine{files: map[string]*starttls.Anchors{}}
		var p tlsPolicy
		if why := e.read(&p, value, "here"); why == nil && len(strings.TrimSpace(value)) == 0 {
			t.Errorf("%q is a policy", value)
		}
	})
}
