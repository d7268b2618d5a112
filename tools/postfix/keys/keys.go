// Package keys makes private keys for servers, and what belongs to them: certificates
// signed with the keys themselves, requests for others, and TLSA records.
//
// Sources: RFC 5280 (certificates), RFC 2986 (requests), RFC 7672 (TLSA).
package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"strings"
	"time"
)

// New makes a key: "rsa" with a number of bits, 2048 when empty, or "ecdsa" with
// the name of a curve, by default secp256r1.
func New(algorithm, bits string) (crypto.Signer, error) {
	switch algorithm {
	case "rsa":
		if bits == "" {
			bits = "2048"
		}
		n, err := strconv.Atoi(bits)
		if err != nil || n < 1024 || n > 16384 {
			return nil, fmt.Errorf("bad number of bits for an RSA key: %q; want 1024 to 16384", bits)
		}
		return rsa.GenerateKey(rand.Reader, n)
	case "ecdsa":
		curve := curves[strings.ToLower(bits)]
		if curve == nil {
			return nil, fmt.Errorf("unknown curve: %q; want secp256r1, secp384r1 or secp521r1", bits)
		}
		return ecdsa.GenerateKey(curve, rand.Reader)
	}
	return nil, fmt.Errorf("Unsupported public key algorithm: %s", algorithm)
}

var curves = map[string]elliptic.Curve{
	"": elliptic.P256(), "secp256r1": elliptic.P256(), "prime256v1": elliptic.P256(), "p-256": elliptic.P256(),
	"secp384r1": elliptic.P384(), "p-384": elliptic.P384(), "secp521r1": elliptic.P521(), "p-521": elliptic.P521(),
}

// Algorithm is "rsa" or "ecdsa".
func Algorithm(key crypto.Signer) string {
	if _, ok := key.(*rsa.PrivateKey); ok {
		return "rsa"
	}
	return "ecdsa"
}

// Load reads the first key of a file.
func Load(path string) (crypto.Signer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("no private key found in file: %w", err)
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		var key any
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, fmt.Errorf("%s: the private key is encrypted", path)
		default:
			continue
		}
		switch key := key.(type) {
		case *rsa.PrivateKey:
			return key, err
		case *ecdsa.PrivateKey:
			return key, err
		}
		return nil, errors.Join(fmt.Errorf("%s: the private key is neither RSA nor ECDSA", path), err)
	}
	return nil, fmt.Errorf("no private key found in file: %s", path)
}

// Marshal writes a key in PEM form.
func Marshal(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// days is how long certificates are good: a hundred years. What they are worth is
// in the DNS, or decided by those who know their fingerprints.
const days = 36525

// SelfSigned makes a certificate for hosts, signed by their own key, in PEM form.
func SelfSigned(key crypto.Signer, hosts []string) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 158))
	if err != nil {
		return nil, err
	}
	extensions, err := extensions(key, hosts)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	t := &x509.Certificate{SerialNumber: serial.Add(serial, big.NewInt(1)), Subject: pkix.Name{CommonName: hosts[0]},
		NotBefore: now, NotAfter: now.AddDate(0, 0, days), ExtraExtensions: extensions, SignatureAlgorithm: algorithm(key)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), err
}

// extensions are those of certificates and requests, in the order of openssl(1).
func extensions(key crypto.Signer, hosts []string) ([]pkix.Extension, error) {
	id, err := keyID(key)
	if err != nil {
		return nil, err
	}
	var names []asn1.RawValue
	for _, host := range hosts {
		names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: dnsName, Bytes: []byte(host)})
	}
	var list []pkix.Extension
	for _, e := range []struct {
		id    asn1.ObjectIdentifier
		value any
	}{
		{oidConstraints, struct{}{}}, // no authority
		{oidKeyID, id},
		{oidUsage, []asn1.ObjectIdentifier{oidServer, oidClientUsage}},
		{oidNames, names},
	} {
		value, err := asn1.Marshal(e.value)
		if err != nil {
			return nil, err
		}
		list = append(list, pkix.Extension{Id: e.id, Value: value})
	}
	return list, nil
}

// dnsName is the tag of DNS names among names. RFC 5280, section 4.2.1.6.
const dnsName = 2

// algorithm is SHA256, which everybody knows, with keys of all sizes.
func algorithm(key crypto.Signer) x509.SignatureAlgorithm {
	if _, ok := key.(*ecdsa.PrivateKey); ok {
		return x509.ECDSAWithSHA256
	}
	return x509.SHA256WithRSA
}

var (
	oidConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidNames       = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidKeyID       = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidUsage       = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidServer      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	oidClientUsage = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
)

// Request makes a request for a certificate for hosts, in PEM form. It has no
// subject: the names stand beside each other.
func Request(key crypto.Signer, hosts []string) ([]byte, error) {
	extensions, err := extensions(key, hosts)
	if err != nil {
		return nil, err
	}
	t := &x509.CertificateRequest{ExtraExtensions: extensions[1:], SignatureAlgorithm: algorithm(key)}
	der, err := x509.CreateCertificateRequest(rand.Reader, t, key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), err
}

// keyID is the identifier of a key in certificates. RFC 5280, section 4.2.1.2.
func keyID(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, err
	}
	sum := sha1.Sum(info.Key.Bytes)
	return sum[:], nil
}

// TLSA is the record of the DNS that says that the SMTP server of a host has this
// key: a digest of the key itself, which stays when the certificate changes.
func TLSA(key crypto.Signer, host string) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	return fmt.Sprintf("_25._tcp.%s. IN TLSA 3 1 1 %x", strings.TrimSuffix(host, "."), sha256.Sum256(der)), err
}

// Belongs tells whether the first certificate of a file is for a key.
func Belongs(path string, key crypto.Signer) (bool, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("no certificate found in file: %w", err)
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return false, fmt.Errorf("%s: %w", path, err)
		}
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		return bytes.Equal(der, cert.RawSubjectPublicKeyInfo), err
	}
	return false, fmt.Errorf("no certificate found in file: %s", path)
}
