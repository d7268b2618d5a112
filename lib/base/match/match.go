// Package match has the lists of names, domains and networks that main.cf is full
// of: mynetworks, mydestination, relay_domains. The first item that matches
// decides:
//
//	name, network   what it says
//	!item           the opposite
//	/file           the items in the file, where lines that begin with # are comments
//	type:name       a table; a key that is in it matches, whatever its value
package match

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/network"
	"postrider/lib/base/table"
	"postrider/lib/base/text"
)

// A List is a list of patterns. It can be used by several goroutines.
type List struct {
	param   string // the name of the parameter, for messages
	parents bool   // a domain matches its sub-domains
	kind    kind
	items   []item
}

type kind int

const (
	stringList kind = iota
	domainList
	addressList
)

// An item has one of table, network, broken, or else is the text itself.
type item struct {
	not     bool
	text    string // folded
	table   table.Table
	network netip.Prefix
	broken  error
}

// Strings returns a list whose items match the whole text only. Param is the
// parameter that text is the value of.
func Strings(param, text string) (*List, error) { return newList(param, text, stringList, false) }

// Domains returns a list of domains. With parents a domain matches its
// sub-domains too; otherwise .domain does, and it does not match the domain
// itself. See parent_domain_matches_subdomains.
func Domains(param, text string, parents bool) (*List, error) {
	return newList(param, text, domainList, parents)
}

// Clients returns a list of host names, domains, addresses and networks.
func Clients(param, text string, parents bool) (*List, error) {
	return newList(param, text, addressList, parents)
}

// Addresses is Clients with what parent_domain_matches_subdomains says by default.
func Addresses(param, text string) (*List, error) {
	parents := []string{"debug_peer_list", "mynetworks", "permit_mx_backup_networks", "qmqpd_authorized_clients"}
	return Clients(param, text, slices.Contains(parents, param))
}

func newList(param, list string, kind kind, parents bool) (*List, error) {
	l := &List{param: param, kind: kind, parents: parents}
	if err := l.parse(list, false, 0); err != nil {
		return nil, fmt.Errorf("%s: %w", param, err)
	}
	return l, nil
}

// maxFiles is how deep files may name each other.
const maxFiles = 20

// parse adds the items of a list or a file.
func (l *List) parse(list string, not bool, depth int) error {
	for _, word := range text.SplitBraces(list) {
		negated := not
		for strings.HasPrefix(word, "!") {
			negated, word = !negated, word[1:]
		}
		if word == "" {
			return errors.New("no pattern after '!'")
		}
		if !strings.HasPrefix(word, "/") {
			l.items = append(l.items, l.item(word, negated))
			continue
		}
		if err := l.parseFile(word, negated, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// parseFile puts the items of a file in the place of its name. A file that cannot
// be read makes matching fail when it comes to its place.
func (l *List) parseFile(name string, not bool, depth int) error {
	if depth > maxFiles {
		return fmt.Errorf("%s: files name each other too deep", name)
	}
	var lines strings.Builder
	err := readFile(name, &lines)
	if err != nil {
		msg.Warn("%s: %v", l.param, err)
		l.items = append(l.items, item{broken: err})
		return nil
	}
	return l.parse(lines.String(), not, depth)
}

func (l *List) item(word string, not bool) item {
	it := item{not: not, text: text.Fold(word)}
	switch {
	case word[0] != '[' && strings.Contains(word, ":"):
		if it.table, it.broken = table.OpenLater(word, table.FoldKey|table.UTF8); it.broken != nil {
			msg.Warn("%s: %v", l.param, it.broken)
		}
	case l.kind == addressList:
		l.parseNetwork(&it, word)
	}
	return it
}

// parseNetwork reads an address or network. Text that looks like neither is a
// host name.
func (l *List) parseNetwork(it *item, word string) {
	if word[0] != '[' && strings.Trim(word, "0123456789./") != "" && !strings.Contains(word, "/") {
		return
	}
	prefix, exact, err := network.Parse(word)
	switch {
	case err != nil:
		msg.Warn("%s: %v", l.param, err)
		it.broken = err
		return
	case !exact:
		msg.Warn("%s: %s: using that", l.param, network.HostBits(word, prefix))
	}
	if prefix.Addr().Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	it.network = prefix
}

// Empty says whether the list has no items.
func (l *List) Empty() bool { return l == nil || len(l.items) == 0 }

// Match says whether the list matches key: a text, a domain, or an address,
// according to the list. When the list cannot tell, that is an error and the
// caller should ask again later.
func (l *List) Match(key string) (bool, error) {
	if l.kind == addressList {
		return l.MatchClient("", key)
	}
	return l.match(subject{name: text.Fold(key)})
}

// MatchClient says whether a list of addresses matches a host. Its name counts
// only when it is known.
func (l *List) MatchClient(name, addr string) (bool, error) {
	s := subject{name: text.Fold(name), addr: addr}
	s.ip, s.valid = network.Address(addr)
	return l.match(s)
}

// A subject is what is compared with the items.
type subject struct {
	name  string
	addr  string
	ip    netip.Addr
	valid bool // ip is what addr says
}

func (l *List) match(s subject) (bool, error) {
	if l == nil {
		return false, nil
	}
	for _, it := range l.items {
		found, err := l.matchItem(it, s)
		if err != nil {
			return false, fmt.Errorf("%s: %w", l.param, err)
		}
		if found {
			return !it.not, nil
		}
	}
	return false, nil
}

func (l *List) matchItem(it item, s subject) (bool, error) {
	switch {
	case it.broken != nil:
		return false, it.broken
	case it.table != nil:
		if found, err := l.inTable(it.table, s.name); found || err != nil {
			return found, err
		}
		return has(it.table, s.addr)
	case it.network.IsValid():
		return s.valid && it.network.Contains(s.ip), nil
	case s.name == "":
		return false, nil
	}
	return s.name == it.text || l.kind != stringList && l.isBelow(s.name, it.text), nil
}

// isBelow says whether the item means a domain that name is below.
func (l *List) isBelow(name, pattern string) bool {
	if l.parents {
		return strings.HasSuffix(name, "."+pattern)
	}
	return pattern[0] == '.' && len(name) > len(pattern) && strings.HasSuffix(name, pattern)
}

// inTable looks for name, and for the domains above it as the list writes them:
// "domain" or ".domain".
func (l *List) inTable(t table.Table, name string) (bool, error) {
	found, err := has(t, name)
	if found || err != nil || l.kind == stringList || table.IsPattern(t) {
		return found, err
	}
	for {
		dot := strings.IndexByte(name[min(1, len(name)):], '.')
		if dot < 0 {
			return false, nil
		}
		name = name[dot+1:]
		if l.parents {
			name = name[1:]
		}
		if found, err := has(t, name); found || err != nil {
			return found, err
		}
	}
}

func has(t table.Table, key string) (bool, error) {
	if key == "" {
		return false, nil
	}
	_, found, err := t.Lookup(key)
	return found, err
}
