package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postrider/lib/mail/param"
	"postrider/lib/net/dns"
	"postrider/test/peer/zone"
)

const zoneText = `
example.com.          MX 10 a.example.com.
example.com.          MX 20 b.example.com.
example.com.          MX 20 c.example.com.
a.example.com.        A 192.0.2.1
a.example.com.        AAAA 2001:db8::1
b.example.com.        A 192.0.2.2
c.example.com.        A 192.0.2.3
single.example.com.   A 192.0.2.4
nullmx.example.com.   MX 0 .
noaddr.example.com.   MX 5 nowhere.example.com.
softaddr.example.com. MX 5 servfail.example.com.
softaddr.example.com. MX 6 nowhere.example.com.
halfdead.example.com. MX 5 nowhere.example.com.
halfdead.example.com. MX 6 b.example.com.
backup.example.com.   MX 10 a.example.com.
backup.example.com.   MX 20 me.example.com.
backup.example.com.   MX 30 b.example.com.
best.example.com.     MX 10 me.example.com.
best.example.com.     MX 20 b.example.com.
primary.example.com.  MX 10 nowhere.example.com.
primary.example.com.  MX 20 me.example.com.
me.example.com.       A 192.0.2.99
many.example.com.     MX 10 many6.example.com.
many.example.com.     MX 20 b.example.com.
many6.example.com.    AAAA 2001:db8::11
many6.example.com.    AAAA 2001:db8::12
many6.example.com.    AAAA 2001:db8::13
many6.example.com.    AAAA 2001:db8::14
many6.example.com.    AAAA 2001:db8::15
alias.example.com.    CNAME b.example.com.
xn--bcher-kva.example. A 192.0.2.6
_submission._tcp.example.com.  SRV 20 0 588 b.example.com.
_submission._tcp.example.com.  SRV 10 5 587 single.example.com.
_submission._tcp.example.com.  SRV 10 0 587 nowhere.example.com.
_submission._tcp.none.example.com. SRV 0 0 0 .
`

// testRouter makes a router that asks a server of its own, with settings
// "name=value".
func testRouter(t *testing.T, settings ...string) *router {
	t.Helper()
	server, err := zone.Start("127.0.0.1:0", zoneText)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	s := param.New(t.TempDir())
	s.Override("myhostname", "client.example.org")
	s.Override("inet_interfaces", "127.0.0.1")
	s.Override("proxy_interfaces", "192.0.2.99")
	for _, text := range settings {
		if err := s.OverrideText(text); err != nil {
			t.Fatal(err)
		}
	}
	useSettings(t, s)
	r, err := newRouter()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := map[string]string{"resolv.conf": "search example.com\noptions timeout:1 attempts:1\n", "hosts": "192.0.2.50 hosted.example.com\n"}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r.resolver, err = dns.New(dns.Options{Servers: []string{server.Addr},
		Resolv: filepath.Join(dir, "resolv.conf"), Hosts: filepath.Join(dir, "hosts")})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func route(t *testing.T, r *router, nexthop string) string {
	t.Helper()
	list, err := destinations(nexthop)
	if err != nil {
		return "error: " + err.Error()
	}
	targets, why := r.find(list[0])
	if why != nil {
		return string(why.Status) + " " + why.Reason
	}
	var words []string
	for _, target := range targets {
		words = append(words, target.relay())
	}
	return strings.Join(words, " ")
}

// S2.8, S5.1: the forms of a next hop, and where they lead.
func TestRoutes(t *testing.T) {
	const lost = "Host or domain name not found. Name service error for name="
	r := testRouter(t, "smtp_randomize_addresses=no", "smtp_address_preference=ipv4")
	for nexthop, want := range map[string]string{
		"example.com":                  "a.example.com[192.0.2.1]:25 a.example.com[2001:db8::1]:25 b.example.com[192.0.2.2]:25 c.example.com[192.0.2.3]:25",
		"example.com:2525":             "a.example.com[192.0.2.1]:2525 a.example.com[2001:db8::1]:2525 b.example.com[192.0.2.2]:2525 c.example.com[192.0.2.3]:2525",
		"single.example.com":           "single.example.com[192.0.2.4]:25",
		"[a.example.com]:submission":   "a.example.com[192.0.2.1]:587 a.example.com[2001:db8::1]:587",
		"[192.0.2.7]":                  "192.0.2.7[192.0.2.7]:25",
		"[ipv6:2001:db8::7]:26":        "2001:db8::7[2001:db8::7]:26",
		"bücher.example":               "xn--bcher-kva.example[192.0.2.6]:25",
		"halfdead.example.com":         "b.example.com[192.0.2.2]:25",
		"backup.example.com":           "a.example.com[192.0.2.1]:25 a.example.com[2001:db8::1]:25",
		"nowhere.example.com":          "5.4.4 " + lost + "nowhere.example.com type=AAAA: Host not found",
		"servfail.example.com":         "4.4.3 " + lost + "servfail.example.com type=MX: Host not found, try again",
		"nullmx.example.com":           "5.1.0 Domain nullmx.example.com does not accept mail (nullMX)",
		"noaddr.example.com":           "5.4.4 " + lost + "nowhere.example.com type=AAAA: Host not found",
		"softaddr.example.com":         "4.4.4 " + lost + "nowhere.example.com type=AAAA: Host not found",
		"best.example.com":             "5.4.6 mail for best.example.com loops back to myself",
		"best.example.com:2525":        "me.example.com[192.0.2.99]:2525 b.example.com[192.0.2.2]:2525",
		"primary.example.com":          "4.4.4 unable to find primary relay for primary.example.com",
		"me.example.com":               "5.4.6 mail for me.example.com loops back to myself",
		"hosted.example.com":           "5.4.4 " + lost + "hosted.example.com type=AAAA: Host not found",
		"[192.0.2.1":                   `error: missing "]" in server description: [192.0.2.1`,
		"[192.0.2.1]x":                 `error: garbage after "]" in server description: [192.0.2.1]x`,
		"host:nonsense":                "error: unknown service: nonsense/tcp in server description: host:nonsense",
		"host:":                        "error: missing service in server description: host:",
		":25":                          "error: missing host in server description: :25",
		"2001:db8::7":                  `error: IPv6 address without "[ipv6:...]" in server description: 2001:db8::7`,
		"":                             `error: null destination: ""`,
		"nowhere.example.com, example": "5.4.4 " + lost + "nowhere.example.com type=AAAA: Host not found",
	} {
		if got := route(t, r, nexthop); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", nexthop, got, want)
		}
	}
}

// S5.1: disable_dns_lookups = yes.
func TestRouteWithoutDNS(t *testing.T) {
	r := testRouter(t, "disable_dns_lookups=yes", "smtp_randomize_addresses=no")
	for nexthop, want := range map[string]string{
		"hosted.example.com": "hosted.example.com[192.0.2.50]:25",
		"single":             "single[192.0.2.4]:25",
		"[unknown.example]":  "5.4.4 unable to look up host unknown.example: Name or service not known",
		"[servfail.example]": "4.4.4 unable to look up host servfail.example: Temporary failure in name resolution",
	} {
		if got := route(t, r, nexthop); got != want {
			t.Errorf("%s: got %s", nexthop, got)
		}
	}
}

func TestRouteMethods(t *testing.T) {
	r := testRouter(t, "smtp_host_lookup=dns, native", "inet_protocols=ipv4", "smtp_defer_if_no_mx_address_found=yes")
	for nexthop, want := range map[string]string{
		"hosted.example.com": "hosted.example.com[192.0.2.50]:25",
		"[a.example.com]":    "a.example.com[192.0.2.1]:25",
		"noaddr.example.com": "4.4.4 unable to look up host nowhere.example.com: Name or service not known",
		"[ipv6:2001:db8::7]": "5.4.4 Name service error for 2001:db8::7: invalid host or domain name",
	} {
		if got := route(t, r, nexthop); got != want {
			t.Errorf("%s: got %s", nexthop, got)
		}
	}
}

func TestCNAME(t *testing.T) {
	r := testRouter(t, "inet_protocols=ipv4")
	if got := route(t, r, "[alias.example.com]"); got != "alias.example.com[192.0.2.2]:25" {
		t.Errorf("got %s", got)
	}
	r = testRouter(t, "inet_protocols=ipv4", "smtp_cname_overrides_servername=yes")
	if got := route(t, r, "[alias.example.com]"); got != "b.example.com[192.0.2.2]:25" {
		t.Errorf("with override: got %s", got)
	}
}

// Equal preference means random order; both orders come up.
func TestRouteRandom(t *testing.T) {
	r := testRouter(t, "inet_protocols=ipv4")
	seen := map[string]bool{}
	for range 100 {
		seen[route(t, r, "example.com")] = true
	}
	if len(seen) != 2 {
		t.Errorf("got %v", seen)
	}
}

// An IPv4 address is within the limit even when enough IPv6 ones come first.
func TestRouteBalance(t *testing.T) {
	r := testRouter(t, "smtp_mx_address_limit=3")
	got := strings.Fields(route(t, r, "many.example.com"))
	if len(got) != 3 || got[2] != "b.example.com[192.0.2.2]:25" {
		t.Errorf("got %v", got)
	}
}

func TestBalance(t *testing.T) {
	var list []target
	for i := range 10 {
		a := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
		if i < 4 {
			a = netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)})
		}
		list = append(list, target{addr: a})
	}
	for limit, want := range map[int]int{2: 1, 5: 2, 8: 4} {
		six := 0
		kept := balance(list, limit)
		for _, t := range kept {
			if t.addr.Is6() {
				six++
			}
		}
		if six != want || len(kept) != limit {
			t.Errorf("limit %d: %d of IPv6 in %d", limit, six, len(kept))
		}
	}
}

func TestLMTPDestination(t *testing.T) {
	lmtp = true
	defer func() { lmtp = false }()
	r := testRouter(t, "smtp_randomize_addresses=no", "lmtp_address_preference=ipv4")
	for nexthop, want := range map[string]string{
		"unix:private/x":          "client.example.org[private/x]",
		"unix:":                   "error: missing path name in server description: unix:",
		"inet:a.example.com":      "a.example.com[192.0.2.1]:24 a.example.com[2001:db8::1]:24",
		"inet:[192.0.2.1]:2400":   "192.0.2.1[192.0.2.1]:2400",
		"single.example.com:lmtp": "single.example.com[192.0.2.4]:24",
		"best.example.com":        "5.4.4 Host or domain name not found. Name service error for name=best.example.com type=AAAA: Host found but no data record of requested type",
	} {
		if got := route(t, r, nexthop); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", nexthop, got, want)
		}
	}
}

func TestBadSettings(t *testing.T) {
	for _, text := range []string{"smtp_host_lookup=nis", "smtp_address_preference=ipv5", "inet_protocols=ipx",
		"smtp_dns_support_level=some", "smtp_dns_resolver_options=res_x"} {
		s := param.New(t.TempDir())
		s.Override("myhostname", "client.example.org")
		s.Override("inet_interfaces", "127.0.0.1")
		if err := s.OverrideText(text); err != nil {
			t.Fatal(err)
		}
		useSettings(t, s)
		if _, err := newRouter(); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}

func FuzzDestination(f *testing.F) {
	for _, seed := range []string{"[a]:25", "a:b", "unix:x", "[ipv6:::1]"} {
		f.Add(seed, true)
	}
	conf.TCPPort, conf.Ports.KnownTCPPorts = "smtp", "smtp=25"
	f.Fuzz(func(t *testing.T, text string, l bool) {
		lmtp = l
		defer func() { lmtp = false }()
		if d, err := parseDestination(text); err == nil && d.path == "" && (d.host == "" || d.port <= 0 || d.port > 65535) {
			t.Errorf("%q: got %+v", text, d)
		}
	})
}

// SRV records say where a service is. RFC 2782; use_srv_lookup.
func TestSRV(t *testing.T) {
	const lost = "Host or domain name not found. Name service error for name="
	for _, test := range []struct{ setting, nexthop, want string }{
		{"x=y", "example.com:submission", "single.example.com[192.0.2.4]:587 b.example.com[192.0.2.2]:588"},
		{"x=y", "[b.example.com]:submission", "b.example.com[192.0.2.2]:587"},
		{"x=y", "b.example.com:587", "b.example.com[192.0.2.2]:587"},
		{"x=y", "b.example.com:submission", "5.4.4 " + lost + "_submission._tcp.b.example.com type=SRV: Host not found"},
		{"allow_srv_lookup_fallback=yes", "b.example.com:submission", "b.example.com[192.0.2.2]:587"},
		{"x=y", "none.example.com:submission", "5.4.4 no service at _submission._tcp.none.example.com"},
		{"x=y", "bad..example.com:submission", "5.4.4 Name service error for _submission._tcp.bad..example.com: invalid host or domain name"},
		{"disable_dns_lookups=yes", "hosted.example.com:submission", "hosted.example.com[192.0.2.50]:587"},
	} {
		r := testRouter(t, "smtp_randomize_addresses=no", "use_srv_lookup=submissions, submission", test.setting)
		if got := route(t, r, test.nexthop); got != test.want {
			t.Errorf("%s, %s:\ngot  %s\nwant %s", test.setting, test.nexthop, got, test.want)
		}
	}
}

// Weights decide how often a server comes first.
func TestSRVOrder(t *testing.T) {
	records := []dns.Record{{Host: "c", Pref: 2}, {Host: "a", Pref: 1, Weight: 90}, {Host: "b", Pref: 1, Weight: 10}}
	first := map[string]int{}
	for range 2000 {
		got := srvOrder(records)
		if got[2].Host != "c" {
			t.Fatalf("the worse one is not the last: %v", got)
		}
		first[got[0].Host]++
	}
	if first["a"] < 1600 || first["b"] < 80 {
		t.Errorf("%v", first)
	}
}
