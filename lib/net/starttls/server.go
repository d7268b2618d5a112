package starttls

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/base/table"
	"postrider/lib/net/dns"
)

// ServerParams are the parameters of all servers.
type ServerParams struct {
	// Certificates for the names that clients ask for (SNI), instead of the
	// server's own: tables of names, or ".example.com" for all names below,
	// and files with a private key and its certificates, made with
	// "postmap -F".
	SNIMaps string `param:"tls_server_sni_maps" default:""`

	// Let the server's order of ciphers count, not the client's. It has no
	// effect: the TLS library chooses, by what is fast on both sides.
	PreemptCiphers bool `param:"tls_preempt_cipherlist" default:"no"`

	// Whether clients get tickets, with which they can resume a session. Empty:
	// they do not. The cipher that is named here does not matter: tickets are
	// sealed with aes-256-gcm.
	SessionTicketCipher string `param:"tls_session_ticket_cipher" default:"aes-256-cbc"`
}

// ServerOptions say what a Server has, and what it asks for.
type ServerOptions struct {
	Certificates []tls.Certificate
	Names        *table.List // tls_server_sni_maps; nil: none
	Roots        *Roots      // nil: trust nobody
	Authorities  *Roots      // that clients are told; nil: none
	Ask          bool        // for a certificate
	Depth        int         // of authorities between a client's certificate and a trusted one
	Versions     Versions
	CipherGrade  string
	Exclude      string // ciphers
	Digest       Digest // of fingerprints in the log
	Log          Log
	Tickets      TicketKeys // with which clients take up sessions; nil: they cannot
	Service      string     // whose sessions are not those of others
}

// A Server begins TLS with clients.
type Server struct {
	options  ServerOptions
	config   *tls.Config
	ciphers  string
	identity string // of the rules, in tickets
}

// NewServer makes a server.
func NewServer(p *Params, o ServerOptions) (*Server, error) {
	if o.Log.Has(LogVerbose) {
		msg.Info("initializing the server-side TLS engine")
	}
	list, err := p.CipherList(o.CipherGrade, o.Exclude)
	if err != nil {
		return nil, err
	}
	if o.Versions.Min == 0 {
		return nil, errNoVersion
	}
	if o.Roots == nil {
		o.Roots = newRoots()
	}
	config := &tls.Config{
		MinVersion:             o.Versions.Min,
		MaxVersion:             o.Versions.Max,
		CipherSuites:           Ciphers(list),
		CurvePreferences:       parseCurves(p.CurvesAuto),
		SessionTicketsDisabled: true,
	}
	if o.Ask {
		config.ClientAuth = tls.RequestClientCert // what it is worth, we find out
		if o.Authorities != nil {
			config.ClientCAs = o.Authorities.pool
		}
	}
	var unused [32]byte // tickets have keys of their own, or there are none: crypto/tls need not make some
	rand.Read(unused[:])
	config.SetSessionTicketKeys([][32]byte{unused})
	s := &Server{options: o, config: config, ciphers: list}
	s.identify()
	return s, nil
}

// A ServerSession is a connection with TLS that a client has asked for. Trust
// says what its certificate is worth, never more than Trusted.
type ServerSession struct {
	*Session
	digest Digest
	named  string // the name whose certificate was shown; "" for our own
}

// Start changes a stream to TLS: at once, or after the answer 220 to STARTTLS.
// What the client has sent before TLS is thrown away, because anybody may have
// put it there. Name is the client in the log.
func (s *Server) Start(st *stream.Stream, name string, limit time.Duration) (*ServerSession, error) {
	o := &s.options
	if o.Log.Has(LogVerbose) {
		msg.Info("setting up TLS connection from %s", name)
		msg.Info("%s: TLS cipher list %q", name, s.ciphers)
	}
	done := &ServerSession{digest: o.Digest}
	session := &Session{lower: &lower{Conn: st.Conn(), until: time.Now().Add(limit)}}
	config := s.config.Clone()
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return s.choose(done, hello, name)
	}
	done.Session = session
	if o.Tickets != nil && o.Tickets.Ready() {
		s.tickets(config, done, name)
	}
	session.tls = tls.Server(session.lower, config)
	if err := handshake(session.tls, "SSL_accept error from "+name); err != nil {
		return nil, err
	}
	session.State = session.tls.ConnectionState()
	if session.State.DidResume && o.Log.Has(LogCache) {
		msg.Info("%s: Reusing old session (RFC 5077 session ticket)", name)
	}
	session.Trust = s.judge(&session.State, name)
	if o.Log.Has(LogSummary) {
		if done.named != "" {
			name += " to " + done.named
		}
		msg.Info("%s TLS connection established from %s: %s", session.Trust, name, done.Details())
	}
	st.Reset(session) // forgets what came before TLS
	return done, nil
}

var errNoCertificate = errors.New("no certificate for what the client knows")

// choose finds the certificate for a client: one for the name that it asks for,
// or one of the server's own.
func (s *Server) choose(session *ServerSession, hello *tls.ClientHelloInfo, name string) (*tls.Certificate, error) {
	list, err := s.named(hello.ServerName, name)
	if err != nil {
		return nil, err
	}
	if list == nil {
		list = s.options.Certificates
	} else {
		session.named = hello.ServerName
	}
	known := *hello
	known.ServerName = ""                           // which names a certificate has is not our affair
	for _, scheme := range hello.SignatureSchemes { // the client's order
		for i := range list {
			if signs(&list[i], scheme) && known.SupportsCertificate(&list[i]) == nil {
				session.ours, session.asked = &list[i], hello.SignatureSchemes
				return session.ours, nil
			}
		}
	}
	// A client may leave out what it knows; so does crypto/tls.
	if len(list) > 0 {
		session.ours, session.asked = &list[0], hello.SignatureSchemes
		return session.ours, nil
	}
	return nil, errNoCertificate
}

// signs tells whether the key of a certificate can make such signatures.
func signs(c *tls.Certificate, scheme tls.SignatureScheme) bool {
	switch key := c.PrivateKey.(type) {
	case *ecdsa.PrivateKey:
		return ecdsaCurves[scheme] == key.Params().Name
	case ed25519.PrivateKey:
		return scheme == tls.Ed25519
	case *rsa.PrivateKey:
		return scheme == tls.PSSWithSHA256 || scheme == tls.PSSWithSHA384 || scheme == tls.PSSWithSHA512 ||
			scheme == tls.PKCS1WithSHA256 || scheme == tls.PKCS1WithSHA384 || scheme == tls.PKCS1WithSHA512
	}
	return false
}

// named finds the certificates for a name; none when there are none for it.
func (s *Server) named(wanted, client string) ([]tls.Certificate, error) {
	names := s.options.Names
	if wanted == "" || names.Empty() {
		return nil, nil
	}
	if !dns.ValidHostname(wanted) {
		msg.Warn("TLS SNI from %s is invalid: %s", client, wanted)
		return nil, nil
	}
	wanted = strings.ToLower(wanted)
	for key := wanted; key != ""; {
		value, found, err := names.Lookup(key)
		if err != nil {
			msg.Warn("tls_server_sni_maps: %s map lookup problem: %v", key, err)
			return nil, err
		}
		if found {
			list, err := parseChains([]byte(value), "SNI data for "+key)
			if err != nil {
				msg.Warn("%v", err)
			}
			return list, err
		}
		i := strings.IndexByte(key[1:], '.')
		if i < 0 {
			break
		}
		key = key[i+1:]
	}
	if s.options.Log.Has(LogVerbose) {
		msg.Info("TLS SNI %s from %s not matched, using default chain", wanted, client)
	}
	return nil, nil
}

// judge finds out what the client's certificates are worth, and logs why.
func (s *Server) judge(state *tls.ConnectionState, name string) Trust {
	o, chain := &s.options, state.PeerCertificates
	if len(chain) == 0 {
		return Anonymous
	}
	trust := Trusted
	problem := verifyClient(chain, o.Roots, o.Depth, time.Now())
	if problem != "" {
		trust = Untrusted
		if o.Log.Has(LogUntrusted) {
			msg.Info("%s", fmt.Sprintf(problem, name))
		}
	}
	cert := chain[0]
	if o.Log.Has(LogVerbose) {
		s.logPath(chain, name, problem == "")
		msg.Info("subject=%s", DistinguishedName(cert.RawSubject))
		msg.Info("issuer=%s", DistinguishedName(cert.RawIssuer))
	}
	if o.Log.Has(LogPeer) {
		msg.Info("%s: subject_CN=%s, issuer=%s, fingerprint=%s, pkey_fingerprint=%s", name, PeerName(cert), IssuerName(cert),
			o.Digest.Fingerprint(cert.Raw), o.Digest.Fingerprint(cert.RawSubjectPublicKeyInfo))
	}
	return trust
}

// logPath lists the certificates from an authority down to the client's own.
func (s *Server) logPath(chain []*x509.Certificate, name string, good bool) {
	path, _ := walk(chain, s.options.Roots)
	verified := 0
	if good {
		verified = 1
	}
	for depth := len(path) - 1; depth >= 0; depth-- {
		msg.Info("%s: depth=%d verify=%d subject=%s", name, depth, verified, DistinguishedName(path[depth].RawSubject))
	}
}

// Peer is the client's certificate, or nil.
func (s *ServerSession) Peer() *x509.Certificate {
	if list := s.State.PeerCertificates; len(list) > 0 {
		return list[0]
	}
	return nil
}

// Fingerprints are those of the client's certificate and of its public key; empty
// without a certificate.
func (s *ServerSession) Fingerprints() (cert, key string) {
	if peer := s.Peer(); peer != nil {
		return s.digest.Fingerprint(peer.Raw), s.digest.Fingerprint(peer.RawSubjectPublicKeyInfo)
	}
	return "", ""
}

// A Summary says how a session is protected.
type Summary struct {
	Protocol string // "TLSv1.3"
	Cipher   string
	Used     int    // bits of the key that count
	All      int    // bits of the key
	Exchange string // "key-exchange X25519 server-signature …"; only with TLS 1.3
}

// Summary takes the session apart.
func (s *ServerSession) Summary() Summary {
	state := &s.State
	sum := Summary{Protocol: VersionName(state.Version), Cipher: CipherName(state.CipherSuite)}
	sum.Used, sum.All = cipherBits(state.CipherSuite)
	if state.Version < tls.VersionTLS13 {
		return sum
	}
	if state.CurveID != 0 {
		sum.Exchange = " key-exchange " + curveName(state.CurveID)
	}
	if s.ours != nil && s.ours.Leaf != nil {
		sum.Exchange += signature("server", s.ours.Leaf.PublicKey, ownSignature(s.ours.Leaf.PublicKey, s.asked))
	}
	if peer := s.Peer(); peer != nil {
		sum.Exchange += signature("client", peer.PublicKey, peerSignature(state))
	}
	sum.Exchange = strings.TrimPrefix(sum.Exchange, " ")
	return sum
}

// Details is the summary on one line, for the log.
func (s *ServerSession) Details() string {
	sum := s.Summary()
	text := fmt.Sprintf("%s with cipher %s (%d/%d bits)", sum.Protocol, sum.Cipher, sum.Used, sum.All)
	if sum.Exchange != "" {
		text += " " + sum.Exchange
	}
	return text
}
