package access

import (
	"fmt"
	"net/netip"
	"strings"

	"postrider/lib/base/match"
	"postrider/lib/base/table"
	"postrider/lib/base/text"
	"postrider/lib/mail/address"
	"postrider/lib/mail/addrmap"
	"postrider/lib/mail/domains"
	"postrider/lib/net/dns"
	"postrider/lib/service/rewrite"
)

// A Resolver says where mail for an address goes; trivial-rewrite(8) is one.
type Resolver interface {
	Resolve(sender, address string) rewrite.ResolveReply
}

// A Names answers questions about names and addresses on the network.
type Names interface {
	Lookup(name string, t dns.Type) (dns.Answer, error)
	Exists(name string, types ...dns.Type) error
	Native(host string, f dns.Family) ([]netip.Addr, error)
}

// A Verifier says whether an address is deliverable; verify(8) is one.
type Verifier interface {
	Verify(address string) (status VerifyStatus, reason string, err error)
}

// Services are what the checker needs from elsewhere.
type Services struct {
	Domains  *domains.Domains
	Parents  domains.Parents
	Resolver Resolver
	Names    Names
	Verifier Verifier
	Complete func(address string) string // adds the domain to an address of ours
	Value    func(name string) string    // of any parameter: restriction classes
	Mail     MailName
	Maps     address.Maps
	Address  address.Params
}

// MailName is how this system calls itself.
type MailName struct{ Hostname, Name string }

// A Checker evaluates the restrictions of one configuration. It serves one
// session at a time.
type Checker struct {
	conf  *Params
	svc   Services
	codes Codes

	classes map[string]string // smtpd_restriction_classes: name, list
	lists   map[string]*program
	tables  map[string]table.Table
	policy  map[string]*policyClient
	rbl     map[string]rblAnswer

	networks    *match.List
	mxBackup    *match.List
	clientCerts *table.List // relay_clientcerts
	logPermit   *match.List
	maps        map[string]*addrmap.Maps
	filter      string // characters of macro values in replies
	replies     *table.List
	warned      map[string]bool
}

// The lists of restrictions and the table checks that a bare type:name means
// in them.
var bare = map[string]string{
	"smtpd_client_restrictions":      "check_client_access",
	"smtpd_helo_restrictions":        "check_helo_access",
	"smtpd_sender_restrictions":      "check_sender_access",
	"smtpd_relay_restrictions":       "check_recipient_access",
	"smtpd_recipient_restrictions":   "check_recipient_access",
	"smtpd_etrn_restrictions":        "check_etrn_access",
	"smtpd_data_restrictions":        "",
	"smtpd_end_of_data_restrictions": "",
}

// New opens all tables that the restrictions name, and checks that the
// configuration cannot make an open relay.
func New(conf *Params, svc Services) (*Checker, error) {
	c := &Checker{conf: conf, svc: svc, codes: conf.Codes,
		classes: make(map[string]string), lists: make(map[string]*program), tables: make(map[string]table.Table),
		policy: make(map[string]*policyClient), rbl: make(map[string]rblAnswer), maps: make(map[string]*addrmap.Maps),
		warned: make(map[string]bool), filter: text.Unescape(string(conf.ExpansionFilter))}
	for _, name := range text.Split(conf.RestrictionClasses) {
		c.classes[name] = svc.Value(name)
	}
	if err := c.openLists(); err != nil {
		return nil, err
	}
	if err := c.openMaps(); err != nil {
		return nil, err
	}
	for name, list := range c.sources() {
		c.lists[name] = c.compile(list, bare[name], nil)
	}
	return c, c.checkRelay()
}

func (c *Checker) sources() map[string]string {
	return map[string]string{
		"smtpd_client_restrictions":      c.conf.ClientRestrictions,
		"smtpd_helo_restrictions":        c.conf.HeloRestrictions,
		"smtpd_sender_restrictions":      c.conf.SenderRestrictions,
		"smtpd_relay_restrictions":       c.conf.RelayRestrictions,
		"smtpd_recipient_restrictions":   c.conf.RecipientRestrictions,
		"smtpd_data_restrictions":        c.conf.DataRestrictions,
		"smtpd_end_of_data_restrictions": c.conf.EndOfDataRestrictions,
		"smtpd_etrn_restrictions":        c.conf.ETRNRestrictions,
	}
}

func (c *Checker) openLists() (err error) {
	if c.networks, err = match.Addresses("mynetworks", c.conf.MyNetworks); err != nil {
		return err
	}
	if c.mxBackup, err = match.Addresses("permit_mx_backup_networks", c.conf.MXBackupNetworks); err != nil {
		return err
	}
	if c.logPermit, err = match.Strings("smtpd_log_access_permit_actions", c.conf.LogPermitActions); err != nil {
		return err
	}
	if c.clientCerts, err = table.OpenList(c.conf.RelayClientcerts, table.FoldKey); err != nil {
		return fmt.Errorf("parameter relay_clientcerts: %w", err)
	}
	c.replies, err = table.OpenList(c.conf.ReplyMaps, table.FoldKey)
	return err
}

// openMaps opens the tables that say which addresses exist.
func (c *Checker) openMaps() error {
	o := addrmap.Options{Params: &c.svc.Address, Domains: c.svc.Domains}
	for name, list := range map[string]string{
		"local_recipient_maps":     c.conf.LocalRecipientMaps,
		"relay_recipient_maps":     c.conf.RelayRecipientMaps,
		"virtual_alias_maps":       c.svc.Maps.VirtualAliasMaps,
		"virtual_mailbox_maps":     c.conf.VirtualMailboxMaps,
		"canonical_maps":           c.svc.Maps.CanonicalMaps,
		"recipient_canonical_maps": c.svc.Maps.RecipientCanonicalMaps,
		"sender_canonical_maps":    c.svc.Maps.SenderCanonicalMaps,
		"smtpd_sender_login_maps":  c.conf.SenderLoginMaps,
	} {
		if text.Trim(list) == "" {
			continue
		}
		maps, err := addrmap.Open(name, list, o)
		if err != nil {
			return err
		}
		c.maps[name] = maps
	}
	return nil
}

// relayGuards are the restrictions of which at least one must be there, so
// that no client can relay by a mistake of configuration.
var relayGuards = []string{"reject_unauth_destination", "defer_unauth_destination", "reject", "defer", "defer_if_permit", "check_relay_domains"}

// checkRelay looks for a guard that is not made harmless by what stands
// before it.
func (c *Checker) checkRelay() error {
	for _, name := range []string{"smtpd_relay_restrictions", "smtpd_recipient_restrictions"} {
		if c.lists[name].guarded(c, 0) {
			return nil
		}
	}
	return fmt.Errorf("in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at least one working instance of: %s or %s",
		strings.Join(relayGuards[:len(relayGuards)-1], ", "), relayGuards[len(relayGuards)-1])
}

// Begin forgets what was remembered about the client before.
func (c *Checker) Begin() { clear(c.rbl) }

// Trusted reports whether a client is in mynetworks.
func (c *Checker) Trusted(client *Client) (bool, error) {
	return c.networks.MatchClient(client.Name, client.Address)
}
