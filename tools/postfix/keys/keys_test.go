package keys

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func makeKey(t *testing.T, algorithm, bits string) crypto.Signer {
	t.Helper()
	key, err := New(algorithm, bits)
	if err != nil {
		t.Fatal(err)
	}
	if Algorithm(key) != algorithm {
		t.Errorf("%s: got %s", algorithm, Algorithm(key))
	}
	return key
}

func TestNew(t *testing.T) {
	for _, bits := range []string{"", "secp256r1", "prime256v1", "secp384r1", "P-521"} {
		makeKey(t, "ecdsa", bits)
	}
	for _, bad := range [][2]string{{"rsa", "x"}, {"rsa", "512"}, {"rsa", "99999"}, {"ecdsa", "sect571k1"}, {"dsa", ""}} {
		if _, err := New(bad[0], bad[1]); err == nil {
			t.Errorf("%s is a key", bad)
		}
	}
}

func TestSelfSigned(t *testing.T) {
	dir := t.TempDir()
	for _, algorithm := range []string{"rsa", "ecdsa"} {
		key := makeKey(t, algorithm, "")
		text, err := SelfSigned(key, []string{"mx.example.com", "b.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if cert.Subject.String() != "CN=mx.example.com" || cert.Issuer.String() != "CN=mx.example.com" || cert.IsCA || len(cert.SubjectKeyId) != 20 ||
			!slices.Equal(cert.DNSNames, []string{"mx.example.com", "b.example.com"}) || time.Until(cert.NotAfter) < 99*365*24*time.Hour ||
			cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) != nil {
			t.Errorf("%s: got %+v", algorithm, cert)
		}
		path := filepath.Join(dir, algorithm)
		os.WriteFile(path, text, 0o600)
		if ok, err := Belongs(path, key); !ok || err != nil {
			t.Errorf("%s: %v, %v", algorithm, ok, err)
		}
		if ok, err := Belongs(path, makeKey(t, "ecdsa", "")); ok || err != nil {
			t.Errorf("another key: %v, %v", ok, err)
		}
	}
}

func TestRequest(t *testing.T) {
	text, err := Request(makeKey(t, "ecdsa", ""), []string{"mx.example.com", "b.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || request.CheckSignature() != nil || len(request.Extensions) != 3 || !slices.Equal(request.DNSNames, []string{"mx.example.com", "b.example.com"}) {
		t.Errorf("%v: %+v", err, request)
	}
}

// Files of other programs hold keys in other forms, and more.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		os.WriteFile(path, []byte(text), 0o600)
		return path
	}
	key := makeKey(t, "rsa", "")
	text, err := Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := SelfSigned(key, []string{"x"})
	got, err := Load(write("both", "text\n"+string(cert)+string(text)))
	if err != nil || Algorithm(got) != "rsa" {
		t.Fatal(err)
	}
	a, _ := TLSA(key, "mx.example.com.")
	if b, _ := TLSA(got, "mx.example.com"); a != b || !strings.HasPrefix(a, "_25._tcp.mx.example.com. IN TLSA 3 1 1 ") {
		t.Errorf("%s, %s", a, b)
	}
	for name, text := range map[string]string{
		"empty": "", "cert": string(cert), "garbage": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"encrypted": "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
	} {
		if _, err := Load(write(name, text)); err == nil {
			t.Errorf("%s is a key", name)
		}
	}
	if _, err := Load(dir + "/none"); err == nil {
		t.Error("a file that is not there is a key")
	}
	if _, err := Belongs(write("no", ""), key); err == nil {
		t.Error("an empty file is a certificate")
	}
}
