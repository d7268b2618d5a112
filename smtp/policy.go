package main

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
	if !s.smtputf8 && needsUTF8(d.req.SMTPUTF8) {
		d.failAll(s, failure("5.6.7", "SMTPUTF8 is required, but was not offered by host %s", s.name()), false)
		return false
	}
	return s.tellsOn(d)
}
