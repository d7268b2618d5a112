package access

import "testing"

// What policy services learn of a certificate: names only when they are proved.
func TestKnown(t *testing.T) {
	facts := TLS{Certificate: true, Subject: "a b", Issuer: "C+A=", Fingerprint: "AA", KeyFingerprint: "BB"}
	if got := facts.known(); got.Subject != "" || got.Issuer != "" || got.Fingerprint != "AA" || got.KeyFingerprint != "BB" {
		t.Errorf("untrusted: %+v", got)
	}
	facts.Trusted = true
	if got := facts.known(); got.Subject != "a+20b" || got.Issuer != "C+2BA+3D" {
		t.Errorf("trusted: %+v", got)
	}
}
