package starttls

// Params are the parameters of TLS for all programs that use it.
type Params struct {
	// TLS

	// Whether the certificate authorities that this system trusts anyway are
	// added to those of the CAfile and CApath parameters.
	AppendDefaultCA bool `param:"tls_append_default_CA" default:"no"`

	// Whether "*" in a certificate's name matches several labels: *.example.com
	// then is a.b.example.com, too.
	WildcardMatchesMultipleLabels bool `param:"tls_wildcard_matches_multiple_labels" default:"yes"`

	// The digests that are believed in TLSA records, the strongest first. Of
	// records that differ only in their digests, those with the strongest one
	// count.
	DANEDigests string `param:"tls_dane_digests" default:"sha512 sha256"`

	// What is asked for to find out whether the name servers validate
	// answers, when one came that is not: a type and a name, "ns:.". Without
	// validation there is no DANE, and a warning is logged. Empty: do not
	// ask.
	DNSSECProbe string `param:"dnssec_probe" default:"ns:."`

	// The groups for the exchange of keys, the preferred one first. Those
	// that this system does not have, such as X448, are skipped. Empty:
	// those that Go prefers.
	CurvesAuto string `param:"tls_eecdh_auto_curves" default:"X25519 X448 prime256v1 secp384r1 secp521r1"`

	// The ciphers of the grade "high", as OpenSSL writes lists of ciphers.
	// Those of TLS 1.3 are always there.
	HighCiphers string `param:"tls_high_cipherlist" default:"aNULL:-aNULL:HIGH:!SEED:!IDEA:!3DES:!RC2:!RC4:!RC5:!kDH:!kECDH:!aDSS:!MD5:@STRENGTH"`

	// The ciphers of the grades "medium" and lower.
	MediumCiphers string `param:"tls_medium_cipherlist" default:"aNULL:-aNULL:HIGH:MEDIUM:!SEED:!IDEA:!3DES:!RC2:!RC4:!RC5:!kDH:!kECDH:!aDSS:!MD5:+RC4:@STRENGTH"`
}

// ClientParams are the parameters of clients.
type ClientParams struct {
	// The digest of fingerprints of certificates and keys: "md5", "sha1",
	// "sha256", "sha384", "sha512".
	FingerprintDigest string `param:"smtp_tls_fingerprint_digest" default:"${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}"`
}
