package main

import (
	"fmt"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/daemon/agent"
	"postrider/lib/net/dns"
	"postrider/lib/net/starttls"
)

// tlsEngine is nil when there is nothing to do for TLS.
var tlsEngine *engine

// policy says how to do TLS with a server, or why that cannot be told.
func (r *router) policy(d destination, t target) (tlsPolicy, *agent.Outcome) {
	e := tlsEngine
	if e == nil {
		return tlsPolicy{}, nil
	}
	p := tlsPolicy{level: e.level}
	var why *agent.Outcome
	switch {
	case !e.policies.Empty():
		why = e.policyLookup(&p, d.key())
	case !e.sites.Empty():
		why = e.siteLookup(&p, d.key(), t.host)
	}
	p.asked = p.level
	if why == nil {
		why = p.sts.allows(p.level, t.host)
	}
	if why == nil && (p.level == starttls.DANE || p.level == starttls.DANEOnly) {
		why = e.dane(r.resolver, &p, d, t)
	}
	if why != nil {
		return p, why
	}
	p.nexthop = d.host
	return p, p.complete(e, d)
}

// siteLookup asks smtp_tls_per_site for a next hop and for a server. Both count
// alike; MAY does not make $smtp_tls_security_level weaker.
func (e *engine) siteLookup(p *tlsPolicy, nexthop, host string) *agent.Outcome {
	const notFound = starttls.Level(-1)
	level := notFound
	for _, key := range []struct{ class, name string }{{"next-hop destination", nexthop}, {"server hostname", host}} {
		if key.class == "server hostname" && strings.EqualFold(nexthop, host) {
			break
		}
		value, found, err := e.sites.Lookup(key.name)
		switch {
		case err != nil:
			msg.Warn("%s: %s \"%s\": per-site table lookup error", paramName("smtp_tls_per_site"), key.class, key.name)
			return failure("4.3.0", "Temporary lookup error")
		case !found:
			continue
		}
		switch strings.ToUpper(value) {
		case "NONE":
			if level <= starttls.May {
				level = starttls.None
			}
		case "MAY":
			if level == notFound {
				level = starttls.May
			}
		case "MUST_NOPEERMATCH":
			level = max(level, starttls.Encrypt)
		case "MUST":
			level = max(level, starttls.Verify)
		default:
			msg.Warn("%s: unknown TLS policy '%s' for %s %s", paramName("smtp_tls_per_site"), value, key.class, key.name)
			return configTrouble()
		}
	}
	switch {
	case level == starttls.May:
		p.level = max(level, p.level)
	case level != notFound:
		p.level = level
	}
	return nil
}

// allows tells whether the MTA-STS policy of the destination lets us talk with a
// server. RFC 8461, section 4.1: a wildcard is one label.
func (s *sts) allows(level starttls.Level, host string) *agent.Outcome {
	switch {
	case level <= starttls.May:
		return nil
	case s.failure != "":
		return failure("4.7.5", "MTA-STS policy failure: %s", s.failure)
	case !conf.TLS.EnforceSTSMXPatterns || len(s.patterns) == 0:
		return nil
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	_, parent, _ := strings.Cut(host, ".")
	for _, pattern := range s.patterns {
		pattern = strings.ToLower(strings.TrimSuffix(pattern, "."))
		if below, wild := strings.CutPrefix(pattern, "*."); pattern == host || wild && below == parent {
			return nil
		}
	}
	return failure("4.7.5", "MTA-STS policy does not allow server %s", host)
}

// dane looks for TLSA records. Without records that can be used, "dane" becomes a
// weaker level, while "dane-only" leaves nothing to do. RFC 7672, section 2.2.
func (e *engine) dane(resolver *dns.Resolver, p *tlsPolicy, d destination, t target) *agent.Outcome {
	if t.path != "" {
		msg.Warn("%s: the \"dane\" security level is invalid for delivery via unix-domain sockets", d.key())
		return configTrouble()
	}
	if why := daneSettings(d.key(), p.level); why != "" {
		msg.Warn("%s", why)
		if p.level == starttls.DANEOnly {
			return configTrouble()
		}
		p.level = starttls.May
		return nil
	}
	insecure := t.viaMX && !t.secureMX
	if insecure && (p.level == starttls.DANEOnly || e.insecureMX == starttls.May) {
		return p.without(starttls.May, "non DNSSEC destination")
	}
	var answer dns.Answer
	if t.answer != nil {
		answer = *t.answer
	}
	if !answer.Secure && !e.probed {
		e.probed = true
		conf.TLS.General.ProbeDNSSEC(resolver)
	}
	list, base, found, err := starttls.FindTLSA(resolver, t.query, answer, t.port, conf.TLS.ForceInsecureHostTLSALookup)
	switch {
	case err != nil:
		return failure("4.7.5", "TLSA lookup error for %s:%d", t.host, t.port)
	case !found:
		return p.without(starttls.May, "no TLSA records found")
	case len(list) == 0:
		return p.without(starttls.Encrypt, "TLSA records unusable")
	case insecure && e.insecureMX == starttls.Encrypt:
		p.level = starttls.Encrypt
		return nil
	}
	p.level = starttls.DANE
	if insecure {
		p.level = starttls.HalfDANE
	}
	p.tlsa, p.base = list, base
	return nil
}

// without chooses what "dane" is without records.
func (p *tlsPolicy) without(level starttls.Level, why string) *agent.Outcome {
	if p.level == starttls.DANEOnly {
		return failure("4.7.5", "%s", why)
	}
	p.level = level
	return nil
}

// daneSettings tells which setting makes DANE useless.
func daneSettings(nexthop string, level starttls.Level) string {
	switch {
	case !strings.Contains(strings.ToLower(conf.HostLookup), "dns") || !strings.EqualFold(conf.DNSSupportLevel, "dnssec"):
		return fmt.Sprintf("%s: %s configured with dnssec lookups disabled", nexthop, level)
	case !lmtp && conf.IgnoreMXLookupError:
		return fmt.Sprintf("%s: %s configured with MX lookup errors ignored", nexthop, level)
	case conf.DNSResolverOptions != "":
		return fmt.Sprintf("%s: dns resolver options incompatible with %s TLS", nexthop, level)
	}
	return ""
}

// complete fills in what main.cf says, at the level that was found.
func (p *tlsPolicy) complete(e *engine, d destination) *agent.Outcome {
	c := &conf.TLS
	if p.level == starttls.None {
		return nil
	}
	grade, protocols, exclude := c.MandatoryCiphers, c.MandatoryProtocols, c.ExcludeCiphers+" "+c.MandatoryExcludeCiphers
	if p.level == starttls.May {
		grade, protocols, exclude = c.Ciphers, c.Protocols, c.ExcludeCiphers
	}
	if p.grade == "" {
		p.grade = grade
	}
	if p.protocols == "" {
		p.protocols = protocols
	}
	if p.exclude == nil {
		p.exclude = &exclude
	}
	if p.servername == "" {
		if p.servername = c.Servername; p.servername != "" && !specialName(p.servername) && !dns.ValidHostname(p.servername) {
			msg.Warn("\"%s = %s\" specifies an invalid hostname", paramName("smtp_tls_servername"), p.servername)
			return configTrouble()
		}
	}
	switch p.level {
	case starttls.Verify, starttls.Secure:
		p.completeMatch(e)
	case starttls.Fingerprint:
		return p.completeFingerprints(d)
	}
	return nil
}

func (p *tlsPolicy) completeMatch(e *engine) {
	names := conf.TLS.VerifyCertMatch
	if p.level == starttls.Secure {
		names = conf.TLS.SecureCertMatch
	}
	switch {
	case conf.TLS.EnforceSTSMXPatterns && len(p.patterns) > 0:
		p.match = []string{"hostname"}
	case p.match == nil:
		p.match = strings.FieldsFunc(names, func(r rune) bool { return strings.ContainsRune(text.Separators+":", r) })
	}
	if p.anchors == nil {
		p.anchors = e.anchors
	}
}

func (p *tlsPolicy) completeFingerprints(d destination) *agent.Outcome {
	if p.match == nil {
		p.match = strings.FieldsFunc(conf.TLS.FingerprintCertMatch, func(r rune) bool { return strings.ContainsRune(text.Separators+"|", r) })
	}
	for _, word := range p.match {
		data, err := starttls.ParseFingerprint(word)
		if err != nil {
			msg.Warn("%v", err)
			continue
		}
		p.fingerprints = append(p.fingerprints, data)
	}
	if len(p.fingerprints) == 0 {
		msg.Warn("nexthop domain %s: configured at fingerprint security level, but with no fingerprints to match.", d.key())
		return configTrouble()
	}
	return nil
}

// peer is the policy in the words of TLS.
func (p *tlsPolicy) peer(s *session) (*starttls.Peer, error) {
	peer := &starttls.Peer{Name: s.relay(), Address: s.relay(), Helo: s.helo, Level: p.level, Fingerprints: p.fingerprints, TLSA: p.tlsa,
		Anchors: p.anchors, ServerName: p.servername, CipherGrade: p.grade, Exclude: *p.exclude, Digest: tlsEngine.digest}
	host := s.host
	switch {
	case p.level == starttls.DANE || p.level == starttls.HalfDANE:
		peer.ServerName, host, p.match = p.base, p.base, []string{"hostname", "nexthop"}
	case p.servername == "hostname":
		peer.ServerName = host
	case p.servername == "nexthop":
		peer.ServerName = p.nexthop
	}
	if p.level != starttls.Fingerprint {
		peer.Names = starttls.Names(p.match, p.nexthop, host)
	}
	var err error
	if peer.Versions, err = starttls.ParseVersions(p.protocols); err != nil {
		msg.Warn("%s: %v: aborting TLS session", peer.Name, err)
	}
	return peer, err
}
