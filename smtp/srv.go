package main

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/daemon/agent"
	"postrider/lib/net/dns"
)

// srvParams are the parameters for servers that the DNS names for a service.
type srvParams struct {
	// The services for which a domain's servers are found by SRV records instead of
	// MX records: "submission" for a next hop example.com:submission asks for
	// _submission._tcp.example.com. A name in brackets is not looked up
	// this way. RFC 2782, RFC 6186.
	UseSRVLookup string `param:"use_srv_lookup" default:""`

	// Whether a domain without SRV records is looked up as if
	// $use_srv_lookup were empty. Otherwise its mail is not delivered.
	AllowSRVLookupFallback bool `param:"allow_srv_lookup_fallback" default:"no"`

	// The same when the name servers fail to answer the question for SRV
	// records. This may deliver mail to the wrong host.
	IgnoreSRVLookupError bool `param:"ignore_srv_lookup_error" default:"no"`
}

// wantsSRV tells whether SRV records say where the servers of a destination are.
func (r *router) wantsSRV(d destination) bool {
	return d.named && r.exchangers && slices.ContainsFunc(text.Split(conf.SRV.UseSRVLookup), func(service string) bool {
		return strings.EqualFold(service, d.service)
	})
}

// srv finds the servers of a service. False means that the lookup is to be done as if
// there were no SRV records.
func (r *router) srv(d destination, name string) (list []target, why *agent.Outcome, ok bool) {
	name = "_" + strings.ToLower(d.service) + "._tcp." + name
	answer, err := r.resolver.Lookup(name, dns.TypeSRV)
	switch kind := dns.KindOf(err); {
	case kind == 0:
		list, why = r.srvTargets(name, answer)
		return list, why, true
	case kind == dns.NotFound && conf.SRV.AllowSRVLookupFallback, kind != dns.NotFound && conf.SRV.IgnoreSRVLookupError:
		return nil, nil, false
	case kind == dns.NotFound:
		return nil, failure("5.4.4", "%v", err), true
	default:
		return nil, failure(mxStatus[kind], "%v", err), true
	}
}

// srvTargets finds the addresses of the servers, in the order in which to try them.
func (r *router) srvTargets(name string, answer dns.Answer) ([]target, *agent.Outcome) {
	var list []target
	why := failure("5.4.4", "no service at %s", name)
	for i, record := range srvOrder(answer.Records) {
		if record.Host == "" || record.Host == "." {
			continue // RFC 2782: the service is decidedly not available
		}
		found, trouble := r.lookup(record.Host, why)
		if found == nil {
			why = trouble
			continue
		}
		for j := range found {
			found[j].pref, found[j].port = i, int(record.Port)
			found[j].viaMX, found[j].secureMX = true, answer.Secure
		}
		list = append(list, r.order(found)...)
	}
	if len(list) == 0 {
		msg.Warn("no SRV host for %s has a valid address record", name)
		return nil, why
	}
	return list, nil
}

// srvOrder orders records by priority, those with the same one at random, with a
// chance that their weights give. RFC 2782, "Usage rules".
func srvOrder(records []dns.Record) []dns.Record {
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b dns.Record) int {
		return cmp.Or(cmp.Compare(a.Pref, b.Pref), cmp.Compare(a.Weight, b.Weight))
	})
	for i := range records {
		end, sum := i, 0
		for ; end < len(records) && records[end].Pref == records[i].Pref; end++ {
			sum += int(records[end].Weight)
		}
		at, chosen := rand.IntN(sum+1), i
		for ; chosen < end-1 && at > int(records[chosen].Weight); chosen++ {
			at -= int(records[chosen].Weight)
		}
		record := records[chosen]
		copy(records[i+1:chosen+1], records[i:chosen])
		records[i] = record
	}
	return records
}
