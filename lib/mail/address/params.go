package address

// Params are the parameters that say what addresses mean here.
type Params struct {
	// The characters that stand between the name and the extension of a
	// local address: with "+", mail for joe+lists goes to joe.
	RecipientDelimiter string `param:"recipient_delimiter" default:""`

	// The domain of mail that was posted on this machine, and that is added
	// to addresses without a domain. A file name stands for its first line.
	MyOrigin string `param:"myorigin" default:"$myhostname"`

	NullRecipient

	DoubleBounce

	International

	// Treat mail for the same final address as different when it came to
	// different original addresses, and record the original address in an
	// X-Original-To: header.
	EnableOriginalRecipient bool `param:"enable_original_recipient" default:"yes"`

	// Give owner-name and name-request addresses a special meaning: they are
	// not taken apart at the recipient delimiter, and owner-name becomes the
	// sender of mail to the list.
	OwnerRequestSpecial bool `param:"owner_request_special" default:"yes"`

	Duplicates
}

// Maps are the tables that change addresses when mail comes in. The SMTP
// server looks at them to know which recipients exist.
type Maps struct {
	Propagate

	// Tables that change addresses in headers and envelopes.
	CanonicalMaps string `param:"canonical_maps" default:""`

	// Tables that change sender addresses, before $canonical_maps.
	SenderCanonicalMaps string `param:"sender_canonical_maps" default:""`

	// Tables that change recipient addresses, before $canonical_maps.
	RecipientCanonicalMaps string `param:"recipient_canonical_maps" default:""`

	// Tables that replace envelope recipients by one or more others.
	VirtualAliasMaps string `param:"virtual_alias_maps" default:"$virtual_maps" old:"virtual_maps"`

	// Tables of recipients that have moved; the sender is told where.
	RelocatedMaps string `param:"relocated_maps" default:""`
}

// Propagate says what becomes of address extensions.
type Propagate struct {
	// Which kinds of lookup keep the +extension that was not part of the key.
	PropagateUnmatchedExtensions string `param:"propagate_unmatched_extensions" default:"canonical, virtual"`
}
