package starttls

import (
	"fmt"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/net/dns"
)

// FindTLSA looks for the TLSA records of a server. Host is its name, and answer
// what the DNS knows about its addresses. It gives the usable records, and the
// name that they stand below, which is also the one to ask for and to find in a
// certificate. Found tells that there were records, usable or not.
//
// Records are only asked for below names whose DNS data is secure: a server
// that is nobody's enemy must not be out of reach because of a name server that
// does not know this type. With force, below all names. An answer that is not
// secure counts as none. RFC 7672, section 2.2.
func FindTLSA(r *dns.Resolver, host string, answer dns.Answer, port int, force bool) (list []dns.TLSA, base string, found bool, err error) {
	for _, base := range bases(r, host, answer, force) {
		name := fmt.Sprintf("_%d._tcp.%s", port, base)
		tlsa, err := r.Lookup(name, dns.TypeTLSA)
		switch {
		case dns.KindOf(err) == dns.NotFound, err == nil && !tlsa.Secure:
			continue
		case err != nil:
			return nil, "", false, err
		}
		return usable(name, tlsa.Records), base, true, nil
	}
	return nil, "", false, nil
}

// bases are the names below which there may be records: where an alias leads
// to, then the alias.
func bases(r *dns.Resolver, host string, answer dns.Answer, force bool) []string {
	alias := !strings.EqualFold(answer.Name, host)
	switch {
	case answer.Name == "": // not from the DNS
		return nil
	case answer.Secure && alias:
		return []string{answer.Name, host}
	case answer.Secure:
		return []string{host}
	case !alias && force:
		return []string{host}
	case alias:
		// The alias itself may be secure although its end is not.
		if cname, err := r.Lookup(host, dns.TypeCNAME); err == nil && cname.Secure {
			return []string{host}
		}
	}
	return nil
}

// usable leaves out the records for public authorities: mail servers are not
// judged by these. RFC 7672, section 3.1.3.
func usable(name string, records []dns.Record) []dns.TLSA {
	var list []dns.TLSA
	for _, record := range records {
		if t := record.TLSA; t.Usage != usageAnchor && t.Usage != usageEntity {
			msg.Warn("%s unsupported TLSA certificate usage: %s", name, TLSAText(t))
		} else {
			list = append(list, t)
		}
	}
	return list
}

// ProbeDNSSEC warns when name servers seem not to validate answers. It is to be
// called once, after an answer that was not secure.
func (p *Params) ProbeDNSSEC(r *dns.Resolver) {
	kind, name, ok := strings.Cut(p.DNSSECProbe, ":")
	if p.DNSSECProbe == "" {
		return
	}
	t, known := probeTypes[strings.ToUpper(kind)]
	if !ok || !known {
		msg.Warn("parameter dnssec_probe: want a type and a name, like \"ns:.\", not %q", p.DNSSECProbe)
		return
	}
	reason := "received a response that is not DNSSEC validated"
	switch answer, err := r.Lookup(name, t); {
	case err != nil:
		reason = "received no response: " + err.Error()
	case answer.Secure:
		return
	}
	msg.Warn("DNSSEC validation may be unavailable")
	msg.Warn("reason: dnssec_probe '%s' %s", p.DNSSECProbe, reason)
}

var probeTypes = map[string]dns.Type{"A": dns.TypeA, "AAAA": dns.TypeAAAA, "CNAME": dns.TypeCNAME, "MX": dns.TypeMX, "NS": dns.TypeNS,
	"SOA": dns.TypeSOA, "SRV": dns.TypeSRV, "TLSA": dns.TypeTLSA, "TXT": dns.TypeTXT}
