package starttls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"postrider/lib/base/text"
)

// Roots are the certificates of authorities that are trusted.
type Roots struct {
	pool  *x509.CertPool
	list  []*x509.Certificate // the same
	below []*x509.Certificate // of others, which may help to find the way to these
}

func newRoots(certs ...*x509.Certificate) *Roots {
	return &Roots{pool: pool(certs), list: certs}
}

func (r *Roots) has(cert *x509.Certificate) bool {
	for _, c := range r.list {
		if c.Equal(cert) {
			return true
		}
	}
	return false
}

// systemCertificates is where systems keep the authorities that they trust.
const systemCertificates = "/etc/ssl/certs"

// LoadRoots reads the authorities of a file in PEM form and of a directory with
// such files under the names of openssl-rehash(1); both may be empty. With
// defaults, it adds those of the system.
func LoadRoots(file, dir string, defaults bool) (*Roots, error) {
	var list []*x509.Certificate
	if file != "" {
		found, err := readCertificates(file)
		if err != nil {
			return nil, fmt.Errorf("cannot load Certification Authority data, CAfile=%q: %w", file, err)
		}
		list = found
	}
	dirs := []string{dir}
	if defaults {
		dirs = append(dirs, systemCertificates)
	}
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		names, _ := filepath.Glob(filepath.Join(dir, "????????.*"))
		for _, name := range names {
			if found, err := readCertificates(name); err == nil { // others may be lists of revoked certificates
				list = append(list, found...)
			}
		}
	}
	var top, below []*x509.Certificate
	for _, cert := range list {
		if selfIssued(cert) {
			top = append(top, cert)
		} else {
			below = append(below, cert)
		}
	}
	roots := newRoots(top...)
	roots.below = below
	return roots, nil
}

func readCertificates(path string) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var list []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" && block.Type != "TRUSTED CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			list = append(list, cert)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: no certificate found", path)
	}
	return list, nil
}

// Anchors are the certificates and public keys of trust anchor files.
type Anchors struct{ list []record }

// LoadAnchors reads trust anchor files.
func LoadAnchors(paths ...string) (*Anchors, error) {
	list, err := loadAnchors(paths)
	return &Anchors{list}, err
}

// With gives the anchors of both; a may be nil.
func (a *Anchors) With(b *Anchors) *Anchors {
	if a == nil {
		return b
	}
	return &Anchors{slices.Concat(a.list, b.list)}
}

// loadAnchors reads a trust anchor file: certificates and public keys.
func loadAnchors(paths []string) ([]record, error) {
	var certs, keys [][]byte
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("error opening trust anchor file: %w", err)
		}
		n := len(certs) + len(keys)
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			switch block.Type {
			case "CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE":
				certs = append(certs, block.Bytes)
			case "PUBLIC KEY":
				keys = append(keys, block.Bytes)
			}
		}
		if len(certs)+len(keys) == n {
			return nil, fmt.Errorf("trust anchor file %s: no certificates and no public keys", path)
		}
	}
	return anchorRecords(certs, keys), nil
}

// LoadChains reads files with private keys, each one followed by its certificate
// and those of its issuers.
func LoadChains(paths []string) ([]tls.Certificate, error) {
	var list []tls.Certificate
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("error opening chain file: %w", err)
		}
		found, err := parseChains(data, path)
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	return list, nil
}

// LoadServer reads the certificates of a server: those of a list of chain files, or, when
// it is empty, the pairs of files with a certificate and its key that are set.
func LoadServer(chains string, pairs ...[2]string) ([]tls.Certificate, error) {
	if chains != "" {
		return LoadChains(text.Split(chains))
	}
	var list []tls.Certificate
	for _, pair := range pairs {
		if pair[0] == "" || pair[0] == "none" {
			continue
		}
		found, err := LoadPair(pair[0], pair[1])
		if err != nil {
			return nil, err
		}
		list = append(list, found)
	}
	return list, nil
}

// LoadPair reads a certificate with its issuers, and its key. Each file may hold
// both; one name may be empty.
func LoadPair(cert, key string) (tls.Certificate, error) {
	if cert == "" {
		cert = key
	}
	if key == "" {
		key = cert
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return pair, fmt.Errorf("cannot get certificate from file %q and private key from file %q: %w", cert, key, err)
	}
	return pair, nil
}

func keyAlgorithm(key crypto.PublicKey) x509.PublicKeyAlgorithm {
	switch key.(type) {
	case *rsa.PublicKey:
		return x509.RSA
	case *ecdsa.PublicKey:
		return x509.ECDSA
	case ed25519.PublicKey:
		return x509.Ed25519
	}
	return x509.UnknownPublicKeyAlgorithm
}

var (
	errNoVersion = errors.New("the list of protocols leaves none that there is: aborting TLS session")
	errUnusable  = errors.New("no usable TLSA records: aborting TLS session")
)
