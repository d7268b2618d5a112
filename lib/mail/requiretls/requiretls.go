// Package requiretls has what a sender may say about TLS on the way of a message:
// that there must be some, all the way, or that it does not matter.
//
// Source: RFC 8689.
package requiretls

import "postrider/lib/mail/record"

// Params are the parameters that each program on the way of a message reads.
type Params struct {
	// Whether clients can ask with REQUIRETLS, inside of TLS, that a message goes
	// only to servers that prove who they are and do the same. Without such a
	// server it goes back; see $smtp_requiretls_policy.
	RequireTLSEnable bool `param:"requiretls_enable" default:"yes"`

	// Whether the header "TLS-Required: no" has an effect: the message is sent to
	// servers that have no TLS or do not prove who they are, too, whatever the
	// policy for them says. REQUIRETLS counts more than this.
	TLSRequiredEnable bool `param:"tls_required_enable" default:"yes"`
}

// Header is the parameter about the header that takes REQUIRETLS through programs
// that do not know it.
type Header struct {
	// Whether a message that came with REQUIRETLS gets the header
	// "Require-TLS-ESMTP: yes", and a message with it counts as one that
	// came so. Content filters need this.
	ESMTPHeader bool `param:"requiretls_esmtp_header" default:"yes"`
}

// HeaderLine is that header.
const HeaderLine = "Require-TLS-ESMTP: yes"

// Wanted tells from the flags of a message whether it must have TLS.
func (p *Params) Wanted(flags int) bool {
	return p.RequireTLSEnable && flags&record.RequireTLS != 0
}

// Optional tells whether TLS does not matter.
func (p *Params) Optional(flags int) bool {
	return p.TLSRequiredEnable && flags&record.TLSOptional != 0 && !p.Wanted(flags)
}
