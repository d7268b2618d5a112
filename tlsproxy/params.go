package main

import (
	"time"

	"postrider/lib/daemon/server"
	"postrider/lib/net/starttls"
)

// conf holds the main.cf parameters of tlsproxy(8).
var conf struct {
	server.Params
	starttls.ServerParams
	Library starttls.Params

	// TLS WITH CLIENTS OF POSTSCREEN

	// How much TLS there is: none, may, encrypt.
	SecurityLevel string `param:"tlsproxy_tls_security_level" default:"$smtpd_tls_security_level"`

	// The old form of tlsproxy_tls_security_level = may.
	UseTLS bool `param:"tlsproxy_use_tls" default:"$smtpd_use_tls"`

	// The old form of tlsproxy_tls_security_level = encrypt.
	EnforceTLS bool `param:"tlsproxy_enforce_tls" default:"$smtpd_enforce_tls"`

	// The file with the certificate for an RSA key, and those of its issuers.
	CertFile string `param:"tlsproxy_tls_cert_file" default:"$smtpd_tls_cert_file"`

	// The file with its private key.
	KeyFile string `param:"tlsproxy_tls_key_file" default:"$smtpd_tls_key_file"`

	// The same for an ECDSA key.
	ECCertFile string `param:"tlsproxy_tls_eccert_file" default:"$smtpd_tls_eccert_file"`

	// The file with its private key.
	ECKeyFile string `param:"tlsproxy_tls_eckey_file" default:"$smtpd_tls_eckey_file"`

	// Files with private keys and their certificates, instead of the parameters
	// above.
	ChainFiles string `param:"tlsproxy_tls_chain_files" default:"$smtpd_tls_chain_files"`

	// The versions of TLS at the level "may".
	Protocols string `param:"tlsproxy_tls_protocols" default:"$smtpd_tls_protocols"`

	// The versions of TLS at the level "encrypt".
	MandatoryProtocols string `param:"tlsproxy_tls_mandatory_protocols" default:"$smtpd_tls_mandatory_protocols"`

	// The grade of ciphers at the level "may".
	Ciphers string `param:"tlsproxy_tls_ciphers" default:"$smtpd_tls_ciphers"`

	// The grade of ciphers at the level "encrypt".
	MandatoryCiphers string `param:"tlsproxy_tls_mandatory_ciphers" default:"$smtpd_tls_mandatory_ciphers"`

	// Ciphers that are never used.
	ExcludeCiphers string `param:"tlsproxy_tls_exclude_ciphers" default:"$smtpd_tls_exclude_ciphers"`

	// More of them, at the level "encrypt".
	MandatoryExcludeCiphers string `param:"tlsproxy_tls_mandatory_exclude_ciphers" default:"$smtpd_tls_mandatory_exclude_ciphers"`

	// What to log about TLS: see smtpd_tls_loglevel.
	Loglevel string `param:"tlsproxy_tls_loglevel" default:"$smtpd_tls_loglevel"`

	// A process that does nothing for this long is stuck, and ends itself.
	WatchdogTimeout time.Duration `param:"tlsproxy_watchdog_timeout" default:"10s" min:"10s"`
}
