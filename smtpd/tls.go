package main

import (
	"fmt"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/net/starttls"
	"postrider/lib/service/anvil"
	"postrider/lib/service/tlsmgr"
	"postrider/smtpd/access"
)

// A tlsService is TLS as this service offers it.
type tlsService struct {
	offered  bool             // STARTTLS is announced
	enforced bool             // nothing goes without it
	wrapped  bool             // it begins with the connection
	server   *starttls.Server // nil: it is offered, but something is wrong
}

// openTLS reads certificates while the process may still read all files. What is
// wrong with them is logged; clients are told to come again.
func (sv *service) openTLS() error {
	c := &conf.TLS
	t := &sv.tls
	if err := t.level(); err != nil {
		return err
	}
	if !t.offered {
		return nil
	}
	o, err := t.options()
	if err == nil && len(o.Certificates) == 0 && o.Names.Empty() {
		msg.Warn("No server certs available. TLS won't be enabled")
		return nil
	}
	if err == nil {
		o.Service = sv.name
		if c.SessionTicketCipher != "" && c.SMTPDTimeout > 0 {
			o.Tickets = tlsmgr.NewKeys(tlsmgr.New(c.Manager.TlsmgrServiceName, conf.IPCIdle, conf.IPCTTL))
		}
		t.server, err = starttls.NewServer(&conf.TLSLibrary, o)
	}
	if err != nil {
		msg.Warn("%v: disabling TLS support", err)
	}
	if c.ReqCcert && !t.enforced {
		msg.Warn("Can't require client certs unless TLS is required")
	}
	return nil
}

// level finds out how much TLS is wanted.
func (t *tlsService) level() error {
	c := &conf.TLS
	t.enforced, t.offered, t.wrapped = c.EnforceTLS, c.UseTLS || c.EnforceTLS || c.WrapperMode, c.WrapperMode
	if c.SecurityLevel == "" {
		name := "smtpd_use_tls"
		if c.EnforceTLS {
			name = "smtpd_enforce_tls"
		}
		if c.UseTLS || c.EnforceTLS {
			msg.Warn("support for parameter %q will be removed from %s; instead, specify %q", name, conf.MailName, "smtpd_tls_security_level")
		}
	} else {
		level, err := starttls.ParseLevel(c.SecurityLevel)
		if err != nil {
			return fmt.Errorf("parameter smtpd_tls_security_level: %w", err)
		}
		if level > starttls.Encrypt {
			msg.Warn("smtpd_tls_security_level: unsupported TLS level %q, using %q", c.SecurityLevel, starttls.Encrypt)
			level = starttls.Encrypt
		}
		t.offered, t.enforced = level >= starttls.May || c.WrapperMode, level == starttls.Encrypt
	}
	t.enforced = t.enforced || t.wrapped
	return nil
}

// options are what the parameters say.
func (t *tlsService) options() (o starttls.ServerOptions, err error) {
	c := &conf.TLS
	var unknown []string
	if o.Log, unknown = starttls.ParseLog(c.Loglevel); len(unknown) > 0 {
		msg.Warn("unknown smtpd_tls_loglevel value %q in %q", strings.Join(unknown, " "), c.Loglevel)
	}
	protocols, excluded := c.Protocols, c.ExcludeCiphers
	o.CipherGrade = c.Ciphers
	if t.enforced {
		protocols, o.CipherGrade = c.MandatoryProtocols, c.MandatoryCiphers
		excluded += " " + c.MandatoryExcludeCiphers
	}
	o.Exclude = excluded
	if o.Versions, err = starttls.ParseVersions(protocols); err != nil {
		return o, err
	}
	if o.Digest, err = starttls.ParseDigest(c.FingerprintDigest); err != nil {
		return o, err
	}
	if o.Certificates, err = starttls.LoadServer(conf.TLS.ChainFiles, [2]string{conf.TLS.CertFile, conf.TLS.KeyFile}, [2]string{conf.TLS.ECCertFile, conf.TLS.ECKeyFile}); err != nil {
		return o, err
	}
	if o.Names, err = table.OpenList(c.SNIMaps, table.FoldKey|table.SourceIsFile); err != nil {
		return o, fmt.Errorf("parameter tls_server_sni_maps: %w", err)
	}
	o.Ask, o.Depth = c.AskCcert || c.ReqCcert && t.enforced, c.CcertVerifydepth
	if !o.Ask {
		return o, nil
	}
	if o.Roots, err = starttls.LoadRoots(c.CAFile, c.CAPath, conf.TLSLibrary.AppendDefaultCA); err == nil && c.CAFile != "" {
		o.Authorities, err = starttls.LoadRoots(c.CAFile, "", false)
	}
	return o, err
}

// starttlsCommand begins TLS. Source: RFC 3207, section 4.
func (s *session) starttlsCommand(args string) reply {
	switch {
	case args != "":
		return refuse("protocol", "501 5.5.4 Syntax: STARTTLS")
	case s.secret != nil:
		return refuse("protocol", "554 5.5.1 Error: TLS already active")
	case s.alone || !s.tls.offered || s.mask&maskStartTLS != 0:
		return refuse("protocol", "502 5.5.1 Error: command not implemented")
	case s.tls.server == nil:
		return refuse("", "454 4.7.0 TLS not available due to local problem")
	case s.tlsTooOften():
		msg.Warn("Refusing STARTTLS request from %s for service %s", s.nameAddr(), s.name)
		return refuse("policy", "454 4.7.0 Error: too many new TLS sessions from "+s.nameAddr())
	}
	s.say("220 2.0.0 Ready to start TLS")
	if err := s.s.Flush(); err != nil {
		s.failure = err
		return reply{}
	}
	if n := s.s.Buffered(); n > 0 {
		msg.Warn("%s: %d bytes after STARTTLS came before TLS, and are thrown away: %s", s.nameAddr(), n, escape(withoutSecrets(string(s.s.Unread()[:min(n, 100)]))))
	}
	s.startTLS()
	return reply{bad: s.failure != nil}
}

// startTLS does the handshake, after which the session knows nothing of what came
// before, not even what was received: anybody may have put it there (RFC 3207,
// section 4.2). It reports whether the session goes on.
func (s *session) startTLS() bool {
	secret, err := s.tls.server.Start(s.s, s.nameAddr(), conf.TLS.StarttlsTimeout)
	if err != nil {
		s.failure = errHandshake
		return false
	}
	s.secret = secret
	s.encryption = secureFacts(secret)
	s.s.SetTimeout(conf.Timeout)
	s.abort()
	if s.helo != "" {
		s.filters.Abort()
	}
	s.helo, s.mask, s.forward = "", 0, nil
	s.earlier = access.Earlier{}
	s.startSASL()
	return s.checkNewTLS() && s.checkCertificate()
}

// secureFacts are what restrictions and policy services learn.
func secureFacts(secret *starttls.ServerSession) access.TLS {
	sum := secret.Summary()
	f := access.TLS{Protocol: sum.Protocol, Cipher: sum.Cipher, KeySize: sum.Used, Trusted: secret.Trust >= starttls.Trusted}
	if peer := secret.Peer(); peer != nil {
		f.Certificate = true
		f.Subject, f.Issuer = starttls.PeerName(peer), starttls.IssuerName(peer)
		f.Fingerprint, f.KeyFingerprint = secret.Fingerprints()
	}
	return f
}

// checkCertificate ends the session of a client without the certificate that it
// must have.
func (s *session) checkCertificate() bool {
	if !conf.TLS.ReqCcert || !s.tls.enforced || s.encryption.Trusted {
		return true
	}
	reason := "No client certificate presented"
	if s.encryption.Certificate {
		reason = "Client certificate not trusted"
	}
	msg.Info("NOQUEUE: abort: TLS from %s: %s", s.nameAddr(), reason)
	s.history.trouble("policy")
	s.say("421 4.7.1 " + conf.MyHostname + " Error: " + reason)
	return false
}

// tlsTooOften reports whether a client has begun too many sessions.
func (s *session) tlsTooOften() bool {
	rate, limited := s.tlsRate(anvil.TLSStatus)
	return limited && rate > conf.TLS.NewTLSRateLimit
}

// checkNewTLS counts a new TLS session.
func (s *session) checkNewTLS() bool {
	rate, limited := s.tlsRate(anvil.NewTLS)
	if !limited || rate <= conf.TLS.NewTLSRateLimit {
		return true
	}
	msg.Warn("New TLS session rate limit exceeded: %d from %s for service %s", rate, s.nameAddr(), s.name)
	s.history.trouble("policy")
	s.say("421 4.7.0 " + conf.MyHostname + " Error: too many new TLS sessions from " + s.nameAddr())
	return false
}

func (s *session) tlsRate(request string) (rate int, limited bool) {
	if conf.TLS.NewTLSRateLimit == 0 || !s.limited() {
		return 0, false
	}
	s.ident = anvil.Ident(s.name, s.network())
	rate, err := s.anvil.Event(request, s.ident)
	if err != nil {
		msg.Warn("%v", err)
		return 0, false
	}
	return rate, true
}

// wrap begins TLS with the connection: smtpd_tls_wrappermode. It reports whether
// the session goes on.
func (s *session) wrap() bool {
	switch {
	case s.tls.server == nil:
		msg.Warn("Wrapper-mode request dropped from %s for service %s. TLS context initialization failed. For details see earlier warnings in your logs.", s.nameAddr(), s.name)
		return false
	case s.tlsTooOften():
		msg.Warn("Refusing TLS service request from %s for service %s", s.nameAddr(), s.name)
		return false
	}
	return s.startTLS()
}

// tlsMissing reports whether a command has to wait until there is TLS.
func (s *session) tlsMissing(c *command) bool {
	return s.tls.enforced && s.secret == nil && !s.alone && !c.plain
}
