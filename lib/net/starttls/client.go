package starttls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/net/dns"
)

// Options say what a Client has.
type Options struct {
	Roots        *Roots            // nil: trust nobody
	Anchors      []string          // trust anchor files, which are used instead
	Certificates []tls.Certificate // our own, for servers that ask
	Depth        int               // how many authorities, with the trusted one, may stand above a certificate; 0 for no limit
	Log          Log
	Sessions     Sessions // that are used again; nil: none
}

// A Client begins TLS with servers.
type Client struct {
	params  *Params
	options Options
	anchors []record
}

// NewClient makes a client. It reads the trust anchors, so that a process may
// give up its privileges and change its root directory afterwards.
func NewClient(p *Params, o Options) (*Client, error) {
	if o.Log.Has(LogVerbose) {
		msg.Info("initializing the client-side TLS engine")
	}
	if o.Roots == nil {
		o.Roots = newRoots()
	}
	anchors, err := loadAnchors(o.Anchors)
	if err != nil {
		return nil, err
	}
	return &Client{params: p, options: o, anchors: anchors}, nil
}

// SetLog changes what is logged.
func (c *Client) SetLog(l Log) { c.options.Log = l }

// A Peer is a server, with what it must be like.
type Peer struct {
	Name         string // in the log: "mx.example.com[192.0.2.1]:25"
	Address      string // "[192.0.2.1]:25", the key of saved sessions
	Helo         string // the name that it gave itself
	Level        Level
	Names        []string   // that may be in its certificate; see func Names
	Fingerprints [][]byte   // for the level Fingerprint
	Anchors      *Anchors   // instead of authorities, and of those in the Options
	TLSA         []dns.TLSA // for the DANE levels; see func FindTLSA
	ServerName   string     // to ask for (SNI); "" for none
	Versions     Versions
	CipherGrade  string
	Exclude      string // ciphers
	Digest       Digest // of fingerprints in the log
}

// Start changes a stream to TLS: at once, or after the server's answer 220 to
// STARTTLS. What the server has sent before TLS is thrown away, because anybody
// may have put it there. Start fails when there is no TLS; what the certificate is worth
// is in the Session.
func (c *Client) Start(s *stream.Stream, peer *Peer, limit time.Duration) (*Session, error) {
	log := c.options.Log
	if log.Has(LogVerbose) {
		msg.Info("setting up TLS connection to %s", peer.Name)
	}
	v, err := c.verifier(peer)
	var config *tls.Config
	if err == nil {
		config, err = c.config(peer)
	}
	if err != nil {
		msg.Warn("%s: %v", peer.Name, err)
		return nil, err
	}
	session := &Session{lower: &lower{Conn: s.Conn(), until: time.Now().Add(limit)}}
	config.GetClientCertificate = func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return session.choose(asked, c.options.Certificates), nil
	}
	if kept, ok := config.ClientSessionCache.(*cache); ok {
		kept.connection = session
	}
	session.tls = tls.Client(session.lower, config)
	if err := handshake(session.tls, "SSL_connect error to "+peer.Name); err != nil {
		return nil, err
	}
	session.State = session.tls.ConnectionState()
	session.Trust, session.Problem = c.judge(v, peer, &session.State)
	if log.Has(LogSummary) {
		msg.Info("%s TLS connection established to %s: %s", session.Trust, peer.Name, session.Details())
	}
	s.Reset(session) // forgets what came before TLS
	return session, nil
}

// choose finds the certificate that a server may want.
func (s *Session) choose(asked *tls.CertificateRequestInfo, ours []tls.Certificate) *tls.Certificate {
	for i := range ours {
		if asked.SupportsCertificate(&ours[i]) == nil {
			s.ours, s.asked = &ours[i], asked.SignatureSchemes
			return s.ours
		}
	}
	return new(tls.Certificate)
}

// handshake logs what goes wrong behind the words about who does it with whom.
func handshake(conn *tls.Conn, trouble string) error {
	err := conn.HandshakeContext(context.Background())
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		msg.Info("%s: Connection timed out", trouble)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		msg.Info("%s: lost connection", trouble)
	default:
		msg.Info("%s: -1", trouble)
		msg.Warn("TLS library problem: %v", err)
	}
	return err
}

// config is what crypto/tls needs to know. It does not verify: we do.
func (c *Client) config(peer *Peer) (*tls.Config, error) {
	list, err := c.params.CipherList(peer.CipherGrade, peer.Exclude)
	if err != nil {
		return nil, err
	}
	if c.options.Log.Has(LogVerbose) {
		msg.Info("%s: TLS cipher list %q", peer.Name, list)
	}
	if peer.Versions.Min == 0 {
		return nil, errNoVersion
	}
	config := &tls.Config{
		InsecureSkipVerify:     true,
		MinVersion:             peer.Versions.Min,
		MaxVersion:             peer.Versions.Max,
		CipherSuites:           Ciphers(list),
		CurvePreferences:       parseCurves(c.params.CurvesAuto),
		SessionTicketsDisabled: true,
	}
	if dns.ValidHostname(peer.ServerName) {
		config.ServerName = peer.ServerName
	}
	if c.options.Sessions != nil && c.options.Sessions.Ready() {
		config.SessionTicketsDisabled = false
		config.ClientSessionCache = &cache{Client: c, key: c.key(peer, list)}
	}
	return config, nil
}

// verifier finds out what to ask of the peer's certificates. Nobody can prove
// anything at a level without the records or fingerprints that it needs.
func (c *Client) verifier(peer *Peer) (*verifier, error) {
	v := &verifier{roots: c.options.Roots, matches: peer.Level.Matches() && peer.Level != HalfDANE, deep: c.params.WildcardMatchesMultipleLabels,
		depth: c.options.Depth, now: time.Now()}
	var rejected []record
	switch {
	case peer.Level == Fingerprint:
		v.records, rejected = fingerprintRecords(peer.Fingerprints, peer.Digest)
		v.pinned = len(peer.Fingerprints) > 0
		v.matches = v.pinned
	case peer.Level.UsesDANE():
		v.records, rejected = tlsaRecords(peer.TLSA, c.params.DANEDigests)
		v.names = peer.Names
	default:
		v.records = c.anchorsFor(peer)
		if v.matches {
			v.names = peer.Names
		}
	}
	for _, r := range rejected {
		msg.Warn("%s: unusable TLSA RR: %s", peer.Name, TLSAText(r.TLSA))
	}
	switch {
	case len(v.records) > 0:
	case peer.Level == Fingerprint && len(rejected) > 0:
		msg.Warn("%s: all fingerprints unusable", peer.Name)
	case peer.Level == DANEOnly:
		return nil, errUnusable
	case peer.Level.UsesDANE():
		if len(rejected) > 0 {
			msg.Warn("%s: all TLSA records unusable, fallback to unauthenticated TLS", peer.Name)
		}
		v.names, v.matches = nil, false
	}
	return v, nil
}

func (c *Client) anchorsFor(peer *Peer) []record {
	if peer.Anchors != nil {
		return peer.Anchors.list
	}
	return c.anchors
}

// judge finds out what the peer's certificates are worth, and logs why.
func (c *Client) judge(v *verifier, peer *Peer, state *tls.ConnectionState) (Trust, string) {
	log := c.options.Log
	chain := state.PeerCertificates
	found := v.verify(chain)
	if state.DidResume {
		if log.Has(LogSummary | LogCache) {
			msg.Info("%s: Reusing old session", peer.Name)
		}
		if found.problem != "" && peer.Level.Matches() {
			msg.Info("%s: re-using session with untrusted certificate, look for details earlier in the log", peer.Name)
		}
		c.logPeer(chain, peer)
		return found.trust, ""
	}
	if log.Has(LogVerbose) {
		logPath(v, peer.Name, chain, found)
	}
	if found.problem != "" && (log.Has(LogUntrusted) || peer.Level.Matches()) {
		msg.Info(found.problem, peer.Name)
	}
	if log.Has(LogPeer | LogMatch) {
		if found.name != "" {
			msg.Info("%s: matched peername: %s", peer.Name, found.name)
		}
		if found.record != "" {
			msg.Info("%s: %s", peer.Name, found.record)
		}
	}
	c.logPeer(chain, peer)
	return found.trust, found.problem
}

// logPeer says whose certificate it is.
func (c *Client) logPeer(chain []*x509.Certificate, peer *Peer) {
	if c.options.Log.Has(LogPeer|LogMatch) && len(chain) > 0 {
		msg.Info("%s: subject_CN=%s, issuer_CN=%s, fingerprint=%s, pkey_fingerprint=%s", peer.Name, PeerName(chain[0]), IssuerName(chain[0]),
			peer.Digest.Fingerprint(chain[0].Raw), peer.Digest.Fingerprint(chain[0].RawSubjectPublicKeyInfo))
	}
}

func logPath(v *verifier, name string, chain []*x509.Certificate, found verdict) {
	if len(chain) == 0 {
		return
	}
	verified := 0
	if found.problem == "" {
		verified = 1
	}
	path, _ := walk(chain, v.roots)
	for depth := len(path) - 1; depth >= 0; depth-- {
		msg.Info("%s: depth=%d verify=%d subject=%s", name, depth, verified, DistinguishedName(path[depth].RawSubject))
	}
}

// escape makes text safe in a format.
func escape(text string) string { return strings.ReplaceAll(text, "%", "%%") }
