package dns

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"strings"
)

// MX gives the mail exchangers of a domain in the order of their preference,
// those with the same preference in the order of the answer.
func (r *Resolver) MX(domain string) ([]MX, error) {
	answer, err := r.Lookup(domain, TypeMX)
	if err != nil {
		return nil, err
	}
	var list []MX
	for _, rec := range answer.Records {
		list = append(list, MX{rec.Host, rec.Pref})
	}
	slices.SortStableFunc(list, func(a, b MX) int { return cmp.Compare(a.Pref, b.Pref) })
	return list, nil
}

// Addresses gives the addresses of a host, as far as the DNS knows them. When
// one family was found, trouble with the other one is no error.
func (r *Resolver) Addresses(host string, f Family) ([]netip.Addr, error) {
	records, err := r.Hosts(host, f)
	var addrs []netip.Addr
	for _, rec := range records.Records {
		addrs = append(addrs, rec.Addr)
	}
	return addrs, err
}

// Hosts gives the address records of a host, the A records first.
func (r *Resolver) Hosts(host string, f Family) (Answer, error) {
	return r.Union(host, families[f]...)
}

var families = map[Family][]Type{Any: {TypeA, TypeAAAA}, IPv4: {TypeA}, IPv6: {TypeAAAA}}

// Union gives the records of several types together. It is an error only when
// there is none at all; then the worst one is told: that asking again may help
// counts more than that there is nothing.
func (r *Resolver) Union(name string, types ...Type) (Answer, error) {
	all := Answer{Secure: true}
	var worst error
	for _, t := range types {
		answer, err := r.Lookup(name, t)
		if err != nil {
			worst = worse(worst, err)
			continue
		}
		all.Name = answer.Name
		all.Records = append(all.Records, answer.Records...)
		all.Secure = all.Secure && answer.Secure
	}
	if len(all.Records) == 0 {
		return Answer{}, worst
	}
	return all, nil
}

// worse chooses between two errors of the same name: try again, other
// failures, not found.
func worse(a, b error) error {
	rank := func(err error) int {
		switch KindOf(err) {
		case Retry:
			return 3
		case Fail, Invalid, NullMX, Policy:
			return 2
		case NotFound:
			return 1
		}
		return 0
	}
	if rank(b) >= rank(a) {
		return b
	}
	return a
}

// Exists tells whether a name has a record of one of the types; the order of
// types is the order of asking. The error is nil as soon as there is one.
func (r *Resolver) Exists(name string, types ...Type) error {
	var worst error
	for _, t := range types {
		_, err := r.Lookup(name, t)
		if err == nil {
			return nil
		}
		if KindOf(err) == NullMX {
			return err
		}
		worst = worse(worst, err)
	}
	return worst
}

// PTR gives the names of an address, as far as the DNS knows them.
func (r *Resolver) PTR(addr netip.Addr) ([]string, error) {
	answer, err := r.Lookup(ReverseName(addr, ""), TypePTR)
	var names []string
	for _, rec := range answer.Records {
		names = append(names, rec.Host)
	}
	return names, err
}

// TXT gives the texts of a name.
func (r *Resolver) TXT(name string) ([]string, error) {
	answer, err := r.Lookup(name, TypeTXT)
	var texts []string
	for _, rec := range answer.Records {
		texts = append(texts, rec.Text)
	}
	return texts, err
}

// HostName gives the name of an address like the system's library does: the
// table of hosts first, then the DNS.
func (r *Resolver) HostName(addr netip.Addr) (string, error) {
	if name, ok := r.hosts.names[addr.Unmap()]; ok {
		return name, nil
	}
	names, err := r.PTR(addr)
	if err != nil {
		return "", nativeError(addr.String(), err)
	}
	return names[0], nil
}

// Native gives the addresses of a host like the system's library does: the
// table of hosts first, then the DNS with the search list of resolv.conf. The
// text of an error is the library's, too.
func (r *Resolver) Native(host string, f Family) ([]netip.Addr, error) {
	if addrs := inFamily(r.hosts.addrs[strings.ToLower(hostName(host))], f); len(addrs) > 0 {
		return addrs, nil
	}
	if strings.EqualFold(host, "localhost") { // RFC 6761, section 6.3
		return inFamily([]netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, f), nil
	}
	addrs, err := r.Search(host, f)
	if err != nil {
		return nil, nativeError(host, err)
	}
	return addrs, nil
}

// Search is Addresses with the search list of resolv.conf: a name that the DNS
// does not know is looked for in these domains too.
func (r *Resolver) Search(host string, f Family) ([]netip.Addr, error) {
	var worst error
	for _, name := range r.candidates(host) {
		addrs, err := r.Addresses(name, f)
		if err == nil {
			return addrs, nil
		}
		if worst = worse(worst, err); KindOf(err) != NotFound {
			break
		}
	}
	return nil, worst
}

// candidates gives the names to try for a host: as it is and with the domains
// of the search list, in the order that the number of dots says.
func (r *Resolver) candidates(host string) []string {
	if strings.HasSuffix(host, ".") {
		return []string{hostName(host)}
	}
	var list []string
	for _, domain := range r.conf.search {
		if domain != "" {
			list = append(list, host+"."+domain)
		}
	}
	if strings.Count(host, ".") >= r.conf.ndots {
		return append([]string{host}, list...)
	}
	return append(list, host)
}

func inFamily(list []netip.Addr, f Family) []netip.Addr {
	var addrs []netip.Addr
	for _, a := range list {
		if f == Any || a.Is4() == (f == IPv4) {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

// nativeError words an error like getaddrinfo(3).
func nativeError(host string, err error) error {
	e := &Error{Kind: KindOf(err), Name: host}
	known := (*Error)(nil)
	switch {
	case e.Kind == Retry:
		e.Text = "Temporary failure in name resolution"
	case e.Kind != NotFound:
		e.Text = "Non-recoverable failure in name resolution"
	case errors.As(err, &known) && known.NoData:
		e.Text = "No address associated with hostname"
	default:
		e.Text = "Name or service not known"
	}
	return e
}
