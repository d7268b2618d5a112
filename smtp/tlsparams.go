package main

import (
	"time"

	"postrider/lib/net/starttls"
	"postrider/lib/service/tlsmgr"
)

// tlsParams are the parameters of TLS.
type tlsParams struct {
	// TLS

	// How much TLS is wanted with all servers for which no table says
	// otherwise. "none": no TLS. "may": when the server offers it, and
	// without asking for proof of anything. "encrypt": always, without proof.
	// "dane": what TLSA records in the DNS say; "may" for servers without
	// them. "dane-only": what these records say; servers without them get no
	// mail. "fingerprint": a certificate or key with a known fingerprint.
	// "verify": a certificate for the server's name. "secure": a certificate
	// for the name of the destination. Empty: what $smtp_enforce_tls and
	// $smtp_use_tls say.
	SecurityLevel string `param:"smtp_tls_security_level" default:"${{$compatibility_level} <level {3.11} ? {} : {may}}" default.lmtp:""`

	// Tables with the level for a next hop, and more: see TLS POLICY TABLE in
	// the manual of smtp(8).
	PolicyMaps string `param:"smtp_tls_policy_maps" default:""`

	// Tables of old, with NONE, MAY, MUST_NOPEERMATCH or MUST for a next hop
	// or a server. Not used when there is $smtp_tls_policy_maps.
	PerSite string `param:"smtp_tls_per_site" default:""`

	// The old form of $smtp_tls_security_level = may.
	UseTLS bool `param:"smtp_use_tls" default:"no"`

	// The old form of $smtp_tls_security_level = verify.
	EnforceTLS bool `param:"smtp_enforce_tls" default:"no"`

	// With "no", $smtp_enforce_tls means "encrypt" instead of "verify".
	EnforcePeername bool `param:"smtp_tls_enforce_peername" default:"yes"`

	// Whether connections begin with TLS instead of a greeting, as on the
	// port for submissions. The level must be "encrypt" or stronger.
	Wrappermode bool `param:"smtp_tls_wrappermode" default:"no"`

	// The time for the STARTTLS command and for the start of TLS.
	StarttlsTimeout time.Duration `param:"smtp_starttls_timeout" default:"300s" min:"1s"`

	// The versions of TLS that may be used at the level "may".
	Protocols string `param:"smtp_tls_protocols" default:">=TLSv1"`

	// The versions of TLS that may be used at stronger levels.
	MandatoryProtocols string `param:"smtp_tls_mandatory_protocols" default:">=TLSv1"`

	// The grade of ciphers at the level "may": "high" or "medium".
	Ciphers string `param:"smtp_tls_ciphers" default:"medium"`

	// The grade of ciphers at stronger levels.
	MandatoryCiphers string `param:"smtp_tls_mandatory_ciphers" default:"medium"`

	// Ciphers that are not used at any level.
	ExcludeCiphers string `param:"smtp_tls_exclude_ciphers" default:""`

	// More ciphers that are not used at levels stronger than "may".
	MandatoryExcludeCiphers string `param:"smtp_tls_mandatory_exclude_ciphers" default:""`

	// The server name to ask for (SNI): "hostname" for the name of the
	// server, "nexthop" for that of the destination, or a name. At the DANE
	// levels it is always the name that the records are for.
	Servername string `param:"smtp_tls_servername" default:""`

	// CERTIFICATES OF SERVERS

	// A file with certificates of authorities to trust, in PEM form.
	CAfile string `param:"smtp_tls_CAfile" default:""`

	// A directory with such files, under names made by openssl-rehash(1). They
	// are read at the start, so that the directory may be outside of a chroot
	// jail.
	CApath string `param:"smtp_tls_CApath" default:""`

	// Files with certificates or public keys that are believed instead of
	// authorities, at the levels "verify" and "secure".
	TrustAnchorFile string `param:"smtp_tls_trust_anchor_file" default:""`

	// How long a server's chain of certificates may be: the number of
	// authorities between a trusted one and the one that signed the server's
	// own certificate.
	ScertVerifydepth int `param:"smtp_tls_scert_verifydepth" default:"9" min:"0"`

	// The names that a certificate may have at the level "verify": "hostname",
	// "nexthop", "dot-nexthop" for all names below the destination, or names.
	VerifyCertMatch string `param:"smtp_tls_verify_cert_match" default:"hostname"`

	// The names that a certificate may have at the level "secure".
	SecureCertMatch string `param:"smtp_tls_secure_cert_match" default:"nexthop, dot-nexthop" default.lmtp:"nexthop"`

	// The fingerprints of certificates or keys for the level "fingerprint".
	FingerprintCertMatch string `param:"smtp_tls_fingerprint_cert_match" default:""`

	// What becomes of "dane" when a server has TLSA records that are secure,
	// but was found by an MX record that is not: "dane" asks for a match, and
	// logs it as no more than trusted; "encrypt"; or "may".
	DANEInsecureMXPolicy string `param:"smtp_tls_dane_insecure_mx_policy" param.lmtp:"-" default:"dane"`

	// Whether to look for TLSA records even when a server's address is not
	// secure in the DNS.
	ForceInsecureHostTLSALookup bool `param:"smtp_tls_force_insecure_host_tlsa_lookup" default:"no"`

	// Whether mail for which a table gives an MTA-STS policy goes only to
	// servers that match a pattern of the policy, with certificates for
	// their own names.
	EnforceSTSMXPatterns bool `param:"smtp_tls_enforce_sts_mx_patterns" default:"yes"`

	// OUR OWN CERTIFICATES

	// Files with our private keys, each one followed by its certificate and
	// those of its issuers, for servers that ask. They are used instead of
	// the parameters below.
	ChainFiles string `param:"smtp_tls_chain_files" default:""`

	// A file with our RSA certificate, and those of its issuers.
	CertFile string `param:"smtp_tls_cert_file" default:""`

	// The file with its private key.
	KeyFile string `param:"smtp_tls_key_file" default:"$smtp_tls_cert_file"`

	// A file with our ECDSA certificate, and those of its issuers.
	EccertFile string `param:"smtp_tls_eccert_file" default:""`

	// The file with its private key.
	EckeyFile string `param:"smtp_tls_eckey_file" default:"$smtp_tls_eccert_file"`

	// A DSA certificate. There is no DSA in TLS any more: a warning says that
	// the file is ignored.
	DcertFile string `param:"smtp_tls_dcert_file" default:""`

	// The file with its private key.
	DkeyFile string `param:"smtp_tls_dkey_file" default:"$smtp_tls_dcert_file"`

	// TLS SESSIONS

	// What to log about TLS: 0 for nothing but trouble, 1 for one line about
	// each session, more for details; or words such as "routine, certmatch".
	Loglevel string `param:"smtp_tls_loglevel" default:"0"`

	// Whether to log that a server offers STARTTLS when the level is "none".
	NoteStarttlsOffer bool `param:"smtp_tls_note_starttls_offer" default:"no"`

	// Whether to send no mail to a server which replies to more than it was
	// asked right after the start of TLS: somebody may have put commands in
	// front of ours.
	BlockEarlyMailReply bool `param:"smtp_tls_block_early_mail_reply" default:"no"`

	Sessions tlsmgr.Client
	Manager  tlsmgr.Params

	// Whether connections with TLS are used for more than one message, as those
	// without are. They stay in their process.
	ConnectionReuse bool `param:"smtp_tls_connection_reuse" default:"no"`

	// Raw public keys are not available; a warning says so.
	EnableRPK bool `param:"smtp_tls_enable_rpk" default:"no"`

	General starttls.Params
	Client  starttls.ClientParams
}
