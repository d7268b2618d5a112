package main

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/mail/address"
	"postrider/lib/mail/addrmap"
	"postrider/lib/mail/domains"
	"postrider/lib/service/rewrite"
)

// A resolver finds the way with one set of transports.
type resolver struct {
	ways       Ways
	domains    *domains.Domains
	transports *transportTable
	relocated  *addrmap.Maps
	senderHop  *table.List
	senderWay  *table.List
}

func newResolver(w Ways) (r *resolver, err error) {
	r = &resolver{ways: w}
	if r.domains, err = domains.New(&conf.Domains); err != nil {
		return nil, err
	}
	if r.transports, err = openTransports(w.TransportMaps); err != nil {
		return nil, err
	}
	if r.relocated, err = addrmap.Open("relocated_maps", conf.Maps.RelocatedMaps, addrmap.Options{Params: &conf.Address, Domains: r.domains}); err != nil {
		return nil, err
	}
	if r.senderHop, err = table.OpenList(w.SenderRelayhostMaps, table.FoldKey); err != nil {
		return nil, err
	}
	r.senderWay, err = table.OpenList(w.SenderTransportMaps, table.FoldKey)
	return r, err
}

// again is the answer when a table has none.
func again(err error, recipient string) rewrite.ResolveReply {
	msg.Warn("%v", err)
	return rewrite.ResolveReply{Recipient: recipient, Flags: rewrite.FlagFail}
}

// classFlags are what clients hear of the address class.
var classFlags = map[domains.Class]rewrite.Flags{
	domains.Local: rewrite.ClassLocal, domains.VirtualAlias: rewrite.ClassAlias,
	domains.VirtualMailbox: rewrite.ClassMailbox, domains.Relay: rewrite.ClassRelay,
	domains.Default: rewrite.ClassDefault,
}

// resolve finds the way for mail from sender to an address, both in internal
// form.
func (r *resolver) resolve(sender, recipient string) rewrite.ResolveReply {
	local, domain, class, err := r.final(recipient)
	if err != nil {
		return again(err, recipient)
	}
	reply := rewrite.ResolveReply{Recipient: join(local, domain), Flags: classFlags[class]}
	if hasRoute(local) {
		reply.Flags |= rewrite.FlagRouted
	}
	if domain == "" || !conf.AllowMinUser && strings.HasPrefix(reply.Recipient, "-") || !validDomain(domain) {
		reply.Flags |= rewrite.FlagError
	}
	if err := r.way(&reply, sender, domain, class); err != nil {
		return again(err, recipient)
	}
	if err := r.moved(&reply); err != nil {
		return again(err, recipient)
	}
	return reply
}

// routeLimit is how many local domains are taken off an address at most.
const routeLimit = 100

// final takes the domains of this machine off an address, as long as what is
// left has a way of its own.
func (r *resolver) final(recipient string) (local, domain string, class domains.Class, err error) {
	if recipient == "" {
		recipient = conf.Address.EmptyAddressRecipient
	}
	saved := conf.MyHostname // the last domain that was taken off
	for range routeLimit {
		var ok bool
		if local, domain, ok = address.Split(recipient); !ok {
			local = recipient
		}
		named := ok && (domain != "" || !conf.ResolveNullDomain)
		if named {
			domain = r.plain(domain)
			if class, err = r.domains.Class(domain); err != nil || class != domains.Local {
				return
			}
			saved = domain
		}
		if local == "" {
			local = conf.Address.EmptyAddressRecipient
		}
		next, routed := inside(local)
		if routed && next != recipient {
			recipient = next
			continue
		}
		if !named {
			domain = saved
			class, err = r.domains.Class(domain)
		}
		return
	}
	return
}

// plain is the form of a domain that is looked up.
func (r *resolver) plain(domain string) string {
	if !strings.HasSuffix(domain, "..") {
		domain = strings.TrimSuffix(domain, ".")
	}
	if conf.ResolveNumericDomain {
		switch addr, err := netip.ParseAddr(domain); {
		case err == nil && addr.Is6():
			return "[IPv6:" + domain + "]"
		case err == nil:
			return "[" + domain + "]"
		}
	}
	return domain
}

func join(local, domain string) string {
	if domain == "" {
		return local
	}
	return local + "@" + domain
}

// validDomain accepts host names and address literals.
func validDomain(domain string) bool {
	if strings.HasPrefix(domain, "[") {
		_, ok := domains.Literal(domain)
		return ok
	}
	if _, err := netip.ParseAddr(domain); err == nil || len(domain) > 255 || !utf8.ValidString(domain) {
		return false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; c <= ' ' || c == 0x7f || c < 0x80 && strings.IndexByte(`()<>@,;:\"[]/!%`, c) >= 0 {
				return false
			}
		}
	}
	return true
}

// way fills in transport and next hop.
func (r *resolver) way(reply *rewrite.ResolveReply, sender, domain string, class domains.Class) error {
	var spec string
	hop := domain
	switch class {
	case domains.Local:
		spec = r.ways.LocalTransport
	case domains.VirtualAlias:
		text := "5.1.1 User unknown"
		if conf.ShowTableName {
			text += " in virtual alias table"
		}
		reply.Transport, reply.NextHop = conf.ErrorServiceName, text
		return nil
	case domains.VirtualMailbox:
		spec = r.ways.VirtualTransport
	case domains.Relay:
		spec = r.ways.RelayTransport
	default:
		spec = r.ways.DefaultTransport
		found, err := bySender(r.senderWay, sender, conf.NullTransportKey)
		if err != nil {
			return err
		}
		if found != "" {
			spec = found
		}
	}
	if class == domains.Relay || class == domains.Default {
		relay, err := bySender(r.senderHop, sender, conf.NullRelayhostKey)
		if err != nil {
			return err
		}
		if relay == "" {
			relay = r.ways.Relayhost
		}
		if relay != "" && !strings.EqualFold(relay, "DUNNO") {
			hop = relay
		}
	}
	reply.Transport, reply.NextHop = choose(spec, "", hop)
	return r.transports.change(reply, domain)
}

// choose splits transport:nexthop; parts that are missing keep their values.
func choose(spec, transport, hop string) (string, string) {
	t, h, _ := strings.Cut(spec, ":")
	if t == "" {
		t = transport
	}
	if h == "" {
		h = hop
	}
	return t, h
}

// bySender looks up the sender, and then its domain with @ in front.
func bySender(list *table.List, sender, null string) (string, error) {
	if list.Empty() {
		return "", nil
	}
	keys := []string{null}
	if sender != "" {
		keys = []string{sender, address.StripExtension(sender, conf.Address.RecipientDelimiter)}
		if _, domain, ok := address.Split(sender); ok {
			keys = append(keys, "@"+domain)
		}
	}
	for i, key := range keys {
		if i > 0 && key == keys[i-1] {
			continue
		}
		lookup := list.Lookup
		if strings.HasPrefix(key, "@") {
			lookup = list.LookupPart
		}
		if value, found, err := lookup(key); err != nil || found {
			return value, err
		}
	}
	return "", nil
}

// moved sends mail back for a recipient who is somewhere else.
func (r *resolver) moved(reply *rewrite.ResolveReply) error {
	value, found, err := r.relocated.Lookup(reply.Recipient)
	if err != nil || !found {
		return err
	}
	if conf.RelocatedPrefixEnable {
		value = "5.1.6 User has moved to " + value
	}
	reply.Transport, reply.NextHop = conf.ErrorServiceName, value
	return nil
}
