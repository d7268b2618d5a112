package starttls

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postrider/lib/base/msg"
	"postrider/lib/net/dns"
	"postrider/test/peer/pki"
	"postrider/test/peer/zone"
)

const records = `
.                              NS a.root.example.
mx.example.com.                A 192.0.2.1
_25._tcp.mx.example.com.       TLSA 3 1 1 0102
_25._tcp.mx.example.com.       TLSA 1 1 1 0304
_26._tcp.mx.example.com.       TLSA 0 1 1 0304
alias.example.com.             CNAME mx.example.com.
own.example.com.               CNAME mx.example.com.
_27._tcp.own.example.com.      TLSA 2 1 1 0506
insecure.example.net.          A 192.0.2.2
_25._tcp.insecure.example.net. TLSA 3 1 1 0708
away.example.com.              CNAME insecure.example.net.
_25._tcp.away.example.com.     TLSA 3 1 1 090a
`

func resolver(t *testing.T, secure bool) *dns.Resolver {
	t.Helper()
	r, _ := resolverAndServer(t, secure)
	return r
}

func resolverAndServer(t *testing.T, secure bool) (*dns.Resolver, *zone.Server) {
	t.Helper()
	server, err := zone.Start("127.0.0.1:0", records)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	server.Secure.Store(secure)
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte("options timeout:1 attempts:1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := dns.New(dns.Options{Resolv: path, Servers: []string{server.Addr}, Secure: true})
	if err != nil {
		t.Fatal(err)
	}
	return r, server
}

// Which names TLSA records are looked for below. RFC 7672, section 2.2.
func TestFindTLSA(t *testing.T) {
	var log string
	defer msg.SetOutput(func(_ msg.Level, text string) { log += text + "\n" })()
	for _, test := range []struct {
		secure bool
		host   string
		port   int
		force  bool
		want   string
	}{
		{true, "mx.example.com", 25, false, "[3 1 1 0102] mx.example.com true"},
		{true, "mx.example.com", 26, false, "[] mx.example.com true"},
		{true, "mx.example.com", 99, false, "[]  false"},
		{true, "alias.example.com", 25, false, "[3 1 1 0102] mx.example.com true"},
		{true, "own.example.com", 27, false, "[2 1 1 0506] own.example.com true"},
		{true, "insecure.example.net", 25, false, "[]  false"},
		{true, "away.example.com", 25, false, "[3 1 1 090A] away.example.com true"},
		{false, "mx.example.com", 25, false, "[]  false"},
		{false, "mx.example.com", 25, true, "[]  false"},
	} {
		r := resolver(t, test.secure)
		answer, err := r.Hosts(test.host, dns.IPv4)
		if err != nil {
			t.Fatal(err)
		}
		list, base, found, err := FindTLSA(r, test.host, answer, test.port, test.force)
		var texts []string
		for _, record := range list {
			texts = append(texts, TLSAText(record))
		}
		got := fmt.Sprint(texts, " ", base, " ", found)
		if err != nil {
			got = "error"
		}
		if got != test.want {
			t.Errorf("%+v: got %s, %v", test, got, err)
		}
	}
	if want := "_25._tcp.mx.example.com unsupported TLSA certificate usage: 1 1 1 0304\n"; !strings.Contains(log, want) {
		t.Errorf("log:\n%s", log)
	}
}

// Without an answer nobody knows whether the server has records.
func TestNoAnswer(t *testing.T) {
	r, server := resolverAndServer(t, true)
	answer, err := r.Hosts("mx.example.com", dns.IPv4)
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	if _, _, _, err = FindTLSA(r, "mx.example.com", answer, 25, false); dns.KindOf(err) != dns.Retry {
		t.Errorf("got %v", err)
	}
}

func TestProbe(t *testing.T) {
	for _, test := range []struct {
		secure bool
		probe  string
		want   string
	}{
		{true, "ns:.", ""},
		{false, "", ""},
		{false, "ns:.", "DNSSEC validation may be unavailable\nreason: dnssec_probe 'ns:.' received a response that is not DNSSEC validated\n"},
		{false, "mx:none.example", "DNSSEC validation may be unavailable\nreason: dnssec_probe 'mx:none.example' received no response: "},
		{false, "bogus", "parameter dnssec_probe: "},
	} {
		var log string
		restore := msg.SetOutput(func(_ msg.Level, text string) { log += text + "\n" })
		p := Params{DNSSECProbe: test.probe}
		p.ProbeDNSSEC(resolver(t, test.secure))
		restore()
		if !strings.HasPrefix(log, test.want) || test.want == "" && log != "" {
			t.Errorf("%q: got %s", test.probe, log)
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, key any, certs ...[]byte) string {
		if err := pki.Write(path(name), key, certs...); err != nil {
			t.Fatal(err)
		}
		return path(name)
	}
	a, b := root.Issue(mx), inter.Issue(mx)
	write("0123abcd.0", nil, root.Cert.Raw)
	roots, err := LoadRoots(write("ca", nil, other.Cert.Raw, inter.Cert.Raw), dir, false)
	if err != nil || !roots.has(root.Cert) || !roots.has(other.Cert) || roots.has(inter.Cert) || len(roots.below) != 1 {
		t.Errorf("%v, %+v", err, roots)
	}
	both := write("a", a.PrivateKey, a.Certificate...)
	pair, err := LoadPair("", both)
	if err != nil || len(pair.Certificate) != 1 {
		t.Errorf("%v", err)
	}
	certs := write("b.cert", nil, b.Certificate...)
	if pair, err = LoadPair(certs, write("b.key", b.PrivateKey)); err != nil || len(pair.Certificate) != 2 {
		t.Errorf("%v", err)
	}
	two := path("two")
	first, _ := os.ReadFile(both)
	second, _ := os.ReadFile(write("b", b.PrivateKey, b.Certificate...))
	os.WriteFile(two, append(first, second...), 0o600)
	if list, err := LoadChains([]string{two, both}); err != nil || len(list) != 3 || len(list[1].Certificate) != 2 {
		t.Errorf("%v, %d", err, len(list))
	}
	for _, bad := range [][2]string{{both, path("b.key")}, {certs, ""}, {path("none"), ""}} {
		if _, err := LoadPair(bad[0], bad[1]); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	os.WriteFile(path("empty"), nil, 0o600)
	for _, bad := range []string{certs, path("b.key"), path("none"), path("empty")} {
		if _, err := LoadChains([]string{bad}); err == nil {
			t.Errorf("%s is taken as chain", bad)
		}
		if _, err := LoadRoots(bad, "", false); err == nil && bad != certs {
			t.Errorf("%s is taken as authorities", bad)
		}
	}
}
