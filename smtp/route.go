package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"postrider/lib/base/msg"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/dsn"
	"postrider/lib/net/dns"
)

// A target is an address to connect to.
type target struct {
	host string // the name that it was found by
	addr netip.Addr
	port int
	pref int    // of the mail exchanger
	path string // of a socket, instead of addr and port

	query    string      // the name that was looked up
	answer   *dns.Answer // what the DNS knows about it; nil: nothing
	viaMX    bool        // it was found by an MX record
	secureMX bool        // which is validated
}

// address is the target's address as text.
func (t target) address() string {
	if t.path != "" {
		return t.path
	}
	return t.addr.String()
}

// name is the target in replies and reasons: "mx.example.com[192.0.2.1]".
func (t target) name() string { return t.host + "[" + t.address() + "]" }

// relay is the target in log lines.
func (t target) relay() string {
	if t.path != "" {
		return t.name()
	}
	return fmt.Sprintf("%s:%d", t.name(), t.port)
}

// A router finds the addresses of destinations.
type router struct {
	resolver    *dns.Resolver
	useDNS      bool // of hosts
	useNative   bool
	exchangers  bool // look for mail exchangers at all
	family      dns.Family
	own         []netip.Addr // of this machine, and of proxies for it
	first       dns.Family   // the family that is preferred
	searchNames bool
}

// find gives the targets of a destination in the order in which to try them, or
// the reason why there are none.
func (r *router) find(d destination) ([]target, *agent.Outcome) {
	if d.path != "" {
		return []target{{host: conf.MyHostname, path: d.path}}, nil
	}
	name, err := dns.ToASCII(d.host)
	if err != nil {
		return nil, failure("5.1.3", "%s: %v", d.host, err)
	}
	var list []target
	var why *agent.Outcome
	if r.wantsSRV(d) {
		if list, why, ok := r.srv(d, name); ok {
			return list, why
		}
	}
	if d.mx && r.exchangers {
		list, why = r.domain(name, d.loops())
	} else {
		list, why = r.host(name, d.loops())
	}
	for i := range list {
		list[i].port = d.port
	}
	return list, why
}

// loops tells whether to look for this machine among the targets. On ports of
// their own other mail systems may run here.
func (d destination) loops() bool { return !lmtp && d.port == 25 }

// domain finds the mail exchangers of a domain; a domain without any is its own.
// RFC 5321, section 5.1.
func (r *router) domain(name string, loops bool) ([]target, *agent.Outcome) {
	answer, err := r.resolver.Lookup(name, dns.TypeMX)
	switch dns.KindOf(err) {
	case 0:
		return r.exchangersOf(name, answer, loops)
	case dns.NotFound:
		return r.host(name, loops)
	case dns.NullMX:
		return nil, failure("5.1.0", "%v", err)
	}
	if conf.IgnoreMXLookupError {
		return r.host(name, loops)
	}
	return nil, failure(mxStatus[dns.KindOf(err)], "%v", err)
}

var mxStatus = map[dns.Kind]dsn.Status{dns.Retry: "4.4.3", dns.Fail: "5.4.3", dns.Invalid: "5.4.4", dns.Policy: "4.7.0"}

func (r *router) exchangersOf(name string, answer dns.Answer, loops bool) ([]target, *agent.Outcome) {
	exchangers := answer.Records
	slices.SortStableFunc(exchangers, func(a, b dns.Record) int { return cmp.Compare(a.Pref, b.Pref) })
	var list []target
	var why *agent.Outcome
	for _, mx := range exchangers {
		var found []target
		if found, why = r.lookup(mx.Host, why); found != nil {
			for i := range found {
				found[i].pref, found[i].viaMX, found[i].secureMX = int(mx.Pref), true, answer.Secure
			}
			list = append(list, found...)
		}
	}
	if len(list) == 0 {
		if conf.DeferIfNoMXAddressFound {
			why.Status = why.Status.WithClass('4')
		}
		msg.Warn("no MX host for %s has a valid address record", name)
		return nil, why
	}
	if loops {
		if list, why = r.beforeSelf(name, list, int(exchangers[0].Pref)); list == nil {
			return nil, why
		}
	}
	return r.order(list), nil
}

// beforeSelf drops this machine and those that are no better mail exchangers
// than it: mail that they got would come back.
func (r *router) beforeSelf(name string, list []target, best int) ([]target, *agent.Outcome) {
	i := slices.IndexFunc(list, r.self)
	if i < 0 {
		return list, nil
	}
	found, pref := list[0].pref, list[i].pref
	list = slices.DeleteFunc(list, func(t target) bool { return t.pref >= pref })
	switch {
	case len(list) > 0:
		return list, nil
	case found != best:
		return nil, failure("4.4.4", "unable to find primary relay for %s", name)
	}
	return nil, loopsBack(name)
}

func (r *router) self(t target) bool { return slices.Contains(r.own, t.addr.WithZone("")) }

// loopStatus is the status of mail that this machine would send to itself.
const loopStatus = "5.4.6"

func loopsBack(name string) *agent.Outcome {
	return failure(loopStatus, "mail for %s loops back to myself", name)
}

// host finds the addresses of one host.
func (r *router) host(name string, loops bool) ([]target, *agent.Outcome) {
	list, why := r.lookup(name, nil)
	if list == nil {
		return nil, why
	}
	if loops && slices.ContainsFunc(list, r.self) {
		return nil, loopsBack(name)
	}
	return r.order(list), nil
}

// lookup finds the addresses of a host by the methods of $smtp_host_lookup. When
// there are none, it gives the reason; an earlier reason of a kind that may pass
// makes this one of the same kind.
func (r *router) lookup(name string, earlier *agent.Outcome) ([]target, *agent.Outcome) {
	if addr, err := netip.ParseAddr(name); err == nil {
		if addr = addr.Unmap(); !r.allowed(addr) {
			return nil, worse(earlier, failure("5.4.4", "Name service error for %s: invalid host or domain name", name))
		}
		return []target{{host: name, addr: addr}}, nil
	}
	why := earlier
	if r.useDNS {
		list, err := r.askDNS(name)
		if err == nil {
			return list, nil
		}
		why = worse(earlier, failure(hostStatus[dns.KindOf(err)], "%v", err))
		if dns.KindOf(err) != dns.NotFound {
			return nil, why
		}
	}
	if r.useNative {
		addrs, err := r.resolver.Native(name, r.family)
		if err == nil {
			return targets(name, addrs), nil
		}
		status := hostStatus[dns.KindOf(err)]
		if status == "4.4.3" { // no name server is to blame
			status = "4.4.4"
		}
		why = worse(why, failure(status, "unable to look up host %s: %v", name, err))
	}
	return nil, why
}

// askDNS asks the DNS alone, or also with the search list of the resolver.
func (r *router) askDNS(name string) ([]target, error) {
	if r.searchNames {
		addrs, err := r.resolver.Search(name, r.family)
		return targets(name, addrs), err
	}
	answer, err := r.resolver.Hosts(name, r.family)
	if err != nil {
		return nil, err
	}
	host := name
	if conf.CNAMEOverridesServername {
		host = answer.Name
	}
	var list []target
	for _, record := range answer.Records {
		list = append(list, target{host: host, addr: record.Addr, query: name, answer: &answer})
	}
	return list, nil
}

var hostStatus = map[dns.Kind]dsn.Status{dns.NotFound: "5.4.4", dns.Retry: "4.4.3", dns.Fail: "5.4.3", dns.Invalid: "5.4.4", dns.Policy: "4.7.0"}

// worse joins two reasons: the text of the later one, but "try again" if one of
// them says so.
func worse(earlier, later *agent.Outcome) *agent.Outcome {
	if earlier != nil && earlier.Status.Class() == '4' {
		later.Status = later.Status.WithClass('4')
	}
	return later
}

func (r *router) allowed(a netip.Addr) bool {
	return r.family == dns.Any || a.Is4() == (r.family == dns.IPv4)
}

func targets(name string, addrs []netip.Addr) []target {
	var list []target
	for _, a := range addrs {
		list = append(list, target{host: name, addr: a})
	}
	return list
}

// order puts targets in the order of their preference, those with the same one
// by family or at random.
func (r *router) order(list []target) []target {
	if conf.RandomizeAddresses {
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	slices.SortStableFunc(list, func(a, b target) int {
		return cmp.Or(cmp.Compare(a.pref, b.pref), cmp.Compare(r.later(a), r.later(b)))
	})
	if limit := conf.MXAddressLimit; conf.BalanceInetProtocols && limit > 1 && len(list) > limit {
		return balance(list, limit)
	}
	return list
}

func (r *router) later(t target) int {
	if r.first == dns.Any || t.addr.Is4() == (r.first == dns.IPv4) {
		return 0
	}
	return 1
}

// balance takes limit targets such that each family that there is has its half,
// as far as it can fill it.
func balance(list []target, limit int) []target {
	six := 0
	for _, t := range list {
		if t.addr.Is6() {
			six++
		}
	}
	half := limit / 2
	room6 := min(six, max(half, limit-(len(list)-six)))
	room4 := limit - room6
	kept := make([]target, 0, limit)
	for _, t := range list {
		room := &room4
		if t.addr.Is6() {
			room = &room6
		}
		if *room > 0 {
			*room--
			kept = append(kept, t)
		}
	}
	return kept
}
