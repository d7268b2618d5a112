package main

import (
	"strings"

	"postrider/lib/base/msg"
)

// Bits of a request's smtputf8 attribute: that the sender asked for it, and what
// in the message needs it.
const (
	utf8Requested = 1
	smtputf8Mask  = 15
)

// needsUTF8 tells whether a message that was sent with SMTPUTF8 cannot go
// without it.
func needsUTF8(flags int) bool {
	flags &= smtputf8Mask
	return flags&utf8Requested != 0 && flags&^utf8Requested != 0
}

// allowed looks whether the server can do what the message must have.
func (s *session) allowed(d *delivery) bool {
	switch {
	case tlsRequired():
		d.failAll(s, failure("4.7.5", "TLS is required, but our TLS engine is unavailable"), true)
	case !s.smtputf8 && needsUTF8(d.req.SMTPUTF8):
		d.failAll(s, failure("5.6.7", "SMTPUTF8 is required, but was not offered by host %s", s.name()), false)
	default:
		return true
	}
	return false
}

// tlsRequired tells whether mail may not be sent in the clear.
func tlsRequired() bool {
	switch strings.ToLower(conf.TLSSecurityLevel) {
	case "":
		return conf.EnforceTLS || conf.TLSWrappermode
	case "none", "may":
		return conf.TLSWrappermode
	}
	return true
}

// warnOfMissing tells the administrator, once in the life of a process, of
// settings that ask for what this version cannot do.
func warnOfMissing() {
	level := conf.TLSSecurityLevel
	switch {
	case tlsRequired():
		msg.Warn("TLS is not available yet: with %s = %s no mail can be sent", paramName("smtp_tls_security_level"), level)
	case strings.EqualFold(level, "may") && tlsAskedFor:
		msg.Warn("TLS is not available yet: with %s = %s mail is sent without encryption", paramName("smtp_tls_security_level"), level)
	}
	if tlsPolicies {
		msg.Warn("TLS is not available yet: %s is ignored", paramName("smtp_tls_policy_maps"))
	}
	if conf.SASLAuthEnable {
		msg.Warn("authentication is not available yet: %s is ignored", paramName("smtp_sasl_auth_enable"))
	}
}
