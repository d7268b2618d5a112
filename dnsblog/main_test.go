package main

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"postrider/lib/net/dns"
)

// The names that are asked for are those of RFC 5782.
func TestAsk(t *testing.T) {
	zone := map[string]dns.Answer{
		"4.3.2.192.dnsbl.test": {Records: []dns.Record{
			{Addr: netip.MustParseAddr("127.0.0.2"), TTL: 600 * time.Second},
			{Addr: netip.MustParseAddr("127.0.0.9"), TTL: 300 * time.Second}}},
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.dnsbl.test": {Records: []dns.Record{
			{Addr: netip.MustParseAddr("127.0.0.6"), TTL: 60 * time.Second}}},
	}
	lookup := func(name string, kind dns.Type) (dns.Answer, error) {
		switch answer, found := zone[name]; {
		case found && kind == dns.TypeA:
			return answer, nil
		case name == "1.0.0.127.dnsbl.test":
			return dns.Answer{}, errors.New("no answer")
		}
		return dns.Answer{}, &dns.Error{Kind: dns.NotFound, TTL: 1800 * time.Second}
	}
	for _, c := range []struct {
		address, found string
		ttl            int
	}{
		{"192.2.3.4", "127.0.0.2 127.0.0.9", 300},
		{"::ffff:192.2.3.4", "127.0.0.2 127.0.0.9", 300},
		{"2001:db8::1", "127.0.0.6", 60},
		{"192.2.3.5", "", 1800},
		{"127.0.0.1", "", -1},
		{"nonsense", "", -1},
	} {
		if found, ttl := ask(lookup, "dnsbl.test", c.address); found != c.found || ttl != c.ttl {
			t.Errorf("%s: %q for %d, want %q for %d", c.address, found, ttl, c.found, c.ttl)
		}
	}
}
