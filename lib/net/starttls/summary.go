package starttls

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"reflect"
	"strings"
)

// Details says how a session is protected, in the words that log readers know:
// "TLSv1.3 with cipher TLS_AES_128_GCM_SHA256 (128/128 bits) key-exchange X25519
// server-signature ECDSA (prime256v1) server-digest SHA256".
func (s *Session) Details() string {
	state := &s.State
	used, all := cipherBits(state.CipherSuite)
	text := fmt.Sprintf("%s with cipher %s (%d/%d bits)", VersionName(state.Version), CipherName(state.CipherSuite), used, all)
	if state.Version < tls.VersionTLS13 {
		return text
	}
	if state.CurveID != 0 {
		text += " key-exchange " + curveName(state.CurveID)
	}
	if len(state.PeerCertificates) > 0 {
		text += signature("server", state.PeerCertificates[0].PublicKey, peerSignature(state))
	}
	if s.ours != nil && s.ours.Leaf != nil {
		text += signature("client", s.ours.Leaf.PublicKey, ownSignature(s.ours.Leaf.PublicKey, s.asked))
	}
	return text
}

func signature(side string, key any, scheme tls.SignatureScheme) string {
	name := signatureName(key)
	if name == "" {
		return ""
	}
	text := fmt.Sprintf(" %s-signature %s", side, name)
	if digest := signatureDigest(scheme); digest != "" {
		text += fmt.Sprintf(" %s-digest %s", side, digest)
	}
	return text
}

// signatureName names the way in which a key signs handshakes of TLS 1.3.
func signatureName(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA-PSS (%d bits)", k.N.BitLen())
	case *ecdsa.PublicKey:
		name := k.Curve.Params().Name
		for _, c := range curves {
			if strings.Contains(" "+c.names+" ", " "+strings.ToLower(name)+" ") {
				name, _, _ = strings.Cut(c.names, " ")
			}
		}
		return fmt.Sprintf("ECDSA (%s)", name)
	case ed25519.PublicKey:
		return "ED25519"
	}
	return ""
}

func signatureDigest(s tls.SignatureScheme) string {
	switch s {
	case tls.PSSWithSHA256, tls.ECDSAWithP256AndSHA256:
		return "SHA256"
	case tls.PSSWithSHA384, tls.ECDSAWithP384AndSHA384:
		return "SHA384"
	case tls.PSSWithSHA512, tls.ECDSAWithP521AndSHA512:
		return "SHA512"
	}
	return ""
}

// peerSignature is the algorithm of the server's signature. crypto/tls knows it
// but has no exported field for it; without the field the log line says nothing
// about the digest.
func peerSignature(state *tls.ConnectionState) tls.SignatureScheme {
	field := reflect.ValueOf(state).Elem().FieldByName("testingOnlyPeerSignatureAlgorithm")
	if !field.IsValid() || field.Kind() != reflect.Uint16 {
		return 0
	}
	return tls.SignatureScheme(field.Uint())
}

// ownSignature is the algorithm that we signed with: the first one that the
// server knows and that is for this kind of key.
func ownSignature(key any, asked []tls.SignatureScheme) tls.SignatureScheme {
	for _, scheme := range asked {
		switch k := key.(type) {
		case *rsa.PublicKey:
			if scheme == tls.PSSWithSHA256 || scheme == tls.PSSWithSHA384 || scheme == tls.PSSWithSHA512 {
				return scheme
			}
		case *ecdsa.PublicKey:
			if ecdsaCurves[scheme] == k.Params().Name {
				return scheme
			}
		}
	}
	return 0
}

var ecdsaCurves = map[tls.SignatureScheme]string{
	tls.ECDSAWithP256AndSHA256: "P-256", tls.ECDSAWithP384AndSHA384: "P-384", tls.ECDSAWithP521AndSHA512: "P-521",
}
