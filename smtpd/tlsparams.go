package main

import (
	"time"

	"postrider/lib/net/starttls"
	"postrider/lib/service/tlsmgr"
)

// tlsParams are the parameters of TLS with clients.
type tlsParams struct {
	starttls.ServerParams

	// TLS WITH CLIENTS

	// How much TLS is wanted: "none", "may" (it is offered), "encrypt" (without
	// it, nothing else is possible). Empty: what the obsolete smtpd_use_tls
	// and smtpd_enforce_tls say.
	SecurityLevel string `param:"smtpd_tls_security_level" default:""`

	// Obsolete: use smtpd_tls_security_level = may.
	UseTLS bool `param:"smtpd_use_tls" default:"no"`

	// Obsolete: use smtpd_tls_security_level = encrypt.
	EnforceTLS bool `param:"smtpd_enforce_tls" default:"no"`

	// TLS from the first byte, without STARTTLS: for port 465. This belongs
	// into master.cf.
	WrapperMode bool `param:"smtpd_tls_wrappermode" default:"no"`

	// The file with the server's certificate for an RSA key, followed by
	// those of its issuers. "none" is for a server that has other
	// certificates only.
	CertFile string `param:"smtpd_tls_cert_file" default:""`

	// The file with its private key.
	KeyFile string `param:"smtpd_tls_key_file" default:"$smtpd_tls_cert_file"`

	// The same for an ECDSA key. A server may have both.
	ECCertFile string `param:"smtpd_tls_eccert_file" default:""`

	// The file with its private key.
	ECKeyFile string `param:"smtpd_tls_eckey_file" default:"$smtpd_tls_eccert_file"`

	// Files with private keys, each followed by its certificate and those of
	// its issuers; instead of the parameters above.
	ChainFiles string `param:"smtpd_tls_chain_files" default:""`

	// A file with certificates of authorities that are trusted to sign those
	// of clients. Clients are told their names.
	CAFile string `param:"smtpd_tls_CAfile" default:""`

	// A directory with such files, under the names that openssl-rehash(1)
	// makes.
	CAPath string `param:"smtpd_tls_CApath" default:""`

	// Ask clients for a certificate.
	AskCcert bool `param:"smtpd_tls_ask_ccert" default:"no"`

	// End sessions with clients that have no certificate, or one that is not
	// trusted. This needs the level "encrypt".
	ReqCcert bool `param:"smtpd_tls_req_ccert" default:"no"`

	// The number of authorities that may stand above a client's certificate.
	CcertVerifydepth int `param:"smtpd_tls_ccert_verifydepth" default:"9" min:"0"`

	// The digest of fingerprints of clients' certificates and keys: "md5",
	// "sha1", "sha256", "sha384", "sha512".
	FingerprintDigest string `param:"smtpd_tls_fingerprint_digest" default:"${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}"`

	// The versions of TLS at the level "may": ">=TLSv1.2", "!TLSv1.1", ….
	Protocols string `param:"smtpd_tls_protocols" default:">=TLSv1"`

	// The versions of TLS at the level "encrypt".
	MandatoryProtocols string `param:"smtpd_tls_mandatory_protocols" default:">=TLSv1"`

	// The grade of ciphers at the level "may": "high" or "medium".
	Ciphers string `param:"smtpd_tls_ciphers" default:"medium"`

	// The grade of ciphers at the level "encrypt".
	MandatoryCiphers string `param:"smtpd_tls_mandatory_ciphers" default:"medium"`

	// Ciphers that are never used, as OpenSSL names them: RC4, aNULL, ….
	ExcludeCiphers string `param:"smtpd_tls_exclude_ciphers" default:""`

	// More of them, at the level "encrypt".
	MandatoryExcludeCiphers string `param:"smtpd_tls_mandatory_exclude_ciphers" default:""`

	// Offer the login of users only inside of TLS.
	AuthOnly bool `param:"smtpd_tls_auth_only" default:"no"`

	// Tell in the Received: header how the session was protected, and who the
	// client is by its certificate.
	ReceivedHeader bool `param:"smtpd_tls_received_header" default:"no"`

	// What to log: "0" nothing, "1" one line for each session, "2" also
	// details of certificates; or words such as "summary", "untrusted",
	// "peercert", "verbose".
	Loglevel string `param:"smtpd_tls_loglevel" default:"0"`

	// The time limit for the handshake.
	StarttlsTimeout time.Duration `param:"smtpd_starttls_timeout" default:"${stress?{10}:{300}}s" min:"1s"`

	// How many TLS sessions a client may begin in $anvil_rate_time_unit; 0:
	// no limit.
	NewTLSRateLimit int `param:"smtpd_client_new_tls_session_rate_limit" default:"0" min:"0"`

	tlsmgr.Server
	Manager tlsmgr.Params
}
