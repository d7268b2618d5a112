package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/net/dns"
)

// A target is an address of a server.
type target struct {
	host   string // the name that it was found by
	addr   netip.Addr
	port   int
	path   string // of a socket, instead of addr and port
	rank   int    // of the mail exchanger, in the order of the answer
	answer dns.Answer
	secure bool // nothing on the way to the host's name could be forged
}

// where is the address, as log lines have it.
func (t *target) where() string {
	if t.path != "" {
		return t.path
	}
	return t.addr.String()
}

// name is the target in log lines: "mx.example.com[192.0.2.1]:25".
func (t *target) name() string {
	if t.path != "" {
		return fmt.Sprintf("%s[%s]", t.host, t.path)
	}
	return fmt.Sprintf("%s[%s]:%d", t.host, t.addr, t.port)
}

// find gives the servers of a destination in the order in which to try them.
func (f *finger) find() ([]target, error) {
	d := &f.to
	if d.path != "" {
		return []target{{host: conf.MyHostname, path: d.path}}, nil
	}
	name, err := dns.ToASCII(d.host)
	if err != nil {
		return nil, err
	}
	if name != d.host {
		msg.Info("%s asciified to %s", d.host, name)
	}
	d.host = name
	var list []target
	switch {
	case d.mx && f.useDNS && f.srv:
		list, err = f.services(fmt.Sprintf("_%s._tcp.%s", d.service, name))
	case d.mx && f.useDNS:
		list, err = f.exchangers(name)
	default:
		list, err = f.host(name, true)
	}
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].port == 0 {
			list[i].port = d.port
		}
	}
	f.order(list)
	return list, nil
}

// exchangers finds the mail exchangers of a domain; a domain without any is its
// own. RFC 5321, section 5.1.
func (f *finger) exchangers(domain string) ([]target, error) {
	answer, err := f.ask(domain, dns.TypeMX)
	switch {
	case dns.KindOf(err) == dns.NotFound:
		return f.host(domain, true)
	case err != nil:
		return nil, err
	}
	return f.hosts("MX", domain, answer)
}

// services finds the servers of an SRV record. RFC 2782.
func (f *finger) services(name string) ([]target, error) {
	answer, err := f.ask(name, dns.TypeSRV)
	if err != nil {
		return nil, err
	}
	if len(answer.Records) == 1 && answer.Records[0].Host == "" {
		return nil, fmt.Errorf("Service unavailable: %s has no servers", name)
	}
	rand.Shuffle(len(answer.Records), func(i, j int) {
		answer.Records[i], answer.Records[j] = answer.Records[j], answer.Records[i]
	})
	slices.SortStableFunc(answer.Records, func(a, b dns.Record) int {
		return cmp.Or(cmp.Compare(a.Pref, b.Pref), byWeight(a.Weight, b.Weight))
	})
	return f.hosts("SRV", name, answer)
}

// byWeight puts records with a weight in front of those without.
func byWeight(a, b uint16) int {
	switch {
	case a > 0 && b == 0:
		return -1
	case a == 0 && b > 0:
		return 1
	}
	return 0
}

func (f *finger) hosts(kind, domain string, answer dns.Answer) ([]target, error) {
	var list []target
	var last error
	slices.SortStableFunc(answer.Records, func(a, b dns.Record) int { return cmp.Compare(a.Pref, b.Pref) })
	for i, record := range answer.Records {
		found, err := f.host(record.Host, answer.Secure)
		if err != nil {
			last = err
			continue
		}
		for j := range found {
			found[j].rank = i
			if kind == "MX" {
				found[j].rank = int(record.Pref)
			}
			found[j].port = int(record.Port)
		}
		list = append(list, found...)
	}
	if len(list) == 0 {
		msg.Warn("no %s host for %s has a valid address record", kind, domain)
		return nil, last
	}
	return list, nil
}

// host finds the addresses of one host.
func (f *finger) host(name string, secure bool) ([]target, error) {
	if addr, err := netip.ParseAddr(name); err == nil {
		if addr = addr.Unmap(); f.family != dns.Any && addr.Is4() != (f.family == dns.IPv4) {
			return nil, fmt.Errorf("Name service error for %s: invalid host or domain name", name)
		}
		return []target{{host: name, addr: addr}}, nil
	}
	var list []target
	var err error
	if f.useDNS {
		var answer dns.Answer
		if answer, err = f.resolver.Hosts(name, f.family); err == nil {
			f.probe(answer.Secure)
			for _, record := range answer.Records {
				list = append(list, target{host: name, addr: record.Addr, answer: answer, secure: secure})
			}
			return list, nil
		}
		if dns.KindOf(err) != dns.NotFound {
			return nil, err
		}
	}
	if !f.native {
		return nil, err
	}
	addrs, err := f.resolver.Native(name, f.family)
	for _, addr := range addrs {
		list = append(list, target{host: name, addr: addr})
	}
	if err != nil {
		err = fmt.Errorf("unable to look up host %s: %w", name, err)
	}
	return list, err
}

func (f *finger) ask(name string, t dns.Type) (dns.Answer, error) {
	answer, err := f.resolver.Lookup(name, t)
	if err == nil {
		f.probe(answer.Secure)
	}
	return answer, err
}

// probe finds out, once, why an answer is not secure.
func (f *finger) probe(secure bool) {
	if secure || f.probed {
		return
	}
	f.probed = true
	conf.TLS.ProbeDNSSEC(f.resolver)
}

// order sorts by family, then by rank; equals come in random order.
func (f *finger) order(list []target) {
	first := f.prefer == "ipv4" || f.prefer == "any" && rand.IntN(2) == 0
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	slices.SortStableFunc(list, func(a, b target) int {
		return cmp.Or(cmp.Compare(later(a, first), later(b, first)), cmp.Compare(a.rank, b.rank))
	})
}

func later(t target, four bool) int {
	if t.addr.Is4() == four {
		return 0
	}
	return 1
}

// nexthop is the destination, as names in certificates are compared with it.
func (f *finger) nexthop() string { return strings.TrimSuffix(f.to.host, ".") }
