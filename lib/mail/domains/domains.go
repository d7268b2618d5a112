// Package domains tells which kind of destination a mail domain is: ours to
// deliver, ours to alias, ours to relay, or foreign.
package domains

import (
	"fmt"
	"net/netip"
	"strings"

	"postrider/lib/base/match"
)

// Params are the main.cf parameters that sort domains into address classes.
type Params struct {
	Parents
	Interfaces

	// ADDRESS CLASSES

	// The domains that this machine delivers with $local_transport: the final
	// destinations. A name, a /file/name or a type:table that has the domain
	// as a key. Addresses of the machine itself, user@[192.0.2.1], need not
	// be listed.
	MyDestination string `param:"mydestination" default:"$myhostname, localhost.$mydomain, localhost"`

	// The domains whose addresses all are aliases for addresses elsewhere.
	// Mail for an address that $virtual_alias_maps does not have is refused.
	// The default takes the names from the alias tables themselves.
	VirtualAliasDomains string `param:"virtual_alias_domains" default:"$virtual_alias_maps"`

	// The domains that this machine delivers with $virtual_transport, to
	// mailboxes that need no UNIX account.
	VirtualMailboxDomains string `param:"virtual_mailbox_domains" default:"$virtual_mailbox_maps"`

	// The domains, with their subdomains, for which this machine takes mail
	// from strangers and passes it on.
	RelayDomains string `param:"relay_domains" default:"${{$compatibility_level} <level {2} ? {$mydestination} : {}}"`
}

// Parents says which lists of domain names also mean subdomains.
type Parents struct {
	// The names of the list parameters in which "example.com" also stands for
	// every subdomain of it. In other lists ".example.com" does that.
	ParentDomainMatches string `param:"parent_domain_matches_subdomains" default:"debug_peer_list,fast_flush_domains,mynetworks,permit_mx_backup_networks,qmqpd_authorized_clients,relay_domains,smtpd_access_maps"`
}

// Include reports whether a parent domain in the list parameter named list
// also matches its subdomains.
func (p Parents) Include(list string) bool {
	for _, name := range strings.FieldsFunc(p.ParentDomainMatches, separator) {
		if strings.EqualFold(name, list) {
			return true
		}
	}
	return false
}

func separator(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' }

// A Class is what a domain is to this machine.
type Class int

// The address classes, in the order in which they are tried.
const (
	Default        Class = iota // foreign: somewhere else on the network
	Local                       // mydestination, or an address of this machine
	VirtualAlias                // virtual_alias_domains
	VirtualMailbox              // virtual_mailbox_domains
	Relay                       // relay_domains
)

var classNames = [...]string{"default", "local", "virtual alias", "virtual mailbox", "relay"}

// String names the class as the manuals do.
func (c Class) String() string { return classNames[c] }

// Final reports whether mail of this class ends its journey here.
func (c Class) Final() bool { return c == Local || c == VirtualAlias || c == VirtualMailbox }

// Domains answers which class a domain has. Domain names come without
// trailing dot; letter case does not matter. An error means that a lookup
// table could not be asked: the caller should defer.
type Domains struct {
	own     []netip.Addr
	local   *match.List
	alias   *match.List
	mailbox *match.List
	relay   *match.List
}

// New opens the lists of p.
func New(p *Params) (*Domains, error) {
	d := &Domains{}
	var err error
	if d.own, err = p.Interfaces.Addresses(); err != nil {
		return nil, err
	}
	proxies, err := p.Interfaces.Proxies()
	if err != nil {
		return nil, err
	}
	d.own = append(d.own, proxies...)
	if d.local, err = match.Strings("mydestination", p.MyDestination); err != nil {
		return nil, err
	}
	if d.alias, err = match.Strings("virtual_alias_domains", p.VirtualAliasDomains); err != nil {
		return nil, err
	}
	if d.mailbox, err = match.Strings("virtual_mailbox_domains", p.VirtualMailboxDomains); err != nil {
		return nil, err
	}
	d.relay, err = match.Domains("relay_domains", p.RelayDomains, p.Include("relay_domains"))
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Own reports whether addr is one of $inet_interfaces or $proxy_interfaces.
func (d *Domains) Own(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, a := range d.own {
		if a == addr {
			return true
		}
	}
	return false
}

// Local reports whether domain is in $mydestination, or is the address of
// this machine in brackets. One trailing dot is forgiven.
func (d *Domains) Local(domain string) (bool, error) {
	domain = strings.TrimSuffix(domain, ".")
	found, err := d.local.Match(domain)
	if found || err != nil {
		return found, wrap("mydestination", domain, err)
	}
	addr, ok := Literal(domain)
	return ok && d.Own(addr), nil
}

// VirtualAlias reports whether domain is in $virtual_alias_domains.
func (d *Domains) VirtualAlias(domain string) (bool, error) {
	found, err := d.alias.Match(domain)
	return found, wrap("virtual_alias_domains", domain, err)
}

// VirtualMailbox reports whether domain is in $virtual_mailbox_domains.
func (d *Domains) VirtualMailbox(domain string) (bool, error) {
	found, err := d.mailbox.Match(domain)
	return found, wrap("virtual_mailbox_domains", domain, err)
}

// Relay reports whether domain is in $relay_domains.
func (d *Domains) Relay(domain string) (bool, error) {
	found, err := d.relay.Match(domain)
	return found, wrap("relay_domains", domain, err)
}

// Class says which class domain has. Where a domain is in several lists the
// first class in the order of the constants counts.
func (d *Domains) Class(domain string) (Class, error) {
	for _, try := range []struct {
		class Class
		match func(string) (bool, error)
	}{
		{Local, d.Local}, {VirtualAlias, d.VirtualAlias},
		{VirtualMailbox, d.VirtualMailbox}, {Relay, d.Relay},
	} {
		if found, err := try.match(domain); err != nil {
			return Default, err
		} else if found {
			return try.class, nil
		}
	}
	return Default, nil
}

func wrap(list, domain string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("look for %q in %s: %w", domain, list, err)
}
