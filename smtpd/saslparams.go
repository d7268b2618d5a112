package main

// saslParams are the parameters of logins.
type saslParams struct {
	// LOGIN OF CLIENTS

	// Let clients log in (AUTH). What a login is good for is said elsewhere: by
	// permit_sasl_authenticated in lists of restrictions.
	AuthEnable bool `param:"smtpd_sasl_auth_enable" default:"no"`

	// Who knows the passwords: "dovecot", its authentication server; or "cyrus",
	// the saslauthd(8) of Cyrus SASL.
	Type string `param:"smtpd_sasl_type" default:"dovecot"`

	// Where that is. With dovecot: its socket, relative to the queue directory
	// ("private/auth"), or inet:host:port. With cyrus: the name of the file with
	// its configuration, without ".conf".
	Path string `param:"smtpd_sasl_path" default:"smtpd"`

	// The directories with that file, separated by colons. Empty:
	// $config_directory/sasl, /etc/sasl2 and /usr/lib/sasl2.
	CyrusConfigPath string `param:"cyrus_sasl_config_path" default:""`

	// The name of this service for those who know the passwords: with some of
	// them it decides which users may log in.
	Service string `param:"smtpd_sasl_service" default:"smtp"`

	// With cyrus, the domain of users without one.
	LocalDomain string `param:"smtpd_sasl_local_domain" default:""`

	// What mechanisms must withstand: noplaintext (somebody listens),
	// nodictionary (and tries many passwords on what was heard), noactive
	// (somebody stands in between), noanonymous (there is no password at
	// all); and what they must have: forward_secrecy, mutual_auth. Others are
	// neither offered nor accepted.
	SecurityOptions string `param:"smtpd_sasl_security_options" default:"noanonymous"`

	// The same inside of TLS.
	TLSSecurityOptions string `param:"smtpd_sasl_tls_security_options" default:"$smtpd_sasl_security_options"`

	// A list of mechanisms; others are neither offered nor accepted.
	MechanismFilter string `param:"smtpd_sasl_mechanism_filter" default:"!external, static:rest"`

	// The clients that are not told that they can log in: some of them would
	// try, and fail.
	ExceptionsNetworks string `param:"smtpd_sasl_exceptions_networks" default:""`

	// The length of one line from a client that logs in.
	ResponseLimit int `param:"smtpd_sasl_response_limit" default:"12288" min:"12288"`

	// Offer logins once more in an old form (AUTH=) for clients that know no
	// other.
	BrokenClients bool `param:"broken_sasl_auth_clients" default:"no"`

	// The number of AUTH commands from one client per $anvil_rate_time_unit.
	ClientAuthRateLimit int `param:"smtpd_client_auth_rate_limit" default:"0" min:"0"`
}
