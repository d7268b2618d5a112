package access

import (
	"fmt"
	"strings"

	"postrider/lib/base/msg"
)

// classCcert is what check_ccert_access refuses, in the words of the replies.
const classCcert = "Client certificate"

// known is what policy services learn of the certificate: names only when an
// authority has signed it, and encoded as in XCLIENT.
func (t TLS) known() TLS {
	if !t.Trusted {
		t.Subject, t.Issuer = "", ""
	}
	t.Subject, t.Issuer = Xtext(t.Subject), Xtext(t.Issuer)
	return t
}

// Xtext encodes text for one word. Source: RFC 3461, section 4.
func Xtext(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7f && c != '+' && c != '=' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "+%02X", c)
		}
	}
	return b.String()
}

// Certified reports whether the fingerprint of a client's certificate, or of its
// key, is in relay_clientcerts.
func (c *Checker) Certified(t *TLS) (bool, error) {
	if !t.Certificate || c.clientCerts.Empty() {
		return false, nil
	}
	for _, key := range []string{t.Fingerprint, t.KeyFingerprint} {
		if _, found, err := c.clientCerts.Lookup(key); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// permitTLSAllClientcerts lets clients pass whose certificate is trusted,
// whoever they are.
func permitTLSAllClientcerts(w *walk, _ string) answer {
	if !w.TLS.Trusted {
		return dunno
	}
	return w.permitted("permit_tls_all_clientcerts", classClient, w.Client.NameAddr())
}

// permitTLSClientcerts lets clients pass whose certificate is listed.
func permitTLSClientcerts(w *walk, _ string) answer {
	found, err := w.Certified(&w.TLS)
	switch {
	case err != nil:
		msg.Warn("relay_clientcerts: lookup error for fingerprint '%s', pkey fingerprint %s", w.TLS.Fingerprint, w.TLS.KeyFingerprint)
		return w.reject(Data, 451, "4.3.0", "<%s>: Temporary lookup failure", w.name)
	case found:
		return w.permitted("permit_tls_clientcerts", classClient, w.Client.NameAddr())
	}
	return dunno
}

// checkCcertAccess looks for the fingerprint of the client's certificate, then for
// that of its key.
func checkCcertAccess(w *walk, spec string) answer {
	if !w.TLS.Certificate {
		return dunno
	}
	q := w.ask(spec, w.TLS.Subject, classCcert)
	for _, key := range []string{w.TLS.Fingerprint, w.TLS.KeyFingerprint} {
		if got, found := q.key(key, false); found {
			return got
		}
	}
	return dunno
}
