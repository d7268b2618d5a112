package dns

import (
	"net/netip"
	"strings"
	"time"

	mdns "github.com/miekg/dns"

	"postrider/lib/base/msg"
)

// maxAliases is how many aliases a lookup follows.
const maxAliases = 10

// Lookup asks for the records of one type. Aliases are followed; that there is no
// such record is an *Error of kind NotFound.
func (r *Resolver) Lookup(name string, t Type) (Answer, error) {
	asked := name
	answer := Answer{Secure: true}
	for range maxAliases + 1 {
		if !ValidHostname(name) && name != "." {
			return Answer{}, badName(name, t)
		}
		reply, secure, err := r.ask(name, t)
		if err != nil {
			return Answer{}, err
		}
		answer.Secure = answer.Secure && secure
		var ends bool
		if name, ends = endOfChain(reply.Answer, name, t); !ends {
			break
		}
		list, dropped, err := r.filter(reply.Answer, name, t)
		if err != nil {
			return Answer{}, badFilter(asked, t, err)
		}
		records, bad := collect(list, name, t)
		switch {
		case len(records) == 0 && dropped:
			return Answer{}, filtered(asked, t)
		case len(records) == 1 && t == TypeMX && records[0].Host == "":
			return Answer{}, nullMX(asked)
		case len(records) > 0:
			answer.Name, answer.Records = name, withoutRoot(records)
			return answer, nil
		case bad:
			return Answer{}, malformed(asked, t)
		case len(reply.Answer) == 0 || sameName(reply.Question[0].Name, name):
			return Answer{}, noData(asked, t).lasting(reply)
		case reply.Rcode == mdns.RcodeNameError:
			return Answer{}, notFound(asked, t).lasting(reply)
		}
	}
	return Answer{}, loop(asked, t)
}

// filter throws away what nobody is to see of an answer, and tells whether there
// was such.
func (r *Resolver) filter(list []mdns.RR, name string, t Type) (kept []mdns.RR, dropped bool, err error) {
	if r.drop == nil {
		return list, false, nil
	}
	for _, rr := range list {
		if h := rr.Header(); Type(h.Rrtype) == t && sameName(h.Name, name) {
			drop, err := r.drop(strings.ReplaceAll(rr.String(), "\t", " "))
			if err != nil {
				return nil, false, err
			}
			if drop {
				dropped = true
				continue
			}
		}
		kept = append(kept, rr)
	}
	return kept, dropped, nil
}

// endOfChain follows the aliases that are in the answer itself, and tells
// whether there is an end.
func endOfChain(list []mdns.RR, name string, t Type) (string, bool) {
	if t == TypeCNAME || t == TypeANY {
		return name, true
	}
	for range maxAliases + 1 {
		next := ""
		for _, rr := range list {
			if c, ok := rr.(*mdns.CNAME); ok && sameName(c.Hdr.Name, name) {
				next = hostName(c.Target)
			}
		}
		if next == "" {
			return name, true
		}
		name = next
	}
	return name, false
}

// maxRecords is how many records of an answer count: many more than there are servers
// that anybody would try.
const maxRecords = 100

// collect takes the records of name out of an answer. Data that is no proper
// host name is left out: bad tells that there was some.
func collect(list []mdns.RR, name string, t Type) (records []Record, bad bool) {
	for _, rr := range list {
		h := rr.Header()
		if h.Class != mdns.ClassINET || !sameName(h.Name, name) || t != TypeANY && Type(h.Rrtype) != t {
			continue
		}
		record := Record{Name: hostName(h.Name), Type: Type(h.Rrtype), TTL: ttl(h.Ttl)}
		if !record.fill(rr) {
			bad = true
			continue
		}
		if len(records) == maxRecords {
			msg.Warn("dropping records after the first %d of %s type=%s", maxRecords, name, t)
			break
		}
		records = append(records, record)
	}
	return records, bad
}

// ttl reads a time to live; with the highest bit it means 0. RFC 2181, section 8.
func ttl(seconds uint32) time.Duration {
	if seconds > 1<<31-1 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// fill takes over the data of a record and tells whether it is usable.
func (r *Record) fill(rr mdns.RR) bool {
	switch d := rr.(type) {
	case *mdns.A:
		r.Addr, _ = netip.AddrFromSlice(d.A.To4())
		return r.Addr.IsValid()
	case *mdns.AAAA:
		r.Addr, _ = netip.AddrFromSlice(d.AAAA.To16())
		return r.Addr.IsValid()
	case *mdns.MX:
		r.Pref, r.Host = d.Preference, hostName(d.Mx)
		return r.Host == "" || ValidHostname(r.Host)
	case *mdns.SRV:
		r.Pref, r.Weight, r.Port, r.Host = d.Priority, d.Weight, d.Port, hostName(d.Target)
		return r.Host == "" || ValidHostname(r.Host)
	case *mdns.NS:
		r.Host = hostName(d.Ns)
		return ValidHostname(r.Host)
	case *mdns.PTR:
		r.Host = hostName(d.Ptr)
		return ValidHostname(r.Host)
	case *mdns.CNAME:
		r.Host = hostName(d.Target)
		return ValidHostname(r.Host)
	case *mdns.SOA:
		r.Host = hostName(d.Ns)
	case *mdns.TXT:
		r.Text = unescape(strings.Join(d.Txt, ""))
	case *mdns.TLSA:
		return r.fillTLSA(d)
	}
	return true
}

func (r *Record) fillTLSA(d *mdns.TLSA) bool {
	data, ok := fromHex(d.Certificate)
	r.TLSA = TLSA{d.Usage, d.Selector, d.MatchingType, data}
	return ok
}

// withoutRoot drops "." from records with a host: beside others it means nothing.
func withoutRoot(records []Record) []Record {
	kept := records[:0]
	for _, r := range records {
		if r.Host != "" || r.Type != TypeMX {
			kept = append(kept, r)
		}
	}
	return kept
}

// hostName is a name as people write it: without escapes that a host name
// cannot need, and without the last dot.
func hostName(name string) string { return strings.TrimSuffix(name, ".") }

func sameName(a, b string) bool { return strings.EqualFold(hostName(a), hostName(b)) }
