package starttls

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/net/dns"
	"postrider/test/peer/pki"
)

var params = Params{DANEDigests: "sha512 sha256", HighCiphers: "HIGH", MediumCiphers: "HIGH:MEDIUM", CurvesAuto: "X25519 X448 prime256v1"}

// serve starts a server that says "hello" after a handshake, and ends.
func serve(t *testing.T, config *tls.Config) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
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
			go func() {
				secret := tls.Server(conn, config)
				secret.Write([]byte("hello"))
				io.Copy(io.Discard, secret)
				secret.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

// begin does a handshake, and returns the session with what was logged.
func begin(t *testing.T, addr string, c *Client, peer *Peer) (*Session, string, error) {
	t.Helper()
	var lines []string
	defer msg.SetOutput(func(level msg.Level, text string) { lines = append(lines, text) })()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	peer.Name, peer.Address = "mx", addr
	if peer.Versions.Min == 0 {
		peer.Versions = Versions{tls.VersionTLS12, tls.VersionTLS13}
	}
	if peer.CipherGrade == "" {
		peer.CipherGrade = "medium"
	}
	if peer.Digest.Name == "" {
		peer.Digest, _ = ParseDigest("sha256")
	}
	s := stream.New(stream.Net(conn))
	session, err := c.Start(s, peer, 5*time.Second)
	if err == nil {
		s.SetTimeout(5 * time.Second)
		if text, err := s.Next(5); string(text) != "hello" {
			t.Errorf("read %q, %v", text, err)
		}
		session.Close()
	} else {
		conn.Close()
	}
	return session, strings.Join(lines, "\n"), err
}

func client(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := NewClient(&params, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var (
	root    = pki.NewAuthority("Root")
	inter   = root.Below(pki.Request{Name: "Inter"})
	expired = root.Below(pki.Request{Name: "Expired", Begin: -3 * time.Hour, End: -2 * time.Hour})
	other   = pki.NewAuthority("Other")
	mx      = pki.Request{Name: "mx.example.com", DNS: []string{"mx.example.com", "*.example.org"}}
)

func with(change func(r *pki.Request)) pki.Request {
	r := mx
	change(&r)
	return r
}

// What certificates of public authorities are worth.
func TestAuthorities(t *testing.T) {
	const noProblem = ""
	for _, test := range []struct {
		about   string
		cert    tls.Certificate
		level   Level
		names   string
		trust   Trust
		problem string
	}{
		{"good", root.Issue(mx), Secure, "mx.example.com", Verified, "matched peername: mx.example.com"},
		{"below another one", inter.Issue(mx), Secure, "mx.example.com", Verified, "matched peername: mx.example.com"},
		{"wildcard", root.Issue(mx), Secure, "a.example.org", Verified, "matched peername: *.example.org"},
		{"common name", root.Issue(pki.Request{Name: "mx.example.com"}), Verify, "mx.example.com", Verified, "matched peername: mx.example.com"},
		{"common name beside names", root.Issue(with(func(r *pki.Request) { r.Name = "common.example" })), Verify, "common.example", Untrusted,
			"server certificate verification failed for mx: num=62:hostname mismatch"},
		{"address", root.Issue(pki.Request{IP: []net.IP{{192, 0, 2, 1}}}), Verify, "192.0.2.1", Verified, "matched peername: 192.0.2.1"},
		{"wrong address", root.Issue(mx), Verify, "192.0.2.1", Untrusted, "server certificate verification failed for mx: num=64:IP address mismatch"},
		{"wrong name", root.Issue(mx), Secure, "example.com", Untrusted, "server certificate verification failed for mx: num=62:hostname mismatch"},
		{"no proof wanted", root.Issue(mx), May, "", Trusted, noProblem},
		{"no proof wanted, none given", other.Issue(mx), Encrypt, "", Untrusted, "certificate verification failed for mx: untrusted issuer /O=Test/CN=Other"},
		{"unknown authority", other.Issue(mx), Secure, "mx.example.com", Untrusted, "certificate verification failed for mx: untrusted issuer /O=Test/CN=Other"},
		{"self-signed", pki.SelfSigned(mx), Secure, "mx.example.com", Untrusted, "certificate verification failed for mx: self-signed certificate"},
		{"expired", root.Issue(with(func(r *pki.Request) { r.Begin, r.End = -2*time.Hour, -time.Hour })), Secure, "mx.example.com", Untrusted,
			"server certificate verification failed for mx: certificate has expired"},
		{"of tomorrow", root.Issue(with(func(r *pki.Request) { r.Begin, r.End = time.Hour, 2*time.Hour })), Secure, "mx.example.com", Untrusted,
			"server certificate verification failed for mx: certificate not yet valid"},
		{"below an expired one", expired.Issue(mx), Secure, "mx.example.com", Untrusted, "CA certificate verification failed for mx: certificate has expired"},
		{"of a client", root.Issue(with(func(r *pki.Request) { r.Usage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })), Secure, "mx.example.com",
			Untrusted, "certificate verification failed for mx: not designated for use as a server certificate"},
	} {
		addr := serve(t, &tls.Config{Certificates: []tls.Certificate{test.cert}})
		c := client(t, Options{Roots: newRoots(root.Cert), Log: LogMatch | LogUntrusted})
		session, log, err := begin(t, addr, c, &Peer{Level: test.level, Names: strings.Fields(test.names)})
		if err != nil || session.Trust != test.trust || !strings.Contains(log, test.problem) {
			t.Errorf("%s: %v\n%s", test.about, err, log)
			continue
		}
		if session.Trust != test.trust || (session.Trust == Untrusted) != strings.Contains(log, "failed") {
			t.Errorf("%s: %v\n%s", test.about, session.Trust, log)
		}
	}
}

func digest(data []byte) []byte {
	sum := sha256.Sum256(data)
	return sum[:]
}

// What records of the DNS and of the configuration are worth. RFC 7672.
func TestRecords(t *testing.T) {
	wrong := make([]byte, 32)
	good, old := inter.Issue(mx), inter.Issue(with(func(r *pki.Request) { r.Begin, r.End = -2*time.Hour, -time.Hour }))
	key := good.Leaf.RawSubjectPublicKeyInfo
	late := good
	late.Certificate = append(late.Certificate[:2:2], expired.Cert.Raw) // not of this chain
	noMatch := "server certificate verification failed for mx: num=65:no matching DANE TLSA records"
	for _, test := range []struct {
		about  string
		cert   tls.Certificate
		level  Level
		names  string
		tlsa   []dns.TLSA
		prints [][]byte
		trust  Trust
		log    string
	}{
		{"key", good, DANE, "elsewhere", []dns.TLSA{{Usage: 3, Selector: 1, Matching: 1, Data: digest(key)}}, nil, Verified, "Matched DANE EE certificate at depth 0: 3 1 1 "},
		{"whole key", good, DANEOnly, "elsewhere", []dns.TLSA{{Usage: 3, Selector: 1, Data: key}}, nil, Verified, "Matched DANE EE certificate at depth 0: 3 1 0 "},
		{"expired does not matter", old, DANE, "", []dns.TLSA{{Usage: 3, Selector: 0, Matching: 1, Data: digest(old.Leaf.Raw)}}, nil, Verified, "at depth 0: 3 0 1 "},
		{"one of two", good, DANE, "", []dns.TLSA{{Usage: 3, Selector: 1, Matching: 1, Data: wrong}, {Usage: 3, Selector: 1, Matching: 1, Data: digest(key)}}, nil, Verified, "3 1 1"},
		{"none", good, DANE, "mx.example.com", []dns.TLSA{{Usage: 3, Selector: 1, Matching: 1, Data: wrong}}, nil, Untrusted, noMatch},
		{"stronger digest is wrong", good, DANE, "", []dns.TLSA{{Usage: 3, Selector: 1, Matching: 1, Data: digest(key)}, {Usage: 3, Selector: 1, Matching: 2, Data: make([]byte, 64)}},
			nil, Untrusted, noMatch},
		{"authority", good, DANE, "mx.example.com", []dns.TLSA{{Usage: 2, Selector: 0, Matching: 1, Data: digest(inter.Cert.Raw)}}, nil, Verified, "Matched DANE TA certificate at depth 1: 2 0 1 "},
		{"authority that was not sent", good, DANE, "mx.example.com", []dns.TLSA{{Usage: 2, Selector: 0, Data: root.Cert.Raw}}, nil, Verified, "at depth 2: 2 0 0 "},
		{"key of one that was not sent", good, DANE, "mx.example.com", []dns.TLSA{{Usage: 2, Selector: 1, Data: root.Cert.RawSubjectPublicKeyInfo}}, nil, Verified, "at depth 2: 2 1 0 "},
		{"key of another authority", good, DANE, "mx.example.com", []dns.TLSA{{Usage: 2, Selector: 1, Data: other.Cert.RawSubjectPublicKeyInfo}}, nil, Untrusted,
			"CA certificate verification failed for mx: num=65:no matching DANE TLSA records"},
		{"authority, wrong name", good, DANE, "example.com", []dns.TLSA{{Usage: 2, Selector: 0, Matching: 1, Data: digest(inter.Cert.Raw)}}, nil, Untrusted, "num=62:hostname mismatch"},
		{"authority, expired", old, DANE, "mx.example.com", []dns.TLSA{{Usage: 2, Selector: 0, Matching: 1, Data: digest(inter.Cert.Raw)}}, nil, Untrusted, "certificate has expired"},
		{"two authorities, one expired", late, DANE, "mx.example.com", []dns.TLSA{{Usage: 2, Selector: 1, Matching: 1, Data: digest(expired.Cert.RawSubjectPublicKeyInfo)},
			{Usage: 2, Selector: 0, Matching: 1, Data: digest(inter.Cert.Raw)}}, nil, Verified, "at depth 1: 2 0 1"},
		{"the host's own as authority", good, DANE, "mx.example.com", []dns.TLSA{{Usage: 2, Selector: 0, Matching: 1, Data: digest(good.Leaf.Raw)}}, nil, Untrusted, "num=65"},
		{"found by an insecure record", good, HalfDANE, "", []dns.TLSA{{Usage: 3, Selector: 1, Matching: 1, Data: digest(key)}}, nil, Trusted, "Matched DANE EE"},
		{"unusable", good, DANE, "mx.example.com", []dns.TLSA{{Usage: 3, Selector: 1, Matching: 1, Data: wrong[:3]}}, nil, Untrusted,
			"mx: unusable TLSA RR: 3 1 1 000000\nmx: all TLSA records unusable, fallback to unauthenticated TLS\n"},
		{"fingerprint of the key", good, Fingerprint, "", nil, [][]byte{wrong, digest(key)}, Verified, fmt.Sprintf("mx: Matched fingerprint: %X\n", digest(key))},
		{"fingerprint of the certificate", good, Fingerprint, "", nil, [][]byte{digest(good.Leaf.Raw)}, Verified, "Matched fingerprint: "},
		{"wrong fingerprint", good, Fingerprint, "", nil, [][]byte{wrong}, Untrusted, noMatch},
		{"short fingerprint", good, Fingerprint, "", nil, [][]byte{{0xaa, 0xbb}}, Untrusted,
			"mx: unusable TLSA RR: 3 1 255 AABB\nmx: unusable TLSA RR: 3 0 255 AABB\nmx: all fingerprints unusable\n"},
		{"no fingerprint", good, Fingerprint, "", nil, nil, Untrusted, "untrusted issuer /O=Test/CN=Root"},
	} {
		addr := serve(t, &tls.Config{Certificates: []tls.Certificate{test.cert}})
		c := client(t, Options{Log: LogMatch})
		session, log, err := begin(t, addr, c, &Peer{Level: test.level, Names: strings.Fields(test.names), TLSA: test.tlsa, Fingerprints: test.prints})
		if err != nil || session.Trust != test.trust || !strings.Contains(log, test.log) {
			t.Errorf("%s: %v, want %v and %q\n%s", test.about, err, test.trust, test.log, log)
		}
	}
}

// Without the records that a level needs, a good certificate proves nothing.
func TestNoRecords(t *testing.T) {
	addr := serve(t, &tls.Config{Certificates: []tls.Certificate{root.Issue(mx)}})
	for _, level := range []Level{Fingerprint, DANE, HalfDANE} {
		c := client(t, Options{Roots: newRoots(root.Cert)})
		if session, log, err := begin(t, addr, c, &Peer{Level: level, Names: []string{"mx.example.com"}}); err != nil || session.Trust != Trusted {
			t.Errorf("%v: %v, %s", level, err, log)
		}
	}
	if _, log, err := begin(t, addr, client(t, Options{}), &Peer{Level: DANEOnly}); err == nil || log != "mx: no usable TLSA records: aborting TLS session" {
		t.Errorf("%v, %s", err, log)
	}
}

func TestAnchors(t *testing.T) {
	dir := t.TempDir()
	path, empty := filepath.Join(dir, "anchors.pem"), filepath.Join(dir, "empty.pem")
	if err := pki.Write(path, nil, other.Cert.Raw, inter.Cert.Raw); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(empty, []byte("nothing"), 0o644)
	addr := serve(t, &tls.Config{Certificates: []tls.Certificate{inter.Issue(mx)}})
	c := client(t, Options{Anchors: []string{path}, Log: LogMatch})
	session, log, err := begin(t, addr, c, &Peer{Level: Secure, Names: []string{"mx.example.com"}})
	if err != nil || session.Trust != Verified || !strings.Contains(log, "mx: Matched trust anchor at depth 1\n") {
		t.Errorf("%v\n%s", err, log)
	}
	for _, bad := range []string{empty, filepath.Join(dir, "none")} {
		if _, err := NewClient(&params, Options{Anchors: []string{bad}}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// The line that log readers look for.
func TestSummary(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	ours := root.Issue(pki.Request{Name: "client"})
	for _, test := range []struct {
		config *tls.Config
		want   string
	}{
		{&tls.Config{Certificates: []tls.Certificate{root.Issue(mx)}},
			"TLSv1.3 with cipher TLS_AES_128_GCM_SHA256 (128/128 bits) key-exchange X25519 server-signature ECDSA (prime256v1) server-digest SHA256"},
		{&tls.Config{Certificates: []tls.Certificate{root.Issue(with(func(r *pki.Request) { r.Key = rsaKey }))}, CurvePreferences: []tls.CurveID{tls.CurveP256}},
			"TLSv1.3 with cipher TLS_AES_128_GCM_SHA256 (128/128 bits) key-exchange ECDHE (prime256v1) server-signature RSA-PSS (2048 bits) server-digest SHA256"},
		{&tls.Config{Certificates: []tls.Certificate{root.Issue(with(func(r *pki.Request) { r.Key = edKey }))}},
			"TLSv1.3 with cipher TLS_AES_128_GCM_SHA256 (128/128 bits) key-exchange X25519 server-signature ED25519"},
		{&tls.Config{Certificates: []tls.Certificate{root.Issue(mx)}, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}},
			"TLSv1.2 with cipher ECDHE-ECDSA-AES256-GCM-SHA384 (256/256 bits)"},
		{&tls.Config{Certificates: []tls.Certificate{root.Issue(mx)}, ClientAuth: tls.RequireAnyClientCert},
			"server-digest SHA256 client-signature ECDSA (prime256v1) client-digest SHA256"},
	} {
		c := client(t, Options{Log: LogSummary, Certificates: []tls.Certificate{ours}})
		_, log, err := begin(t, serve(t, test.config), c, &Peer{Level: Encrypt})
		// Which cipher comes first depends on the machine.
		log = strings.ReplaceAll(log, "TLS_CHACHA20_POLY1305_SHA256 (256/256 bits)", "TLS_AES_128_GCM_SHA256 (128/128 bits)")
		if err != nil || !strings.HasPrefix(log, "Untrusted TLS connection established to mx: TLSv1.") || !strings.HasSuffix(log, test.want) {
			t.Errorf("%v\n%s\nwant\n%s", err, log, test.want)
		}
	}
}

// Servers that have no TLS, or none that we want.
func TestHandshakeFails(t *testing.T) {
	plain := func(answer string) string {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
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
				conn.Read(make([]byte, 1000))
				conn.Write([]byte(answer))
				if answer != "silence" {
					conn.Close()
				}
			}
		}()
		return listener.Addr().String()
	}
	old := serve(t, &tls.Config{Certificates: []tls.Certificate{root.Issue(mx)}, MaxVersion: tls.VersionTLS11})
	for _, test := range []struct{ addr, want string }{
		{plain("250 what?\r\n"), "SSL_connect error to mx: -1\nTLS library problem: tls: first record does not look like a TLS handshake"},
		{plain(""), "SSL_connect error to mx: lost connection"},
		{plain("\x16\x03\x03\x40\x00garbage"), "SSL_connect error to mx: lost connection"},
		{plain("\x16\x03\x03\x00\x04\xff\x00\x00\x00"), "SSL_connect error to mx: -1\nTLS library problem: "},
		{old, "SSL_connect error to mx: -1\nTLS library problem: "},
	} {
		if _, log, err := begin(t, test.addr, client(t, Options{}), &Peer{Level: May}); err == nil || !strings.HasPrefix(log, test.want) {
			t.Errorf("got %v\n%s\nwant\n%s", err, log, test.want)
		}
	}
}

// A server that sends a byte now and then cannot hold us up.
func TestSlowHandshake(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	go func() {
		go io.Copy(io.Discard, there)
		for _, c := range []byte("\x16\x03\x03\x40\x00" + strings.Repeat("x", 1000)) {
			if _, err := there.Write([]byte{c}); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond) // the peer's own slowness, not a wait for something
		}
	}()
	var log string
	defer msg.SetOutput(func(_ msg.Level, text string) { log += text })()
	begun := time.Now()
	peer := &Peer{Name: "mx", Level: May, Versions: Versions{tls.VersionTLS12, tls.VersionTLS13}, CipherGrade: "high"}
	_, err := client(t, Options{}).Start(stream.New(stream.Net(here)), peer, 200*time.Millisecond)
	if err == nil || log != "SSL_connect error to mx: Connection timed out" || time.Since(begun) > 5*time.Second {
		t.Errorf("%v after %v: %s", err, time.Since(begun), log)
	}
}

// What was sent before TLS is not taken for an answer under TLS.
func TestInjection(t *testing.T) {
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
		conn.Write([]byte("220 go\r\n250 forged\r\n"))
		secret := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{root.Issue(mx)}})
		secret.Write([]byte("250 true\r\n"))
		io.Copy(io.Discard, secret)
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := stream.New(stream.Net(conn))
	if line, err := s.ReadSlice('\n', 100); err != nil || string(line) != "220 go\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := s.Peek(12); err != nil {
		t.Fatal(err)
	}
	peer := &Peer{Name: "mx", Level: May, Versions: Versions{tls.VersionTLS12, tls.VersionTLS13}, CipherGrade: "high"}
	if _, err := client(t, Options{}).Start(s, peer, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if line, err := s.ReadSlice('\n', 100); err != nil || string(line) != "250 true\r\n" {
		t.Errorf("%q, %v", line, err)
	}
}

func TestNoVersion(t *testing.T) {
	addr := serve(t, &tls.Config{Certificates: []tls.Certificate{root.Issue(mx)}})
	peer := &Peer{Level: May, CipherGrade: "bogus"}
	if _, log, err := begin(t, addr, client(t, Options{}), peer); err == nil || log != `mx: invalid cipher grade: "bogus"` {
		t.Errorf("%v: %s", err, log)
	}
}

func FuzzDistinguishedName(f *testing.F) {
	f.Add(root.Cert.RawSubject)
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, c := range DistinguishedName(raw) {
			if c < ' ' || c > '~' {
				t.Errorf("%q", DistinguishedName(raw))
			}
		}
	})
}

// A chain may be too long, for authorities and for trust anchors of a server.
func TestDepth(t *testing.T) {
	addr := serve(t, &tls.Config{Certificates: []tls.Certificate{inter.Issue(mx)}})
	path := filepath.Join(t.TempDir(), "anchors.pem")
	if err := pki.Write(path, nil, root.Cert.Raw); err != nil {
		t.Fatal(err)
	}
	anchors, err := LoadAnchors(path)
	if err != nil {
		t.Fatal(err)
	}
	for depth, want := range map[int]Trust{0: Verified, 1: Untrusted, 2: Verified} {
		for _, peer := range []*Peer{{}, {Anchors: anchors.With(anchors)}} {
			o := Options{Depth: depth}
			if peer.Anchors == nil {
				o.Roots = newRoots(root.Cert)
			}
			peer.Level, peer.Names = Verify, []string{"mx.example.com"}
			s, log, err := begin(t, addr, client(t, o), peer)
			if err != nil || s.Trust != want || want == Untrusted && !strings.HasSuffix(log, "certificate chain longer than limit(0)") {
				t.Errorf("depth %d: got %v, %v\n%s", depth, s.Trust, err, log)
			}
		}
	}
}

// A saved session is forgotten after a time.
func TestCacheTime(t *testing.T) {
	addr := serve(t, &tls.Config{Certificates: []tls.Certificate{root.Issue(mx)}})
	for limit, want := range map[time.Duration]bool{time.Hour: true, time.Nanosecond: false} {
		c := client(t, Options{Sessions: &Memory{Time: limit}})
		for range 2 {
			if s, _, err := begin(t, addr, c, &Peer{Level: May}); err != nil {
				t.Fatal(err)
			} else if s.State.DidResume && !want {
				t.Errorf("%s: the session was used again", limit)
			}
		}
		s, _, _ := begin(t, addr, c, &Peer{Level: May})
		if s.State.DidResume != want {
			t.Errorf("%s: used again: %v", limit, s.State.DidResume)
		}
	}
}
