package starttls

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"
)

// verifyClient says what is wrong with the certificate of a client; the client's
// name goes to %s. It is empty when one of the authorities has signed it, over at
// most depth others.
func verifyClient(chain []*x509.Certificate, roots *Roots, depth int, now time.Time) string {
	found, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots.pool, Intermediates: pool(append(chain[1:len(chain):len(chain)], roots.below...)), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return diagnoseClient(chain, roots, now, err)
	}
	for _, c := range found {
		if len(c)-2 <= depth { // neither the first nor the last one counts
			return ""
		}
	}
	return fmt.Sprintf("certificate verification failed for %%s: certificate chain longer than limit(%d)", depth)
}

// diagnoseClient says why the chain of a client is not trusted.
func diagnoseClient(chain []*x509.Certificate, roots *Roots, now time.Time, err error) string {
	path, trusted := walk(append(chain[:len(chain):len(chain)], roots.below...), roots)
	last := len(path) - 1
	if !trusted {
		if last == 0 && selfIssued(path[0]) {
			return "certificate verification failed for %s: self-signed certificate"
		}
		return "certificate verification failed for %s: untrusted issuer " + escape(DistinguishedName(path[last].RawIssuer))
	}
	for depth := last; depth >= 0; depth-- {
		who := "client"
		if depth > 0 {
			who = "CA"
		}
		switch cert := path[depth]; {
		case now.Before(cert.NotBefore):
			return who + " certificate verification failed for %s: certificate not yet valid"
		case now.After(cert.NotAfter):
			return who + " certificate verification failed for %s: certificate has expired"
		}
	}
	if invalid, ok := err.(x509.CertificateInvalidError); ok && invalid.Reason == x509.IncompatibleUsage {
		return "certificate verification failed for %s: not designated for use as a client certificate"
	}
	return "client certificate verification failed for %s: " + escape(err.Error())
}

// parseChains reads private keys, each one followed by its certificate and those
// of its issuers, as in the files of LoadChains.
func parseChains(data []byte, origin string) ([]tls.Certificate, error) {
	var list []tls.Certificate
	var current []byte // a key and what follows it
	end := func() error {
		if current == nil {
			return nil
		}
		pair, err := tls.X509KeyPair(current, current)
		if err != nil {
			return fmt.Errorf("error loading chain from %s: %w", origin, err)
		}
		list = append(list, pair)
		return nil
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch isKey := strings.HasSuffix(block.Type, "PRIVATE KEY"); {
		case isKey:
			if err := end(); err != nil {
				return nil, err
			}
			current = nil
		case current == nil && block.Type == "CERTIFICATE":
			return nil, fmt.Errorf("error loading chain from %s: key not first", origin)
		}
		current = append(current, pem.EncodeToMemory(block)...)
	}
	if err := end(); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("error loading chain from %s: no private key and certificate found", origin)
	}
	return list, nil
}
