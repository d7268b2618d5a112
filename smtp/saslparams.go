package main

import "time"

// saslParams are the parameters of logins at servers.
type saslParams struct {
	// LOGIN AT SERVERS

	// Whether to give a name and password to servers that want one and for
	// which $smtp_sasl_password_maps has one.
	AuthEnable bool `param:"smtp_sasl_auth_enable" default:"no"`

	// Tables with "user:password", by the sender (see
	// $smtp_sender_dependent_authentication), by the name of the server, and by
	// the next hop as it was written: "[mail.example.com]:587". The tables are
	// read with all privileges: nobody else needs to be able to.
	PasswordMaps string `param:"smtp_sasl_password_maps" default:""`

	// What stands between user and password. Users with a colon in their names
	// need another one.
	PasswordResultDelimiter string `param:"smtp_sasl_password_result_delimiter" default:":"`

	// Whether a sender may have a password of his own. See
	// $sender_dependent_relayhost_maps for servers of senders.
	SenderDependentAuthentication bool `param:"smtp_sender_dependent_authentication" default:"no"`

	// What mechanisms must withstand: noplaintext (somebody listens),
	// nodictionary (and tries many passwords on what was heard), noactive
	// (somebody stands in between), noanonymous; and what they must have:
	// mutual_auth (the server proves that it knows the password). Without TLS,
	// noplaintext keeps passwords from those who listen.
	SecurityOptions string `param:"smtp_sasl_security_options" default:"noplaintext, noanonymous"`

	// The same inside of TLS. Most providers offer only PLAIN and LOGIN: for
	// these this must be noanonymous.
	TLSSecurityOptions string `param:"smtp_sasl_tls_security_options" default:"$smtp_sasl_security_options"`

	// The same inside of TLS with a server that has proved who it is.
	TLSVerifiedSecurityOptions string `param:"smtp_sasl_tls_verified_security_options" default:"$smtp_sasl_tls_security_options"`

	// A list of the mechanisms to use. Empty: all that the server has. With
	// "xoauth2" or "oauthbearer" the password is an access token, with "external"
	// the server knows us by our TLS certificate.
	MechanismFilter string `param:"smtp_sasl_mechanism_filter" default:""`

	// The implementation: "cyrus", which is the name of the only one that
	// Postfix has. It is built in here.
	Type string `param:"smtp_sasl_type" default:"cyrus"`

	// Of no use to the implementation.
	Path string `param:"smtp_sasl_path" default:""`

	// Whether to name the user also as the one to act for. Some servers want
	// that, for others it is a mistake.
	SendAuthzID bool `param:"send_cyrus_sasl_authzid" default:"no"`

	// Whether mail waits when a server refuses the password, instead of going
	// back to the sender.
	AuthSoftBounce bool `param:"smtp_sasl_auth_soft_bounce" default:"yes"`

	// A table, shared through proxywrite(8), of logins that servers have refused
	// with a permanent error, so that they are not tried again and again:
	// proxy:btree:/var/lib/postfix/sasl_auth_cache.
	AuthCacheName string `param:"smtp_sasl_auth_cache_name" default:""`

	// How long a refusal is remembered. A new password counts at once.
	AuthCacheTime time.Duration `param:"smtp_sasl_auth_cache_time" default:"90d" min:"0"`

	// Whether to add AUTH=<> to MAIL FROM for servers that we have logged in at.
	// Few servers want that.
	DummyMailAuth bool `param:"smtp_send_dummy_mail_auth" default:"no"`
}
