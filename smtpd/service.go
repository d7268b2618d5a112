package main

import (
	"fmt"
	"net/netip"
	"strings"

	"postrider/lib/base/match"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/base/table"
	"postrider/lib/base/text"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/address"
	"postrider/lib/mail/domains"
	"postrider/lib/net/dns"
	"postrider/lib/net/haproxy"
	"postrider/lib/service/anvil"
	"postrider/lib/service/cleanup"
	"postrider/lib/service/flush"
	"postrider/lib/service/rewrite"
	"postrider/lib/service/verify"
	"postrider/smtpd/access"
)

// A resolver finds the names of clients.
type resolver interface {
	HostName(addr netip.Addr) (string, error)
	Native(host string, f dns.Family) ([]netip.Addr, error)
}

// A service is what all sessions of the process share.
type service struct {
	name      string // in master.cf, for anvil(8)
	limitable bool   // not all clients come from one address, such as a proxy's
	tls       tlsService
	sasl      saslService
	checker   *access.Checker
	names     resolver
	anvil     *anvil.Client
	submit    func(*session) (submission, error)
	milter    milterService
	flush     func(domain string) (flush.Status, error)
	pat       func() // tells the watchdog that there is progress

	bare           bareNewline
	haproxy        *haproxy.Reader // nil: no proxy says who the client is
	discard        ehloMask
	discardMaps    *table.List
	footers        *table.List
	rejects        *table.List
	filter         string // characters of values in footers
	commandFilter  *table.List
	forbidden      *match.List
	noops          *match.List
	bareExclusions *match.List

	xclientHosts    *match.List
	xforwardHosts   *match.List
	verpClients     *match.List
	limitExceptions *match.List
	localRewrite    []func(*session) bool

	cleanup *stream.Stream // its buffers are used for one message after the other
}

// daemon is the service of the running process.
var daemon *service

// open makes the service while the process may still read all files.
func open(p *server.Process) {
	names, checked, err := resolvers()
	if err != nil {
		msg.Fatal("%v", err)
	}
	daemon = &service{name: p.Service, limitable: !p.Alone && p.Type != "unix", names: names, pat: p.Pat, cleanup: stream.New(nil)}
	if conf.ServiceName != "smtpd" {
		daemon.name = conf.ServiceName
	}
	daemon.flush = func(domain string) (flush.Status, error) { return flush.SendSite(conf.Flush, domain, conf.IPCTimeout) }
	daemon.submit = daemon.submitCleanup
	if err := daemon.openProxy(p.Settings.Value("inet_protocols")); err != nil {
		msg.Fatal("%v", err)
	}
	if err := daemon.openLists(); err != nil {
		msg.Fatal("%v", err)
	}
	if p.Alone {
		daemon.submit = submitPostdrop
		return
	}
	if err := daemon.openMilters(); err != nil {
		msg.Fatal("%v", err)
	}
	if err := daemon.openTLS(); err != nil {
		msg.Fatal("%v", err)
	}
	if err := daemon.openSASL(); err != nil {
		msg.Fatal("%v", err)
	}
	daemon.anvil = anvil.New(conf.IPCTimeout)
	if err := daemon.openChecker(checked, p.Settings.Value); err != nil {
		msg.Fatal("%v", err)
	}
}

// resolvers make two: the first for the names of clients, the second for
// decisions, with $smtpd_dns_reply_filter.
func resolvers() (names, checked *dns.Resolver, err error) {
	if names, err = dns.New(dns.Options{}); err != nil || conf.DNSReplyFilter == "" {
		return names, names, err
	}
	drop, err := dns.ReplyFilter("smtpd_dns_reply_filter", conf.DNSReplyFilter)
	if err != nil {
		return nil, nil, err
	}
	checked, err = dns.New(dns.Options{Drop: drop})
	return names, checked, err
}

// openChecker makes what decides.
func (sv *service) openChecker(names access.Names, value func(string) string) error {
	ours, err := domains.New(&conf.Domains)
	if err != nil {
		return err
	}
	routes := rewrite.New(conf.Rewrite, conf.IPCTimeout, conf.IPCIdle, conf.IPCTTL)
	sv.milter.routes = routes
	sv.checker, err = access.New(&conf.Access, access.Services{
		Domains: ours, Parents: conf.Domains.Parents, Names: names, Value: value,
		Resolver: routes,
		Complete: func(sender string) string {
			return address.Unquote(routes.Rewrite(rewrite.Local, address.Quote(sender)))
		},
		Verifier: verifier{verify.New(conf.Access.VerifyService.AddressVerifyServiceName, conf.IPCTimeout, conf.IPCIdle, conf.IPCTTL)},
		Maps:     conf.Maps, Address: conf.Address,
		Mail: access.MailName{Hostname: conf.MyHostname, Name: conf.MailName},
	})
	if err == nil {
		err = sv.openRewriteClients(ours)
	}
	return err
}

// openLists opens the lists of clients and commands, and the tables.
func (sv *service) openLists() error {
	sv.discard = parseMask(conf.DiscardEHLO, "smtpd_discard_ehlo_keywords")
	sv.filter = text.Unescape(string(conf.Access.ExpansionFilter))
	switch conf.ForbidBareNewline {
	case "normalize", "yes":
		sv.bare = bareNormalize
	case "reject":
		sv.bare = bareReject
	case "no", "note":
		sv.bare = bareAllow
	default:
		return fmt.Errorf("parameter smtpd_forbid_bare_newline: %q: want normalize, reject, or no", conf.ForbidBareNewline)
	}
	parents := conf.Domains.Parents
	conf.IDNA.Use()
	if err := conf.Debug.Open(parents); err != nil {
		return err
	}
	for _, l := range []struct {
		list       **match.List
		name, text string
	}{
		{&sv.bareExclusions, "smtpd_forbid_bare_newline_exclusions", conf.BareNewlineExclusions},
		{&sv.xclientHosts, "smtpd_authorized_xclient_hosts", conf.XclientHosts},
		{&sv.xforwardHosts, "smtpd_authorized_xforward_hosts", conf.XforwardHosts},
		{&sv.verpClients, "smtpd_authorized_verp_clients", conf.VerpClients},
		{&sv.limitExceptions, "smtpd_client_event_limit_exceptions", conf.ClientEventLimitExceptions},
	} {
		list, err := match.Clients(l.name, l.text, parents.Include(l.name))
		if err != nil {
			return err
		}
		*l.list = list
	}
	return sv.openTables()
}

func (sv *service) openTables() (err error) {
	if sv.forbidden, err = match.Strings("smtpd_forbidden_commands", conf.ForbiddenCommands); err != nil {
		return err
	}
	if sv.noops, err = match.Strings("smtpd_noop_commands", conf.NoopCommands); err != nil {
		return err
	}
	for _, t := range []struct {
		list       **table.List
		name, text string
	}{
		{&sv.discardMaps, "smtpd_discard_ehlo_keyword_address_maps", conf.DiscardEHLOMaps},
		{&sv.footers, "smtpd_reject_footer_maps", conf.RejectFooterMaps},
		{&sv.rejects, "smtpd_reject_filter_maps", conf.RejectFilterMaps},
		{&sv.commandFilter, "smtpd_command_filter", conf.CommandFilter},
	} {
		if *t.list, err = table.OpenList(t.text, table.FoldKey); err != nil {
			return fmt.Errorf("parameter %s: %w", t.name, err)
		}
	}
	return nil
}

// openRewriteClients reads local_header_rewrite_clients.
func (sv *service) openRewriteClients(ours *domains.Domains) error {
	words := text.SplitBraces(conf.LocalHeaderRewriteClients)
	for i := 0; i < len(words); i++ {
		var test func(s *session) bool
		switch word := words[i]; {
		case word == "permit_inet_interfaces":
			test = func(s *session) bool { return s.client.Addr.IsValid() && ours.Own(s.client.Addr) }
		case word == "permit_mynetworks":
			test = func(s *session) bool { in, err := sv.checker.Trusted(&s.client); return in && err == nil }
		case word == "permit_sasl_authenticated":
			test = func(s *session) bool { return s.sasl.User != "" }
		case word == "permit_tls_all_clientcerts":
			test = func(s *session) bool { return s.encryption.Trusted }
		case word == "permit_tls_clientcerts":
			test = func(s *session) bool { known, err := sv.checker.Certified(&s.encryption); return known && err == nil }
		case word == "check_address_map" && i+1 < len(words), strings.Contains(word, ":"):
			if word == "check_address_map" {
				i++
			}
			t, err := table.OpenLater(words[i], table.FoldKey)
			if err != nil {
				return fmt.Errorf("parameter local_header_rewrite_clients: %w", err)
			}
			test = func(s *session) bool { _, found, err := t.Lookup(s.client.Address); return found && err == nil }
		default:
			return fmt.Errorf("parameter local_header_rewrite_clients: there is no %q", word)
		}
		sv.localRewrite = append(sv.localRewrite, test)
	}
	return nil
}

// isLocalRewrite reports whether headers of this client are completed with our
// domain.
func (s *session) isLocalRewrite() bool {
	for _, test := range s.localRewrite {
		if test(s) {
			return true
		}
	}
	return false
}

// isNoop reports whether a word is among the commands that do nothing.
func (s *session) isNoop(word string) bool { return matches(s.noops, word) }

func (s *session) isForbidden(word string) bool { return matches(s.forbidden, word) }

func matches(list *match.List, word string) bool {
	found, err := list.Match(word)
	if err != nil {
		msg.Warn("%v", err)
	}
	return found
}

// filterCommand replaces a command as smtpd_command_filter says.
func (s *session) filterCommand(line string) string {
	if s.commandFilter.Empty() {
		return line
	}
	value, found, err := s.commandFilter.Lookup(line)
	switch {
	case err != nil:
		s.say("421 4.3.0 " + conf.MyHostname + " Server local data error")
		return "QUIT"
	case found:
		msg.Info("%s: replacing command %q with %q", s.nameAddr(), withoutSecrets(line), withoutSecrets(value))
		return value
	}
	return line
}

// submitCleanup begins a message for cleanup(8).
func (sv *service) submitCleanup(s *session) (submission, error) {
	w, err := cleanup.OpenOn(sv.cleanup, conf.Cleanup.Path(), s.flags(), conf.IPCTimeout)
	if err != nil {
		return nil, err
	}
	return w, nil
}

// verifier asks verify(8).
type verifier struct{ client *verify.Client }

func (v verifier) Verify(address string) (access.VerifyStatus, string, error) {
	r, err := v.client.Query(address)
	return access.VerifyStatus(r.RecipientStatus), r.Reason, err
}
