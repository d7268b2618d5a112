package starttls

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/base/table"
	_ "postrider/lib/base/table/all"
	"postrider/test/peer/pki"
)

// meet has a client of crypto/tls meet a server; it returns what both found out,
// and what was logged.
func meet(t *testing.T, o ServerOptions, client *tls.Config) (*ServerSession, tls.ConnectionState, string, error) {
	t.Helper()
	var lines []string
	defer msg.SetOutput(func(level msg.Level, text string) { lines = append(lines, level.Prefix()+text) })()
	if o.Versions.Min == 0 {
		o.Versions = Versions{tls.VersionTLS12, tls.VersionTLS13}
	}
	if o.CipherGrade == "" {
		o.CipherGrade = "medium"
	}
	o.Digest, _ = ParseDigest("sha256")
	server, err := NewServer(&params, o)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	states := make(chan tls.ConnectionState, 1)
	go func() {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Error(err)
			states <- tls.ConnectionState{}
			return
		}
		client.InsecureSkipVerify = true
		secret := tls.Client(conn, client)
		secret.SetDeadline(time.Now().Add(5 * time.Second))
		secret.Write([]byte("hello"))
		secret.Read(make([]byte, 1))
		states <- secret.ConnectionState()
		conn.Close()
	}()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := stream.New(stream.Net(conn))
	session, err := server.Start(s, "client", 5*time.Second)
	if err == nil {
		s.SetTimeout(5 * time.Second)
		if text, err := s.Next(5); string(text) != "hello" {
			t.Errorf("read %q, %v", text, err)
		}
		session.Close()
	}
	conn.Close()
	return session, <-states, strings.Join(lines, "\n"), err
}

// What certificates of clients are worth, and what the log says.
func TestClientCertificates(t *testing.T) {
	own := []tls.Certificate{root.Issue(mx)}
	for _, test := range []struct {
		about   string
		cert    *tls.Certificate
		depth   int
		trust   Trust
		problem string
	}{
		{"none", nil, 9, Anonymous, ""},
		{"good", keep(root.Issue(mx)), 9, Trusted, "client: subject_CN=mx.example.com, issuer=Root, fingerprint="},
		{"below another one", keep(inter.Issue(mx)), 1, Trusted, ""},
		{"too deep", keep(inter.Issue(mx)), 0, Untrusted, "certificate verification failed for client: certificate chain longer than limit(0)"},
		{"of another authority", keep(other.Issue(mx)), 9, Untrusted, "certificate verification failed for client: untrusted issuer /O=Test/CN=Other"},
		{"of itself", keep(pki.SelfSigned(mx)), 9, Untrusted, "certificate verification failed for client: self-signed certificate"},
		{"old", keep(root.Issue(with(func(r *pki.Request) { r.Begin, r.End = -3*time.Hour, -2*time.Hour }))), 9, Untrusted, "client certificate verification failed for client: certificate has expired"},
	} {
		config := &tls.Config{}
		if test.cert != nil {
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return test.cert, nil }
		}
		session, _, log, err := meet(t, ServerOptions{Certificates: own, Roots: newRoots(root.Cert), Ask: true, Depth: test.depth, Log: LogSummary | LogUntrusted | LogPeer}, config)
		if err != nil {
			t.Errorf("%s: %v", test.about, err)
			continue
		}
		if session.Trust != test.trust || !strings.Contains(log, test.problem) || !strings.Contains(log, test.trust.String()+" TLS connection established from client: TLSv1.3 with cipher TLS_") {
			t.Errorf("%s: %v, log:\n%s", test.about, session.Trust, log)
		}
		if cert, key := session.Fingerprints(); (test.cert != nil) != (len(cert) == 95 && len(key) == 95) {
			t.Errorf("%s: fingerprints %q %q", test.about, cert, key)
		}
	}
}

func keep(c tls.Certificate) *tls.Certificate { return &c }

// A client gets the certificate for the name that it asks for, the one for all
// names below a domain, or the server's own.
func TestServerNames(t *testing.T) {
	file := filepath.Join(t.TempDir(), "chain")
	named := root.Issue(with(func(r *pki.Request) { r.Name = "named" }))
	if err := pki.Write(file, named.PrivateKey, named.Certificate...); err != nil {
		t.Fatal(err)
	}
	names, err := table.OpenList("texthash:"+write(t, "a.example "+file+"\n.b.example "+file+"\n"), table.FoldKey|table.SourceIsFile)
	if err != nil {
		t.Fatal(err)
	}
	own := []tls.Certificate{root.Issue(mx)}
	for wanted, name := range map[string]string{"a.example": "named", "A.Example": "named", "x.b.example": "named", "x.y.b.example": "named", "b.example": "mx.example.com", "": "mx.example.com", "c.example": "mx.example.com"} {
		_, state, log, err := meet(t, ServerOptions{Certificates: own, Names: names}, &tls.Config{ServerName: wanted})
		if err != nil || len(state.PeerCertificates) == 0 || state.PeerCertificates[0].Subject.CommonName != name {
			t.Errorf("%q: %v %v %s", wanted, err, state.PeerCertificates, log)
		}
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "table")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A client that is too old, or that does not speak TLS at all.
func TestNoHandshake(t *testing.T) {
	o := ServerOptions{Certificates: []tls.Certificate{root.Issue(mx)}, Versions: Versions{tls.VersionTLS13, tls.VersionTLS13}}
	_, _, log, err := meet(t, o, &tls.Config{MaxVersion: tls.VersionTLS12})
	if err == nil || !strings.Contains(log, "SSL_accept error from client: -1\nwarning: TLS library problem: ") {
		t.Errorf("%v, log:\n%s", err, log)
	}
}
