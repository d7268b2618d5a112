package dns

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"postrider/test/peer/zone"
)

const records = `
example.com.            MX 20 b.example.com.
example.com.            MX 10 a.example.com.
example.com.            TXT "v=spf1 " "a\"b -all"
a.example.com.          A 192.0.2.1
a.example.com.          AAAA 2001:db8::1
b.example.com.          A 192.0.2.2
alias.example.com.      CNAME a.example.com.
loop1.example.com.      CNAME loop2.example.com.
loop2.example.com.      CNAME loop1.example.com.
dangling.example.com.   CNAME nowhere.example.net.
nullmx.example.com.     MX 0 .
half.example.com.       MX 0 .
half.example.com.       MX 5 a.example.com.
badmx.example.com.      MX 5 10.1.2.3.
truncated.example.com.  MX 5 a.example.com.
forged.example.com.     A 192.0.2.9
formerr.example.com.    A 192.0.2.9
under_score.example.com. A 192.0.2.7
1.2.0.192.in-addr.arpa. PTR a.example.com.
_25._tcp.a.example.com. TLSA 3 1 1 0102ff
dotless.                A 192.0.2.8
`

func start(t *testing.T, text string) *zone.Server {
	t.Helper()
	s, err := zone.Start("127.0.0.1:0", text)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// resolver makes one that asks the given servers, one second each, once.
func resolver(t *testing.T, o Options, servers ...string) *Resolver {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "resolv.conf"), "search example.com\noptions timeout:1 attempts:1\n")
	write(t, filepath.Join(dir, "hosts"), "127.0.0.1 localhost\n192.0.2.77 mx.test Alias.Test # a comment\n2001:db8::77 mx.test\n")
	o.Resolv, o.Hosts, o.Servers = filepath.Join(dir, "resolv.conf"), filepath.Join(dir, "hosts"), servers
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestMX(t *testing.T) { // S2.8
	r := resolver(t, Options{}, start(t, records).Addr)
	list, err := r.MX("example.com")
	if want := []MX{{"a.example.com", 10}, {"b.example.com", 20}}; err != nil || !reflect.DeepEqual(list, want) {
		t.Errorf("got %v, %v", list, err)
	}
	list, err = r.MX("half.example.com")
	if want := []MX{{"a.example.com", 5}}; err != nil || !reflect.DeepEqual(list, want) {
		t.Errorf("a root name beside others: got %v, %v", list, err)
	}
}

func TestErrors(t *testing.T) {
	r := resolver(t, Options{}, start(t, records).Addr)
	const prefix = "Host or domain name not found. Name service error for name="
	for _, test := range []struct {
		name string
		typ  Type
		kind Kind
		text string
	}{
		{"no.example.com", TypeMX, NotFound, prefix + "no.example.com type=MX: Host not found"},
		{"a.example.com", TypeMX, NotFound, prefix + "a.example.com type=MX: Host found but no data record of requested type"},
		{"servfail.example.com", TypeMX, Retry, prefix + "servfail.example.com type=MX: Host not found, try again"},
		{"refused.example.com", TypeA, Retry, prefix + "refused.example.com type=A: Host not found, try again"},
		{"nullmx.example.com", TypeMX, NullMX, "Domain nullmx.example.com does not accept mail (nullMX)"},
		{"badmx.example.com", TypeMX, Invalid, "Name service error for name=badmx.example.com type=MX: Malformed or unexpected name server reply"},
		{"dangling.example.com", TypeA, NotFound, prefix + "dangling.example.com type=A: Host not found"},
		{"loop1.example.com", TypeA, NotFound, "Name server loop for loop1.example.com"},
		{"bad..example.com", TypeA, NotFound, "Name service error for bad..example.com: invalid host or domain name"},
		{"münchen.example", TypeA, NotFound, "Name service error for münchen.example: invalid host or domain name"},
	} {
		_, err := r.Lookup(test.name, test.typ)
		if KindOf(err) != test.kind || err.Error() != test.text {
			t.Errorf("%s: got kind %d, %v", test.name, KindOf(err), err)
		}
	}
}

func TestAddresses(t *testing.T) {
	r := resolver(t, Options{}, start(t, records).Addr)
	for _, test := range []struct {
		name   string
		family Family
		want   string
	}{
		{"a.example.com", Any, "[192.0.2.1 2001:db8::1]"},
		{"alias.example.com", IPv6, "[2001:db8::1]"},
		{"b.example.com", Any, "[192.0.2.2]"},
		{"under_score.example.com", IPv4, "[192.0.2.7]"},
		{"dotless", IPv4, "[192.0.2.8]"},
		{"forged.example.com", IPv4, "[192.0.2.9]"}, // an answer to another question is skipped
		{"formerr.example.com", IPv4, "[192.0.2.9]"},
	} {
		got, err := r.Addresses(test.name, test.family)
		if err != nil || sprint(got) != test.want {
			t.Errorf("%s: got %v, %v", test.name, got, err)
		}
	}
}

func sprint(list []netip.Addr) string {
	var words []string
	for _, a := range list {
		words = append(words, a.String())
	}
	return "[" + strings.Join(words, " ") + "]"
}

// An answer that did not fit must not look like "no such record".
func TestTruncated(t *testing.T) {
	s := start(t, records)
	r := resolver(t, Options{}, s.Addr)
	list, err := r.MX("truncated.example.com")
	if err != nil || len(list) != 1 {
		t.Errorf("got %v, %v", list, err)
	}
	if n := s.Queries.Load(); n != 2 {
		t.Errorf("%d queries, want one over UDP and one over TCP", n)
	}
}

// A big answer comes over TCP; of its records, only so many count.
func TestBigAnswer(t *testing.T) {
	var text strings.Builder
	for i := range 200 {
		text.WriteString("big.example. MX 5 host" + decimal(byte(i)) + ".example.\n")
	}
	s := start(t, text.String())
	for _, o := range []Options{{}, {NoEDNS: true}} {
		list, err := resolver(t, o, s.Addr).MX("big.example")
		if err != nil || len(list) != maxRecords {
			t.Errorf("%+v: got %d, %v", o, len(list), err)
		}
	}
}

func TestFailOver(t *testing.T) {
	// Nobody listens at the first server's port.
	closed, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	good := start(t, records)
	r := resolver(t, Options{}, closed.LocalAddr().String(), good.Addr)
	for range 2 {
		if _, err := r.MX("example.com"); err != nil {
			t.Fatal(err)
		}
	}
	if r.first.Load() != 1 {
		t.Error("the next question does not begin with the server that answered")
	}
}

func TestTimeout(t *testing.T) {
	s := start(t, records)
	r := resolver(t, Options{}, s.Addr)
	r.conf.attempts, r.conf.timeout = 2, 1e8
	_, err := r.MX("timeout.example.com")
	if KindOf(err) != Retry || s.Queries.Load() != 2 {
		t.Errorf("got %v after %d queries", err, s.Queries.Load())
	}
	if _, err = r.MX("garbage.example.com"); KindOf(err) != Retry {
		t.Errorf("garbage: got %v", err)
	}
}

func TestSecure(t *testing.T) {
	s := start(t, records)
	s.Secure.Store(true)
	r := resolver(t, Options{Secure: true}, s.Addr)
	answer, err := r.Lookup("_25._tcp.a.example.com", TypeTLSA)
	if err != nil || !answer.Secure || len(answer.Records[0].TLSA.Data) != 3 {
		t.Errorf("got %+v, %v", answer, err)
	}
	// A server on another host is not believed without trust-ad.
	if c := (config{}); c.trusted(netip.MustParseAddrPort("192.0.2.1:53")) {
		t.Error("a remote server is believed")
	}
}

func TestDrop(t *testing.T) {
	var seen []string
	drop := func(record string) (bool, error) {
		seen = append(seen, record)
		return strings.Contains(record, "a.example.com. 300 IN A ") || strings.Contains(record, " 10 a.example.com."), nil
	}
	r := resolver(t, Options{Drop: drop}, start(t, records).Addr)
	list, err := r.MX("example.com")
	if err != nil || len(list) != 1 || list[0].Host != "b.example.com" {
		t.Errorf("got %v, %v (%q)", list, err, seen)
	}
	_, err = r.Lookup("a.example.com", TypeA)
	if KindOf(err) != Policy || err.Error() != "Error looking up name=a.example.com type=A: DNS reply filter drops all results" {
		t.Errorf("got %v (%q)", err, seen)
	}
}

func TestTXT(t *testing.T) {
	r := resolver(t, Options{}, start(t, records).Addr)
	texts, err := r.TXT("example.com")
	if err != nil || len(texts) != 1 || texts[0] != `v=spf1 a"b -all` {
		t.Errorf("got %q, %v", texts, err)
	}
}

func TestReverse(t *testing.T) {
	r := resolver(t, Options{}, start(t, records).Addr)
	names, err := r.PTR(netip.MustParseAddr("192.0.2.1"))
	if err != nil || len(names) != 1 || names[0] != "a.example.com" {
		t.Errorf("got %v, %v", names, err)
	}
	name, err := r.HostName(netip.MustParseAddr("2001:db8::77"))
	if err != nil || name != "mx.test" {
		t.Errorf("from the table of hosts: got %q, %v", name, err)
	}
	if _, err = r.HostName(netip.MustParseAddr("192.0.2.200")); KindOf(err) != NotFound {
		t.Errorf("unknown: got %v", err)
	}
	for addr, want := range map[string]string{
		"192.0.2.130": "130.2.0.192.in-addr.arpa",
		"2001:db8::1": "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	} {
		if got := ReverseName(netip.MustParseAddr(addr), ""); got != want {
			t.Errorf("%s: got %s", addr, got)
		}
	}
}

func TestNative(t *testing.T) {
	r := resolver(t, Options{}, start(t, records).Addr)
	for host, want := range map[string]string{
		"mx.test":       "[192.0.2.77 2001:db8::77]",
		"ALIAS.test":    "[192.0.2.77]",
		"localhost":     "[127.0.0.1]",
		"b":             "[192.0.2.2]", // by the search list
		"b.example.com": "[192.0.2.2]",
		"dotless":       "[192.0.2.8]",
	} {
		got, err := r.Native(host, Any)
		if err != nil || sprint(got) != want {
			t.Errorf("%s: got %v, %v", host, got, err)
		}
	}
	for host, want := range map[string]string{
		"nowhere.example.com":  "Name or service not known",
		"servfail.example.com": "Temporary failure in name resolution",
	} {
		if _, err := r.Native(host, Any); err == nil || err.Error() != want {
			t.Errorf("%s: got %v", host, err)
		}
	}
}

func TestExists(t *testing.T) {
	r := resolver(t, Options{}, start(t, records).Addr)
	for name, want := range map[string]Kind{
		"b.example.com":        0,
		"example.com":          0,
		"nowhere.example.com":  NotFound,
		"nullmx.example.com":   NullMX,
		"servfail.example.com": Retry,
	} {
		if err := r.Exists(name, TypeMX, TypeA, TypeAAAA); KindOf(err) != want {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestValidHostname(t *testing.T) {
	long := strings.Repeat("a", 63)
	for name, want := range map[string]bool{
		"example.com": true, "a_b.example.com": true, "x": true, "3com.com": true, "1.2.3.4.bl.example": true,
		"": false, ".": false, "example.com.": false, "a..b": false, "-a.com": false, "a-.com": false,
		"10.1.2.3": false, "10": false, "a b.com": false, "ä.de": false, long + ".com": true, long + "a.com": false,
		strings.Repeat(long+".", 4) + "a": false,
	} {
		if ValidHostname(name) != want {
			t.Errorf("%q: want %v", name, want)
		}
	}
}

func TestToASCII(t *testing.T) {
	for name, want := range map[string]string{
		"example.com": "example.com", "_dmarc.example.com": "_dmarc.example.com", "Bücher.example": "xn--bcher-kva.example",
		"_dmarc.bücher.example": "_dmarc.xn--bcher-kva.example", "a\xff.example": "", "例え.テスト": "xn--r8jz45g.xn--zckzah",
	} {
		got, err := ToASCII(name)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %q, %v", name, got, err)
		}
	}
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "resolv.conf")
	write(t, path, "; comment\n# another\ndomain old.example\nsearch a.example. b.example\n"+
		"nameserver 192.0.2.1\nnameserver fe80::1%lo\nnameserver nonsense\n"+
		"options ndots:3 timeout:7 attempts:99 rotate use-vc trust-ad inet6 edns0\n")
	c, err := readConfig(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.servers) != 2 || c.ndots != 3 || c.timeout != 7e9 || c.attempts != 5 || !c.rotate || !c.useTCP || !c.trustAD ||
		strings.Join(c.search, " ") != "a.example b.example" {
		t.Errorf("got %+v", c)
	}
	if c, err = readConfig(filepath.Join(dir, "none"), ""); err != nil || len(c.servers) != 1 || c.servers[0].String() != "127.0.0.1:53" {
		t.Errorf("no file: %+v, %v", c, err)
	}
	if _, err = readConfig(dir, ""); err == nil {
		t.Error("a file that cannot be read is no error")
	}
	if _, err = New(Options{Servers: []string{"ns.example.com"}}); err == nil {
		t.Error("a server by name is accepted")
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte{0, 1, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1})
	f.Fuzz(func(t *testing.T, packet []byte) {
		fds := pair(t)
		defer fds[0].close()
		fds[1].send(packet)
		fds[1].close()
		q := question("a", TypeA, true, true)
		q.Id = 1
		if reply, err := fds[0].answer(q); err == nil {
			name, _ := endOfChain(reply.Answer, "a", TypeA)
			collect(reply.Answer, name, TypeA)
		}
	})
}

// Before IDNA 2008, some letters were others; enable_idna2003_compatibility.
func TestIDNA2003(t *testing.T) {
	defer Names{}.Use()
	for old, want := range map[bool]string{false: "xn--strae-oqa.example", true: "strasse.example"} {
		Names{EnableIDNA2003: old}.Use()
		if got, err := ToASCII("straße.example"); got != want || err != nil {
			t.Errorf("%v: got %s %v", old, got, err)
		}
	}
}
