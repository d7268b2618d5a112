// Package verp makes sender addresses that tell which recipient a notice is
// about: variable envelope return paths.
package verp

import (
	"strings"

	"postrider/lib/mail/address"
)

// Params limit the delimiters that clients may ask for.
type Params struct {
	// The characters that may be delimiters of variable envelope return
	// paths.
	VerpDelimiterFilter string `param:"verp_delimiter_filter" default:"-=+"`
}

// Valid reports whether text is a pair of delimiters that may be used.
func (p Params) Valid(text string) bool {
	return len(text) == 2 && strings.IndexByte(p.VerpDelimiterFilter, text[0]) >= 0 &&
		strings.IndexByte(p.VerpDelimiterFilter, text[1]) >= 0
}

// Sender returns the sender address for mail to one recipient: with delimiters
// += and sender owner-list@example.org, mail for joe@example.com comes from
// owner-list+joe=example.com@example.org. List managers know the recipient as
// it was first seen, so callers give the original one where there is one. All
// addresses are in internal form.
func Sender(delimiters, sender, recipient string) string {
	local, origin, hasOrigin := address.Split(sender)
	name, domain, hasDomain := address.Split(recipient)
	made := local + delimiters[:1] + name
	if hasDomain {
		made += delimiters[1:2] + domain
	}
	if hasOrigin {
		made += "@" + origin
	}
	return made
}
