package access

import (
	"net/netip"
	"strconv"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/mail/dsn"
	"postrider/lib/net/dns"
	"postrider/lib/service/rewrite"
)

// destination says whether mail for the recipient may come from anybody: it
// is ours, or we relay for its domain. Routing operators that are left in the
// local part make it uncertain where the mail ends, so they do not count.
func (w *walk) destination() (ours bool, got answer) {
	recipient := *w.Recipient
	reply := w.svc.Resolver.Resolve(w.from(), recipient)
	switch {
	case reply.Flags&rewrite.FlagFail != 0:
		return false, w.lookupFailed(recipient)
	case reply.Flags&rewrite.FlagError != 0:
		return false, dunno
	case reply.Flags&rewrite.FlagRouted != 0 && !w.conf.AllowUntrustedRouting:
		return false, dunno
	}
	return final(reply) || reply.Flags&rewrite.ClassRelay != 0, dunno
}

func permitAuthDestination(w *walk, _ string) answer {
	if w.Recipient == nil {
		return dunno
	}
	ours, got := w.destination()
	if got == dunno && ours {
		return w.permitted("permit_auth_destination", classRecipient, *w.Recipient)
	}
	return got
}

func rejectUnauthDestination(w *walk, _ string) answer {
	return w.unauthDestination(w.codes.RelayDomains, "5.7.1")
}

func deferUnauthDestination(w *walk, _ string) answer { return w.unauthDestination(454, "4.7.1") }

func (w *walk) unauthDestination(code int, status dsn.Status) answer {
	if w.Recipient == nil {
		return dunno
	}
	ours, got := w.destination()
	if ours || got != dunno {
		return got
	}
	return w.reject(Policy, code, status, "<%s>: Relay access denied", *w.Recipient)
}

// checkRelayDomains is from the time before reject_unauth_destination. It ends
// the list either way.
func checkRelayDomains(w *walk, _ string) answer {
	if w.Recipient == nil {
		return dunno
	}
	ours, got := w.destination()
	switch {
	case got != dunno:
		return got
	case ours:
		return permit
	}
	return w.reject(Policy, w.codes.RelayDomains, "5.7.1", "<%s>: %s rejected: Relay access denied", w.name, w.class)
}

// permitMXBackup takes mail for domains that name this machine as a mail
// exchanger, when it is not the best one.
func permitMXBackup(w *walk, _ string) answer {
	if w.Recipient == nil {
		return dunno
	}
	recipient := *w.Recipient
	reply := w.svc.Resolver.Resolve(w.from(), recipient)
	if reply.Flags&rewrite.FlagFail != 0 {
		return w.lookupFailed(recipient)
	}
	_, domain, ok := split(reply.Recipient)
	switch {
	case !ok:
		return dunno
	case reply.Flags&rewrite.FlagRouted != 0 && !w.conf.AllowUntrustedRouting:
		return dunno
	case final(reply) || reply.Flags&rewrite.ClassRelay != 0:
		return w.permitted("permit_mx_backup", classRecipient, recipient)
	case strings.HasPrefix(domain, "["):
		return dunno
	}
	answer, err := w.svc.Names.Lookup(ascii(domain), dns.TypeMX)
	switch dns.KindOf(err) {
	case 0:
	case dns.NotFound, dns.NullMX:
		return dunno
	default:
		return w.deferIfReject(Policy, 450, "4.4.4", "<%s>: %s rejected: Unable to look up mail exchanger information: %s", w.name, w.class, short(err))
	}
	if w.backup(answer.Records) {
		return w.permitted("permit_mx_backup", classRecipient, recipient)
	}
	return dunno
}

// backup reports whether we are among the mail exchangers but not one of the
// best, and the best ones are where the administrator allows.
func (w *walk) backup(records []dns.Record) bool {
	best := records[0].Pref
	for _, r := range records {
		best = min(best, r.Pref)
	}
	member, primary, trusted := false, false, true
	for _, r := range records {
		addrs, err := w.svc.Names.Native(r.Host, dns.Any)
		if err != nil {
			msg.Warn("Unable to look up MX host %s: %v", r.Host, err)
			continue
		}
		mine := w.mine(addrs)
		member = member || mine
		primary = primary || mine && r.Pref == best
		if r.Pref == best && w.conf.MXBackupNetworks != "" {
			trusted = trusted && w.allIn(addrs)
		}
	}
	return member && !primary && trusted
}

func (w *walk) mine(addrs []netip.Addr) bool {
	for _, a := range addrs {
		if w.svc.Domains.Own(a) {
			return true
		}
	}
	return false
}

func (w *walk) allIn(addrs []netip.Addr) bool {
	for _, a := range addrs {
		if ok, err := w.mxBackup.MatchClient("", a.String()); !ok || err != nil {
			return false
		}
	}
	return true
}

func rejectUnlistedRecipient(w *walk, _ string) answer {
	if w.Recipient == nil || w.listed {
		return dunno
	}
	w.listed = true
	return w.unlisted(*w.Recipient, classRecipient, "5.1.1")
}

func rejectUnlistedSender(w *walk, _ string) answer {
	if w.Sender == nil || *w.Sender == "" {
		return dunno
	}
	return w.unlisted(*w.Sender, classSender, "5.1.0")
}

// A directory is a table of the addresses that exist in a class of domains.
type directory struct {
	class rewrite.Flags
	maps  string // parameter; without tables all addresses exist
	table string // for the reply
	code  func(c *Codes) int
}

var directories = []directory{
	{rewrite.ClassAlias, "", "virtual alias", func(c *Codes) int { return c.UnknownVirtualAlias }},
	{rewrite.ClassMailbox, "virtual_mailbox_maps", "virtual mailbox", func(c *Codes) int { return c.UnknownVirtualMailbox }},
	{rewrite.ClassRelay, "relay_recipient_maps", "relay recipient", func(c *Codes) int { return c.UnknownRelay }},
	{rewrite.ClassLocal, "local_recipient_maps", "local recipient", func(c *Codes) int { return c.UnknownLocal }},
}

// unlisted refuses addresses in our domains that no table knows.
func (w *walk) unlisted(address, class string, status dsn.Status) answer {
	reply := w.svc.Resolver.Resolve(w.from(), address)
	if reply.Flags&rewrite.FlagFail != 0 {
		return w.lookupFailed(address)
	}
	if strings.EqualFold(address, w.svc.Address.DoubleBounceSender+"@"+w.svc.Mail.Hostname) {
		return dunno
	}
	resolved := reply.Recipient
	if resolved == "" {
		resolved = address
	}
	changed, err := w.changed(resolved, class == classSender)
	switch {
	case err != nil:
		return w.lookupFailed(address)
	case changed:
		return dunno
	}
	if a, ends := w.deadEnd(reply, address, class, status); ends {
		return a
	}
	for _, d := range directories {
		if reply.Flags&d.class == 0 {
			continue
		}
		if d.maps != "" && w.maps[d.maps] == nil {
			return dunno
		}
		known, err := w.inTable(d.maps, resolved)
		switch {
		case err != nil:
			return w.lookupFailed(address)
		case known:
			return dunno
		}
		in := "User unknown"
		if w.conf.ShowTableName {
			in += " in " + d.table + " table"
		}
		return w.reject(Policy, d.code(&w.codes), status, "<%s>: %s rejected: %s", address, class, in)
	}
	return dunno
}

// deadEnd refuses an address whose transport delivers nothing: the one for people
// who moved, or what transport_maps says. The next hop is the reason.
func (w *walk) deadEnd(reply rewrite.ResolveReply, address, class string, status dsn.Status) (a answer, ends bool) {
	code := 550
	switch reply.Transport {
	case "error":
	case "retry":
		code = 450
	default:
		return dunno, false
	}
	status, reason := dsn.Split(reply.NextHop, status)
	if reason == "" {
		reason = "Address is undeliverable"
	}
	return w.reject(Policy, code, addressStatus(status, class), "<%s>: %s rejected: %s", address, class, reason), true
}

// addressStatus makes a status about an address (x.1.y) one that fits the kind of
// address: a text may be used for both.
func addressStatus(status dsn.Status, class string) dsn.Status {
	name := map[string]string{
		classSender: "078770778", classRecipient: "012345632",
	}[class]
	rest, found := strings.CutPrefix(string(status[1:]), ".1.")
	if !found || name == "" {
		return status
	}
	detail := "0"
	if n, err := strconv.Atoi(rest); err == nil && n < len(name) {
		detail = name[n : n+1]
	}
	return status[:1] + dsn.Status(".1."+detail)
}

// changed looks in all tables that would make another address of this one.
func (w *walk) changed(address string, sender bool) (bool, error) {
	if local, _, ok := split(address); local == "" && ok {
		return true, nil // resolves to an address of the system itself
	}
	lists := []string{"recipient_canonical_maps", "canonical_maps", "virtual_alias_maps"}
	if sender {
		lists = append([]string{"sender_canonical_maps"}, lists...)
	}
	for _, list := range lists {
		if found, err := w.inTable(list, address); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// inTable looks in the tables of a parameter.
func (w *walk) inTable(name, address string) (bool, error) {
	tables := w.maps[name]
	if tables == nil {
		return false, nil
	}
	_, found, err := tables.Lookup(address)
	return found, err
}
