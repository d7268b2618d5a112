package main

import (
	"fmt"

	"postrider/lib/base/msg"
	"postrider/lib/net/starttls"
)

// peer says what a server must be like. The error is that of a lookup for TLSA
// records which gave no answer.
func (f *finger) peer(t *target) (*starttls.Peer, error) {
	p := &starttls.Peer{Name: t.name(), Level: f.level, Fingerprints: f.fingerprints, Digest: f.digest, Versions: f.versions,
		CipherGrade: f.grade, ServerName: f.sni, Address: t.path}
	if t.path == "" {
		p.Address = fmt.Sprintf("[%s]:%d", t.addr, t.port)
	}
	host := t.host
	if p.Level.UsesDANE() {
		base, err := f.dane(p, t)
		if err != nil {
			return nil, err
		}
		if base != "" {
			host, p.ServerName = base, base
		}
	}
	p.Names = starttls.Names(f.names(p.Level), f.nexthop(), host)
	return p, nil
}

// names are the names to match at a level.
func (f *finger) names(level starttls.Level) []string {
	switch {
	case level.UsesDANE():
		return []string{"hostname", "nexthop"}
	case !level.Matches() || level == starttls.Fingerprint:
		return nil
	case len(f.match) > 0:
		return f.match
	case level == starttls.Verify:
		return []string{"hostname"}
	}
	return []string{"nexthop", "dot-nexthop"}
}

// dane takes the TLSA records over, or chooses another level. It gives the name
// that the records stand below.
func (f *finger) dane(p *starttls.Peer, t *target) (base string, err error) {
	if !t.secure && f.mxPolicy == starttls.May && t.answer.Name != "" {
		msg.Info("MX RRset is insecure: try to encrypt")
		p.Level = starttls.May
		return "", nil
	}
	list, base, found, err := starttls.FindTLSA(f.resolver, t.host, t.answer, t.port, f.force)
	switch {
	case err != nil:
		return "", err
	case len(list) == 0:
		if p.Level == starttls.DANEOnly || msg.Verbose > 0 {
			what := "TLSA records"
			if found {
				what = "usable TLSA records"
			}
			msg.Info("no %s found, resorting to \"secure\"", what)
		}
		p.Level = starttls.Secure
		return "", nil
	case !t.secure && f.mxPolicy == starttls.Encrypt:
		msg.Info("TLSA RRs found, MX RRset insecure: just encrypt")
		p.Level = starttls.Encrypt
	case !t.secure:
		msg.Info("MX RRset insecure: log verified as trusted")
		p.Level = starttls.HalfDANE
	}
	p.TLSA = list
	return base, nil
}
