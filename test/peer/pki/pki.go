// Package pki makes certificates for tests, with keys that nobody keeps.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"
)

// An Authority signs certificates.
type Authority struct {
	Cert *x509.Certificate
	key  crypto.Signer
	up   [][]byte // certificates between this one and the root
}

// A Request says what certificate is wanted.
type Request struct {
	Name  string   // common name; none when empty
	DNS   []string // names
	IP    []net.IP
	Begin time.Duration // validity, from now: an hour ago by default
	End   time.Duration // in an hour by default
	Usage []x509.ExtKeyUsage
	Key   crypto.Signer // a new one when nil
}

// NewAuthority makes a root.
func NewAuthority(name string) *Authority {
	a := &Authority{key: newKey()}
	cert := template(Request{Name: name})
	cert.IsCA, cert.BasicConstraintsValid, cert.KeyUsage = true, true, x509.KeyUsageCertSign
	a.Cert = sign(cert, cert, a.key.Public(), a.key)
	return a
}

// Below makes an authority that this one has signed.
func (a *Authority) Below(r Request) *Authority {
	b := &Authority{key: newKey()}
	cert := template(r)
	cert.IsCA, cert.BasicConstraintsValid, cert.KeyUsage = true, true, x509.KeyUsageCertSign
	b.Cert = sign(cert, a.Cert, b.key.Public(), a.key)
	b.up = append([][]byte{b.Cert.Raw}, a.up...)
	return b
}

// Issue makes a certificate, with its key and those of the authorities between it
// and the root.
func (a *Authority) Issue(r Request) tls.Certificate {
	if r.Key == nil {
		r.Key = newKey()
	}
	cert := sign(template(r), a.Cert, r.Key.Public(), a.key)
	return tls.Certificate{Certificate: append([][]byte{cert.Raw}, a.up...), PrivateKey: r.Key, Leaf: cert}
}

// SelfSigned makes a certificate that nobody has signed.
func SelfSigned(r Request) tls.Certificate {
	if r.Key == nil {
		r.Key = newKey()
	}
	t := template(r)
	cert := sign(t, t, r.Key.Public(), r.Key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: r.Key, Leaf: cert}
}

// Write writes the key, unless it is nil, and certificates to a file in PEM form.
func Write(path string, key crypto.PrivateKey, certs ...[]byte) error {
	var data []byte
	if key != nil {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		data = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	for _, der := range certs {
		data = append(data, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return os.WriteFile(path, data, 0o600)
}

func template(r Request) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(err)
	if r.Begin == 0 {
		r.Begin = -time.Hour
	}
	if r.End == 0 {
		r.End = time.Hour
	}
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{Organization: []string{"Test"}, CommonName: r.Name}, DNSNames: r.DNS, IPAddresses: r.IP,
		NotBefore: time.Now().Add(r.Begin), NotAfter: time.Now().Add(r.End), ExtKeyUsage: r.Usage}
}

func sign(cert, parent *x509.Certificate, key crypto.PublicKey, by crypto.Signer) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, key, by)
	must(err)
	cert, err = x509.ParseCertificate(der)
	must(err)
	return cert
}

func newKey() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return key
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
