package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/match"
	"postrider/lib/base/msg"
	"postrider/lib/base/poll"
	"postrider/lib/base/table"
	"postrider/lib/base/text"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/param"
)

// A screen is what stands before the SMTP server: all that the clients share.
type screen struct {
	*loop
	settings
	cache   *cache
	access  *accessList
	earning *match.List // interfaces at which clients can pass the tests
	sites   []*site
	scores  map[string]*score
	known   map[string]*source // addresses that have connections

	clients int // all
	testing int // connections that are not handed over
	handing int // connections that wait for a process of the SMTP server
	stress  bool
	ending  bool

	steps     atomic.Uint64
	waiting   atomic.Bool
	served    bool
	undecided bool // respectful_logging is a default
	listen    []int
	ended     timer
}

// A source is what the connections of one address have in common.
type source struct {
	connections int
	stamps      stamps
	passed      int // how often the log said that it has passed
}

// settings are parameters in the form in which they are used.
type settings struct {
	inUse       tests
	shortest    time.Duration // for which a test may be passed
	teaser      string
	denied      action
	greet       action
	blocked     action
	deep        [testCount]action
	wait        [2]time.Duration // postscreen_greet_wait, without and with stress
	limit       [2]time.Duration // postscreen_command_time_limit
	service     string           // of the SMTP server
	resolution  int              // delay_logging_resolution_limit
	proxy       bool
	protocols   [2]bool // IPv4, IPv6
	high, low   int     // numbers of clients where overload begins and ends
	engineRules engineRules
}

// open reads the parameters and opens all tables while everything can be reached.
func open(p *server.Process) *screen {
	s, err := newScreen(p.Settings)
	if err != nil {
		msg.Fatal("%v", err)
	}
	s.cache, s.listen = openCache(), p.Listen
	return s
}

func newScreen(values *param.Settings) (s *screen, err error) {
	s = &screen{scores: make(map[string]*score), known: make(map[string]*source)}
	if s.loop, err = newLoop(); err != nil {
		return nil, err
	}
	if err := s.settings.read(values); err != nil {
		return nil, err
	}
	_, decided := values.Get("respectful_logging")
	s.undecided = !decided
	networks, err := match.Addresses("mynetworks", values.Value("mynetworks"))
	if err == nil {
		s.access, err = openAccessList("postscreen_access_list", conf.AccessList, networks)
	}
	if err == nil {
		s.earning, err = match.Addresses("postscreen_allowlist_interfaces", conf.AllowlistInterfaces)
	}
	if err == nil {
		err = s.openSites()
	}
	return s, err
}

// openSites reads the lists in the DNS and their names in replies.
func (s *screen) openSites() error {
	names, err := table.OpenList(conf.DNSBLReplyMap, table.FoldKey)
	if err != nil {
		return fmt.Errorf("parameter postscreen_dnsbl_reply_map: %w", err)
	}
	s.sites, err = parseSites(conf.DNSBLSites, func(domain string) (string, error) {
		value, found, err := names.Lookup(domain)
		if err != nil || !found {
			value = domain
		}
		return value, err
	})
	if err != nil {
		return fmt.Errorf("parameter postscreen_dnsbl_sites: %w", err)
	}
	return nil
}

func (s *settings) read(values *param.Settings) error {
	s.service = values.Value("smtpd_service_name")
	s.resolution, _ = strconv.Atoi(values.Value("delay_logging_resolution_limit"))
	s.high, s.low = conf.PreQueueLimit*9/10, conf.PreQueueLimit*7/10
	for _, a := range []struct {
		to          *action
		name, value string
	}{
		{&s.denied, "postscreen_denylist_action", conf.DenylistAction},
		{&s.greet, "postscreen_greet_action", conf.GreetAction},
		{&s.blocked, "postscreen_dnsbl_action", conf.DNSBLAction},
		{&s.deep[pipelining], "postscreen_pipelining_action", conf.PipeliningAction},
		{&s.deep[nonSMTP], "postscreen_non_smtp_command_action", conf.NonSMTPCommandAction},
		{&s.deep[bareNewline], "postscreen_bare_newline_action", conf.BareNewlineAction},
	} {
		var err error
		if *a.to, err = parseAction(a.name, a.value); err != nil {
			return err
		}
	}
	switch strings.ToLower(conf.ProxyProtocol) {
	case "":
	case "haproxy":
		s.proxy = true
	default:
		return fmt.Errorf("parameter postscreen_upstream_proxy_protocol: %q: want haproxy", conf.ProxyProtocol)
	}
	s.protocols = protocols(values.Value("inet_protocols"))
	s.chooseTests()
	if err := s.readTimes(values); err != nil {
		return err
	}
	s.engineRules.banner = values.Value("smtpd_banner")
	s.engineRules.footer = raw(values, "smtpd_reject_footer", string(conf.RejectFooter))
	s.engineRules.charset = text.Unescape(raw(values, "smtpd_expansion_filter", string(conf.ExpansionFilter)))
	return s.engineRules.read()
}

// raw is a text whose expressions are for later, unless it is another parameter.
func raw(values *param.Settings, other, value string) string {
	if value != "$"+other && value != "${"+other+"}" {
		return value
	}
	value, set := values.Get(other)
	if !set {
		value = param.Lookup(other).Default
	}
	return value
}

// protocols reads inet_protocols.
func protocols(list string) [2]bool {
	all := strings.Contains(list, "all")
	return [2]bool{all || strings.Contains(list, "ipv4"), all || strings.Contains(list, "ipv6")}
}

// chooseTests finds out which tests are in use.
func (s *settings) chooseTests() {
	s.shortest = min(conf.GreetTTL, conf.DNSBLMinTTL, conf.PipeliningTTL, conf.NonSMTPCommandTTL, conf.BareNewlineTTL)
	if conf.GreetBanner != "" {
		s.teaser = "220-" + conf.GreetBanner + "\r\n"
	}
	for t, use := range map[test]bool{pregreet: s.teaser != "", blocklists: strings.TrimSpace(conf.DNSBLSites) != "",
		pipelining: conf.PipeliningEnable, nonSMTP: conf.NonSMTPCommandEnable, bareNewline: conf.BareNewlineEnable} {
		if use {
			s.inUse.add(t)
		}
	}
}

// readTimes reads the times that depend on stress.
func (s *settings) readTimes(values *param.Settings) error {
	s.wait, s.limit = [2]time.Duration{conf.GreetWait, conf.GreetWait}, [2]time.Duration{conf.CommandTimeLimit, conf.CommandTimeLimit}
	stressed := values.Clone()
	stressed.Override("stress", "yes")
	for name, to := range map[string]*time.Duration{"postscreen_greet_wait": &s.wait[1], "postscreen_command_time_limit": &s.limit[1]} {
		d, err := param.ParseTime(stressed.Value(name), "1s")
		if err != nil {
			return fmt.Errorf("parameter %s: %w", name, err)
		}
		*to = max(d, time.Second)
	}
	return nil
}

// serve accepts clients until master is gone, or a table has changed.
func (s *screen) serve(p *server.Process) {
	end, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		err = s.loop.listen(end, action0(func() { s.stopped = true }))
	}
	if err == nil {
		err = s.loop.listen(p.MasterFD(), action0(func() { s.loop.forget(p.MasterFD()); s.drain() }))
	}
	for _, fd := range s.listen {
		if err == nil {
			err = s.loop.listen(fd, acceptor{s, fd, p})
		}
	}
	if err != nil {
		msg.Fatal("%v", err)
	}
	endSignal(end)
	go watchdog(func() (uint64, bool) { return s.steps.Load(), s.waiting.Load() })
	if s.cache != nil && conf.CacheCleanupInterval > 0 {
		go s.cache.cleanForever()
	}
	if s.cache == nil {
		s.idle(p.MaxIdle)
	}
	s.run(&s.steps, &s.waiting)
	s.cache.close()
}

// idle ends a process that has nothing to remember and nothing to do.
func (s *screen) idle(limit time.Duration) {
	s.after(&s.ended, limit, func() {
		if s.clients == 0 {
			s.stopped = true
			return
		}
		s.idle(limit)
	})
}

type action0 func()

func (a action0) ready(poll.Event) { a() }

// An acceptor takes the clients of one listen socket.
type acceptor struct {
	*screen
	fd int
	p  *server.Process
}

// batch is how many clients are taken before those that are here get a turn.
const batch = 64

func (a acceptor) ready(poll.Event) {
	if name := table.Changed(); name != "" {
		msg.Info("table %s has changed - finishing in the background", name)
		a.drain()
		return
	}
	for range batch {
		fd, from, err := unix.Accept4(a.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			msg.Fatal("accept connection: %v", err)
		default:
			return // it has gone, or another process has it
		}
		if !a.served {
			a.p.Taken()
			a.p.Available()
			a.served = true
		}
		a.accept(fd, from)
	}
}

// drain takes no more clients, forgets the cache, which the next process needs, and
// ends the process when its clients are gone. Those that have not begun to talk are
// gone after postscreen_greet_wait; the others are then told to come again, because
// there is no next process before this one has ended.
func (s *screen) drain() {
	if s.ending {
		return
	}
	s.ending = true
	s.cache.close()
	for _, fd := range s.listen {
		s.loop.forget(fd)
		unix.Close(fd)
	}
	s.after(&s.ended, s.wait[s.pressure()]+time.Second, func() {
		s.stopped = true
		for _, h := range s.handlers {
			if c, ok := h.(*client); ok && c.stage == talking {
				c.drop("421 4.3.2 Service currently unavailable")
			}
		}
	})
	s.stopped = s.clients == 0
}

// endpoint is address and port of a socket.
func endpoint(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
