package starttls

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// A Trust says what was found out about the other side.
type Trust int

// Verified is what the level asks for; Trusted only means that some authority
// has signed the certificate.
const (
	Anonymous Trust = iota // no certificate
	Untrusted
	Trusted
	Verified
)

func (t Trust) String() string {
	return [...]string{"Anonymous", "Untrusted", "Trusted", "Verified"}[t]
}

// A verdict is what a chain of certificates is worth.
type verdict struct {
	trust   Trust
	name    string // that matched
	record  string // what the log says of the record that matched
	problem string // why it is not trusted; the peer's name goes to %s
}

// A verifier knows what the other side must prove.
type verifier struct {
	names   []string // in the certificate; none: any
	records []record // instead of authorities
	pinned  bool     // no authorities, even if there are no records
	roots   *Roots
	matches bool // the level asks for proof
	deep    bool // wildcards may be several labels
	depth   int  // of the longest chain that counts; 0: no limit
	now     time.Time
}

func (v *verifier) verify(chain []*x509.Certificate) verdict {
	switch {
	case len(chain) == 0:
		return verdict{}
	case len(v.records) > 0 || v.pinned:
		return v.byRecord(chain)
	}
	return v.byRoots(chain, v.roots)
}

// byRoots asks the authorities.
func (v *verifier) byRoots(chain []*x509.Certificate, roots *Roots) verdict {
	chains, err := chain[0].Verify(x509.VerifyOptions{Roots: roots.pool, Intermediates: pool(append(chain[1:len(chain):len(chain)], roots.below...)), CurrentTime: v.now})
	name, matched := "", true
	if len(v.names) > 0 {
		name, matched = matchNames(chain[0], v.names, v.deep)
	}
	switch {
	case err == nil && v.tooDeep(chains):
		return verdict{trust: Untrusted, problem: fmt.Sprintf("certificate verification failed for %%s: certificate chain longer than limit(%d)", v.depth-1)}
	case err != nil || !matched:
		return verdict{trust: Untrusted, problem: v.diagnose(chain, roots, matched, err)}
	case v.matches:
		return verdict{trust: Verified, name: name}
	}
	return verdict{trust: Trusted, name: name}
}

// tooDeep tells whether no chain is short enough.
func (v *verifier) tooDeep(chains [][]*x509.Certificate) bool {
	return v.depth > 0 && !slices.ContainsFunc(chains, func(c []*x509.Certificate) bool { return len(c)-1 <= v.depth })
}

// byRecord looks for a record that matches. One for the certificate of the host
// itself needs nothing else; below one for an authority, names and dates count.
// RFC 7672, sections 3.1.1 and 3.1.2.
func (v *verifier) byRecord(chain []*x509.Certificate) verdict {
	anchors, last := false, len(chain)-1
	var failed *verdict
	for i := range v.records {
		r := &v.records[i]
		if r.Usage == usageEntity {
			if r.of(chain[0]) {
				return v.proved(verdict{record: r.matched(0)})
			}
			continue
		}
		anchors = true
		anchor, depth := r.anchor(chain)
		if anchor == nil {
			continue
		}
		found := v.byRoots(chain, newRoots(anchor))
		if found.problem == "" {
			found.record = r.matched(depth)
			return v.proved(found)
		}
		if failed == nil {
			failed = &found
		}
	}
	if failed != nil {
		return *failed
	}
	switch {
	case len(v.records) == 0:
		return verdict{trust: Untrusted, problem: "server certificate verification failed for %s: num=1:unspecified certificate verification error"}
	case anchors && last > 0:
		return verdict{trust: Untrusted, problem: "CA certificate verification failed for %s: num=65:no matching DANE TLSA records"}
	}
	return verdict{trust: Untrusted, problem: "server certificate verification failed for %s: num=65:no matching DANE TLSA records"}
}

func (v *verifier) proved(d verdict) verdict {
	if d.trust = Verified; !v.matches {
		d.trust = Trusted
	}
	return d
}

// anchor finds the certificate of a trust anchor, and its place in the chain. One
// that is wholly in the record need not be sent. A TLSA record is not for the
// certificate of the host itself.
func (r *record) anchor(chain []*x509.Certificate) (*x509.Certificate, int) {
	for depth, cert := range chain {
		if (depth > 0 || r.words != "") && r.of(cert) {
			return cert, depth
		}
	}
	last := chain[len(chain)-1]
	switch {
	case r.hash != 0:
		return nil, 0
	case r.Selector == selectCert:
		cert, err := x509.ParseCertificate(r.Data)
		if err != nil || last.CheckSignatureFrom(cert) != nil {
			return nil, 0
		}
		return cert, len(chain)
	}
	key, err := x509.ParsePKIXPublicKey(r.Data)
	if err != nil {
		return nil, 0
	}
	// A bare key has no certificate: this is the one that it would have.
	cert := &x509.Certificate{Raw: r.Data, Version: 3, RawSubject: last.RawIssuer, RawIssuer: last.RawIssuer, PublicKey: key,
		PublicKeyAlgorithm: last.PublicKeyAlgorithm, BasicConstraintsValid: true, IsCA: true, MaxPathLen: -1,
		NotBefore: last.NotBefore, NotAfter: last.NotAfter}
	cert.PublicKeyAlgorithm = keyAlgorithm(key)
	if last.CheckSignatureFrom(cert) != nil {
		return nil, 0
	}
	return cert, len(chain)
}

// A finding is something wrong with the certificate at a place in the chain.
type finding struct {
	depth int
	words string
}

// diagnose says why a chain is not trusted, the worst thing about the certificate
// that is nearest to the host. What crypto/x509 refuses for another reason is
// told in its words.
func (v *verifier) diagnose(chain []*x509.Certificate, roots *Roots, matched bool, err error) string {
	var list []finding
	path, trusted := walk(append(chain[:len(chain):len(chain)], roots.below...), roots)
	last := len(path) - 1
	switch issuer := DistinguishedName(path[last].RawIssuer); {
	case trusted:
	case last == 0 && selfIssued(path[0]):
		list = append(list, finding{0, "certificate verification failed for %s: self-signed certificate"})
	default:
		list = append(list, finding{last, "certificate verification failed for %s: untrusted issuer " + escape(issuer)})
	}
	if !forServers(path[0]) {
		list = append(list, finding{0, "certificate verification failed for %s: not designated for use as a server certificate"})
	}
	if !matched {
		list = append(list, finding{0, "server certificate verification failed for %s: " + mismatch(v.names)})
	}
	for depth := last; depth >= 0; depth-- {
		switch cert := path[depth]; {
		case v.now.Before(cert.NotBefore):
			list = append(list, finding{depth, side(depth) + " certificate verification failed for %s: certificate not yet valid"})
		case v.now.After(cert.NotAfter):
			list = append(list, finding{depth, side(depth) + " certificate verification failed for %s: certificate has expired"})
		}
	}
	if len(list) == 0 {
		return "server certificate verification failed for %s: " + escape(fmt.Sprint(err))
	}
	return slices.MinFunc(list, func(a, b finding) int { return a.depth - b.depth }).words
}

func side(depth int) string {
	if depth > 0 {
		return "CA"
	}
	return "server"
}

func mismatch(names []string) string {
	for _, name := range names {
		if _, err := netip.ParseAddr(name); err != nil {
			return "num=62:hostname mismatch"
		}
	}
	return "num=64:IP address mismatch"
}

// walk follows the signatures from the host's certificate upwards, through what
// was sent and what is trusted.
func walk(chain []*x509.Certificate, roots *Roots) (path []*x509.Certificate, trusted bool) {
	path = chain[:1:1]
	for {
		at := path[len(path)-1]
		if roots.has(at) {
			return path, true
		}
		if selfIssued(at) || len(path) > len(chain) {
			return path, false
		}
		signed := func(by *x509.Certificate) bool {
			return bytes.Equal(by.RawSubject, at.RawIssuer) && at.CheckSignatureFrom(by) == nil
		}
		if i := slices.IndexFunc(roots.list, signed); i >= 0 {
			return append(path, roots.list[i]), true
		}
		i := slices.IndexFunc(chain, signed)
		if i < 0 || slices.Contains(path, chain[i]) {
			return path, false
		}
		path = append(path, chain[i])
	}
}

func selfIssued(cert *x509.Certificate) bool { return bytes.Equal(cert.RawIssuer, cert.RawSubject) }

func forServers(cert *x509.Certificate) bool {
	return len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) == 0 || slices.ContainsFunc(cert.ExtKeyUsage, func(u x509.ExtKeyUsage) bool {
		return u == x509.ExtKeyUsageServerAuth || u == x509.ExtKeyUsageAny
	})
}

func pool(certs []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}
