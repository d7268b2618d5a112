package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/base/text"
	"postrider/lib/daemon/agent"
	"postrider/lib/net/dialogue"
	"postrider/lib/net/starttls"
	"postrider/lib/service/tlsmgr"
)

// An engine is what a process has for TLS. It is made before the root directory
// changes.
type engine struct {
	client     *starttls.Client // nil: out of order
	level      starttls.Level   // of main.cf
	insecureMX starttls.Level
	log        starttls.Log
	digest     starttls.Digest
	anchors    *starttls.Anchors // of main.cf; nil: none
	files      map[string]*starttls.Anchors
	policies   *table.List
	sites      *table.List
	probed     bool // the name servers were asked about DNSSEC
}

// newEngine makes an engine as main.cf wants it, or none when there is nothing
// to do for it. With certificates that cannot be read there is no TLS; mail for
// which it is not wanted goes on.
func newEngine() (*engine, error) {
	p := &conf.TLS
	e := &engine{files: map[string]*starttls.Anchors{}}
	var err error
	if e.level, err = mainLevel(p); err != nil {
		return nil, err
	}
	if e.insecureMX, err = starttls.ParseLevel(p.DANEInsecureMXPolicy); err != nil ||
		e.insecureMX != starttls.May && e.insecureMX != starttls.Encrypt && e.insecureMX != starttls.DANE {
		return nil, fmt.Errorf("invalid %s: %q; want may, encrypt or dane", paramName("smtp_tls_dane_insecure_mx_policy"), p.DANEInsecureMXPolicy)
	}
	if err := e.openTables(p); err != nil {
		return nil, err
	}
	if e.level == starttls.None && e.policies.Empty() && e.sites.Empty() && !p.NoteStarttlsOffer && !p.Wrappermode {
		return nil, nil
	}
	warnOfTLS(p)
	var unknown []string
	if e.log, unknown = starttls.ParseLog(p.Loglevel); len(unknown) > 0 {
		msg.Warn("unknown words in %s: %s", paramName("smtp_tls_loglevel"), strings.Join(unknown, " "))
	}
	if e.digest, err = starttls.ParseDigest(p.Client.FingerprintDigest); err == nil {
		err = e.open(p)
	}
	if err != nil {
		e.client = nil
		msg.Warn("%v: disabling TLS support", err)
	}
	return e, nil
}

// mainLevel is the level of main.cf, of which there are old forms.
func mainLevel(p *tlsParams) (starttls.Level, error) {
	switch {
	case p.SecurityLevel != "":
		level, err := starttls.ParseLevel(p.SecurityLevel)
		if err != nil {
			err = fmt.Errorf("invalid tls security level: %q", p.SecurityLevel)
		}
		return level, err
	case p.EnforceTLS && p.EnforcePeername:
		return starttls.Verify, nil
	case p.EnforceTLS:
		return starttls.Encrypt, nil
	case p.UseTLS:
		return starttls.May, nil
	}
	return starttls.None, nil
}

func (e *engine) openTables(p *tlsParams) (err error) {
	sites := p.PerSite
	if sites != "" && p.PolicyMaps != "" {
		msg.Warn("%s ignored when %s is not empty.", paramName("smtp_tls_per_site"), paramName("smtp_tls_policy_maps"))
		sites = ""
	}
	if e.policies, err = table.OpenList(p.PolicyMaps, table.FoldKey); err != nil {
		return fmt.Errorf("parameter %s: %w", paramName("smtp_tls_policy_maps"), err)
	}
	if e.sites, err = table.OpenList(sites, table.FoldKey); err != nil {
		return fmt.Errorf("parameter %s: %w", paramName("smtp_tls_per_site"), err)
	}
	return nil
}

// warnOfTLS tells the administrator, once in the life of a process, of settings
// that are old, and of those that this system cannot follow.
func warnOfTLS(p *tlsParams) {
	var old []string
	for name, set := range map[string]bool{"smtp_use_tls": p.UseTLS, "smtp_enforce_tls": p.EnforceTLS, "smtp_tls_per_site": p.PerSite != ""} {
		if set {
			old = append(old, paramName(name))
		}
	}
	if slices.Sort(old); len(old) > 0 {
		msg.Warn("obsolete: %s; use %s and %s", strings.Join(old, ", "), paramName("smtp_tls_security_level"), paramName("smtp_tls_policy_maps"))
	}
	if p.EnableRPK {
		msg.Warn("raw public keys are not available: %s is ignored", paramName("smtp_tls_enable_rpk"))
	}
	if p.DcertFile != "" {
		msg.Warn("DSA certificates are not available: %s is ignored", paramName("smtp_tls_dcert_file"))
	}
}

// open reads the files.
func (e *engine) open(p *tlsParams) error {
	roots, err := starttls.LoadRoots(p.CAfile, p.CApath, p.General.AppendDefaultCA)
	if err != nil {
		return err
	}
	certs, err := starttls.LoadChains(text.Split(p.ChainFiles))
	if err != nil {
		return err
	}
	for _, pair := range [][2]string{{p.CertFile, p.KeyFile}, {p.EccertFile, p.EckeyFile}} {
		if p.ChainFiles != "" || pair[0] == "" {
			continue
		}
		cert, err := starttls.LoadPair(pair[0], pair[1])
		if err != nil {
			return err
		}
		certs = append(certs, cert)
	}
	if files := text.Split(p.TrustAnchorFile); len(files) > 0 {
		if e.anchors, err = starttls.LoadAnchors(files...); err != nil {
			return err
		}
	}
	o := starttls.Options{Roots: roots, Certificates: certs, Depth: p.ScertVerifydepth + 2, Log: e.log}
	if p.Sessions.Cache != "" {
		o.Sessions = savedSessions()
	}
	e.client, err = starttls.NewClient(&p.General, o)
	return err
}

// savedSessions are those that tlsmgr(8) keeps for us; tests have some of their own.
var savedSessions = func() starttls.Sessions {
	return tlsmgr.NewSessions(tlsmgr.New(conf.TLS.Manager.TlsmgrServiceName, conf.IPCIdle, conf.IPCTTL), strings.ToLower(word()))
}

// secure changes to TLS when the level asks for it. It comes after EHLO, and says
// who we are once more when there is TLS. False means that no mail can be sent.
func (s *session) secure(d *delivery, greeting dialogue.Reply) bool {
	level := s.policy.level
	if s.starttls && level == starttls.None && conf.TLS.NoteStarttlsOffer && s.tls == nil {
		msg.Info("Host offered STARTTLS: [%s]", s.host)
	}
	if s.tls == nil && s.starttls && level > starttls.None && tlsEngine.client != nil {
		reply, err := s.ask("STARTTLS", conf.TLS.StarttlsTimeout)
		switch {
		case err != nil:
			d.failAll(s, s.broken(err, "receiving the STARTTLS response"), true)
			return false
		case reply.Class() == 2:
			return s.startTLS(d) && s.again(d, greeting)
		case level > starttls.May:
			d.reportFailure(s, "starttls_not_supported", "")
			d.failTLS(s, s.refusal(reply, "TLS is required, but host %s refused to start TLS: %s", s.name(), reply.Text()), "nostarttls")
			return false
		}
	}
	if s.tls == nil && level > starttls.None && !s.starttls {
		d.reportFailure(s, "starttls_not_supported", "")
	}
	if s.tls == nil && level > starttls.May {
		d.failTLS(s, s.noTLS(), "nostarttls")
		return false
	}
	return true
}

func (s *session) noTLS() *agent.Outcome {
	if s.starttls {
		return failure("4.7.5", "TLS is required, but our TLS engine is unavailable")
	}
	return failure("4.7.4", "TLS is required, but was not offered by host %s", s.name())
}

// startTLS does the handshake, and looks whether the server has proved what the
// level asks for.
func (s *session) startTLS(d *delivery) bool {
	level := s.policy.level
	if tlsEngine.client == nil {
		d.failAll(s, failure("4.7.5", "TLS is required, but our TLS engine is unavailable"), true)
		return false
	}
	s.mayGoPlain = level == starttls.May && !s.hasLogin(d) &&
		(d.req.TraceOnly() || d.req.Times.Active.Sub(d.req.Times.Arrival) >= minimalBackoff)
	peer, err := s.policy.peer(s)
	if err == nil {
		s.tls, err = tlsEngine.client.Start(s.Stream, peer, conf.TLS.StarttlsTimeout)
	}
	if err != nil {
		s.dead = true
		d.reportFailure(s, "validation_failure", "tls-handshake-failure")
		s.tryPlain()
		d.failAll(s, failure("4.7.5", "Cannot start TLS: handshake failure"), level != starttls.May)
		return false
	}
	enough := starttls.Verified
	if level == starttls.HalfDANE {
		enough = starttls.Trusted
	}
	if level.Matches() && s.tls.Trust < enough {
		kind, reason := certificateFailure(s.tls.Problem)
		d.reportFailure(s, kind, reason)
		d.failTLS(s, failure("4.7.5", "Server certificate not verified"), "nocertmatch")
		return false
	}
	d.reportSuccess(s)
	return true
}

// tryPlain notes that the same server is to be tried without TLS, as far as that
// is allowed: RFC 7435, section 3. A message that comes for the first time waits,
// since the trouble may be over the next time.
func (s *session) tryPlain() {
	if s.mayGoPlain {
		s.plain, s.final = true, false
	}
}

// again says who we are once more: what was said before TLS does not count. RFC
// 3207, section 4.2.
func (s *session) again(d *delivery, greeting dialogue.Reply) bool {
	s.features = features{pixESMTP: s.pixESMTP, pixDot: s.pixDot}
	s.replies.Strict = false
	reply, ok := s.hello(d, greeting)
	if !ok || !s.learn(d, reply) {
		return false
	}
	if conf.TLS.BlockEarlyMailReply && s.early() {
		msg.Warn("server %s violates %s policy", s.relay(), paramName("smtp_tls_block_early_mail_reply"))
		d.failAll(s, failure("4.7.0", "unexpected server message"), true)
		return false
	}
	return true
}

// early tells whether the server says something although we have asked nothing:
// it answers commands that somebody else has put in front of ours.
func (s *session) early() bool {
	s.SetDeadline(time.Now().Add(10 * time.Millisecond))
	defer s.SetDeadline(time.Time{})
	_, err := s.Peek(1)
	return err == nil
}
