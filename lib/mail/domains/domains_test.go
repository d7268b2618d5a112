package domains

import (
	"net/netip"
	"testing"
)

func open(t *testing.T, p Params) *Domains {
	t.Helper()
	if p.InetInterfaces == "" {
		p.InetInterfaces = "127.0.0.1, [::1]"
	}
	p.InetProtocols = "all"
	d, err := New(&p)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// S4.3.0: ours, relayed, foreign.
func TestClass(t *testing.T) {
	d := open(t, Params{
		Parents:               Parents{ParentDomainMatches: "mynetworks, relay_domains"},
		Interfaces:            Interfaces{ProxyInterfaces: "192.0.2.7"},
		MyDestination:         "example.com, localhost both.example",
		VirtualAliasDomains:   "alias.example both.example",
		VirtualMailboxDomains: "mbox.example",
		RelayDomains:          "!not.relay.example relay.example",
	})
	for domain, want := range map[string]Class{
		"example.com": Local, "EXAMPLE.com": Local, "example.com.": Local, "localhost": Local,
		"www.example.com": Default, "": Default, "[127.0.0.1]": Local, "[IPv6:::1]": Local,
		"[192.0.2.7]": Local, "[192.0.2.8]": Default, "127.0.0.1": Default,
		"alias.example": VirtualAlias, "x.alias.example": Default,
		"both.example": Local, "mbox.example": VirtualMailbox, "a.mbox.example": Default,
		"relay.example": Relay, "a.b.relay.example": Relay, "xrelay.example": Default, "not.relay.example": Default,
	} {
		if got, err := d.Class(domain); got != want || err != nil {
			t.Errorf("%q: %v %v, want %v", domain, got, err, want)
		}
	}
}

func TestParents(t *testing.T) {
	d := open(t, Params{RelayDomains: "relay.example .dot.example"})
	for domain, want := range map[string]Class{
		"relay.example": Relay, "a.relay.example": Default, "dot.example": Default, "a.dot.example": Relay,
	} {
		if got, err := d.Class(domain); got != want || err != nil {
			t.Errorf("%q: %v %v, want %v", domain, got, err, want)
		}
	}
}

func TestLiteral(t *testing.T) {
	for text, want := range map[string]string{
		"[192.0.2.1]": "192.0.2.1", "[IPv6:2001:db8::1]": "2001:db8::1", "[ipv6:::1]": "::1", "[IPv6:::1]": "::1", "[::1]": "",
		"192.0.2.1": "", "[]": "", "[IPv6:192.0.2.1]": "", "[fe80::1%eth0]": "", "[x]": "", "[1.2.3]": "",
	} {
		addr, ok := Literal(text)
		if ok != (want != "") || ok && addr != netip.MustParseAddr(want) {
			t.Errorf("%q: %v %v, want %q", text, addr, ok, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, test := range []struct {
		i    Interfaces
		want []string
	}{
		{Interfaces{InetInterfaces: "192.0.2.1, 192.0.2.1 [2001:db8::1]", InetProtocols: "all"}, []string{"192.0.2.1", "2001:db8::1"}},
		{Interfaces{InetInterfaces: "192.0.2.1 2001:db8::1", InetProtocols: "ipv4"}, []string{"192.0.2.1"}},
		{Interfaces{InetInterfaces: "192.0.2.1", InetProtocols: "ipv6"}, nil},
		{Interfaces{InetInterfaces: "", InetProtocols: "all"}, nil},
	} {
		got, err := test.i.Addresses()
		if (err != nil) != (test.want == nil) || len(got) != len(test.want) {
			t.Errorf("%+v: %v %v", test.i, got, err)
			continue
		}
		for n, addr := range got {
			if addr.String() != test.want[n] {
				t.Errorf("%+v: %v", test.i, got)
			}
		}
	}
}
