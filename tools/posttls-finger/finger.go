package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/net/dns"
	"postrider/lib/net/starttls"
)

// A finger points at one destination.
type finger struct {
	*options
	to           destination
	resolver     *dns.Resolver
	family       dns.Family
	probed       bool // the name servers were asked about DNSSEC
	client       *starttls.Client
	sessions     starttls.Memory // for the second connection
	digest       starttls.Digest
	versions     starttls.Versions
	fingerprints [][]byte
}

// newFinger checks what the command line asks for before anything is sent.
func newFinger(o *options) (*finger, error) {
	f := &finger{options: o}
	var err error
	if f.to, err = parseDestination(o.dest, o.lmtp); err != nil {
		return nil, err
	}
	if f.family, err = family(); err != nil {
		return nil, err
	}
	if o.digestName == "" {
		o.digestName = conf.Client.FingerprintDigest
	}
	if f.digest, err = starttls.ParseDigest(o.digestName); err != nil {
		return nil, err
	}
	if f.versions, err = starttls.ParseVersions(o.protocols); err != nil {
		return nil, err
	}
	if _, err = conf.TLS.CipherList(o.grade, ""); err != nil {
		return nil, err
	}
	if o.level == starttls.Fingerprint {
		for _, text := range o.match {
			data, err := starttls.ParseFingerprint(text)
			if err != nil {
				return nil, err
			}
			f.fingerprints = append(f.fingerprints, data)
		}
	}
	if f.client, err = f.newClient(); err != nil {
		return nil, err
	}
	f.resolver, err = dns.New(dns.Options{Secure: true})
	return f, err
}

func family() (dns.Family, error) {
	switch v4, v6 := conf.Interfaces.Protocols(); {
	case v4 && v6:
		return dns.Any, nil
	case v4:
		return dns.IPv4, nil
	case v6:
		return dns.IPv6, nil
	}
	return dns.Any, fmt.Errorf("inet_protocols = %s: all network protocols are disabled", conf.Interfaces.InetProtocols)
}

func (f *finger) newClient() (*starttls.Client, error) {
	o := f.options
	roots, err := starttls.LoadRoots(o.caFile, o.caPath, conf.TLS.AppendDefaultCA)
	if err != nil {
		return nil, err
	}
	certs, err := starttls.LoadChains(o.chains)
	if err != nil {
		return nil, err
	}
	if o.cert+o.key != "" {
		pair, err := starttls.LoadPair(o.cert, o.key)
		if err != nil {
			return nil, err
		}
		certs = append(certs, pair)
	}
	for _, path := range o.anchors {
		checkAnchors(path)
	}
	options := starttls.Options{Roots: roots, Anchors: o.anchors, Certificates: certs, Log: o.log}
	if o.delay > 0 {
		options.Sessions = &f.sessions
	}
	return starttls.NewClient(&conf.TLS, options)
}

// checkAnchors ends the command when a trust anchor file cannot be used.
func checkAnchors(path string) {
	_, err := starttls.LoadAnchors(path)
	if err == nil {
		return
	}
	var failed *os.PathError
	if errors.As(err, &failed) {
		err = fmt.Errorf("error opening trust anchor file: %s: %w", path, failed.Err)
	}
	msg.Warn("%v", err)
	msg.Fatal("Failed to load trust anchor file: %s", path)
}

func (f *finger) run() {
	targets, err := f.find()
	if err != nil {
		msg.Info("Destination address lookup failed: %v", err)
		return
	}
	for i := range targets {
		t := &targets[i]
		peer, err := f.peer(t)
		if err != nil {
			msg.Warn("TLSA lookup error for %s:%d: %v", t.host, t.port, err)
			continue
		}
		talk := f.connect(t, peer)
		if talk == nil {
			continue
		}
		if !f.quiet {
			msg.Info("Connected to %s", t.name())
		}
		done := talk.session(false)
		f.printChain(talk.tls)
		if done && f.delay > 0 {
			f.reconnect(t, peer)
		}
		return
	}
}

// connect makes a connection; nil when there is none.
func (f *finger) connect(t *target, peer *starttls.Peer) *talk {
	network, addr := "tcp", netip.AddrPortFrom(t.addr, uint16(t.port)).String()
	if t.path != "" {
		network, addr = "unix", t.path
	}
	conn, err := net.DialTimeout(network, addr, f.connectLimit)
	if err == nil {
		return newTalk(f, stream.New(stream.Net(conn)), peer)
	}
	via := " via " + t.host
	if t.path != "" {
		via = ""
	}
	msg.Info("Failed to establish session to %s%s: connect to %s: %s", f.to.text, via, t.name(), reason(err))
	return nil
}

// reason is the text of a system error as it has always been in mail logs:
// "Connection refused".
func reason(err error) string {
	var number syscall.Errno
	text := err.Error()
	switch {
	case errors.As(err, &number):
		text = number.Error()
	case errors.Is(err, os.ErrDeadlineExceeded) || isTimeout(err):
		text = syscall.ETIMEDOUT.Error()
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// reconnect finds out whether the server knows the saved session.
func (f *finger) reconnect(t *target, peer *starttls.Peer) {
	if !f.sessions.Any() {
		msg.Info("Server declined session caching. Done reconnecting.")
		return
	}
	f.client.SetLog(f.log&^(starttls.LogPeer|starttls.LogMatch|starttls.LogVerbose) | starttls.LogCache | starttls.LogSummary)
	for range f.attempts {
		msg.Info("Reconnecting after %d seconds", int(f.delay/time.Second))
		time.Sleep(f.delay)
		talk := f.connect(t, peer)
		if talk == nil || !talk.session(true) {
			return
		}
		if talk.tls != nil && talk.tls.State.DidResume {
			msg.Info("Found a previously used server.  Done reconnecting.")
			return
		}
	}
	msg.Info("Maximum reconnect count reached.")
}

// printChain prints the certificates of the server.
func (f *finger) printChain(s *starttls.Session) {
	if !f.chain || s == nil || len(s.State.PeerCertificates) == 0 {
		return
	}
	fmt.Print("\n---\nCertificate chain\n")
	for i, cert := range s.State.PeerCertificates {
		fmt.Printf("%2d subject: %s\n    issuer: %s\n   cert digest=%s\n   pkey digest=%s\n%s", i,
			starttls.DistinguishedName(cert.RawSubject), starttls.DistinguishedName(cert.RawIssuer),
			f.digest.Fingerprint(cert.Raw), f.digest.Fingerprint(cert.RawSubjectPublicKeyInfo),
			pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	}
}
