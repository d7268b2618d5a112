package main

import (
	"time"

	"postrider/lib/daemon/server"
	"postrider/lib/mail/address"
	"postrider/lib/mail/domains"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/requiretls"
	"postrider/lib/net/milter"
	"postrider/lib/service/bounce"
	"postrider/lib/service/ipc"
	"postrider/lib/service/rewrite"
)

// conf holds the main.cf parameters of cleanup(8).
var conf struct {
	server.Params
	Address address.Params
	Maps    address.Maps
	Domains domains.Params
	Rewrite rewrite.Params
	Bounce  bounce.Params
	Wake    ipc.Wake
	Milter  milter.Params
	TLS     requiretls.Params

	TLSHeader requiretls.Header

	// Mail filters for mail that does not come through smtpd(8): of users
	// of this machine, and what internal_mail_filter_classes names. They
	// see it as if a client on this machine had sent it by SMTP.
	NonSMTPDMilters string `param:"non_smtpd_milters" default:""`

	// Tables of patterns, with what to do when a header that a mail filter
	// adds or changes matches: see header_checks(5). PREPEND is not
	// available.
	MilterHeaderChecks string `param:"milter_header_checks" default:""`

	// HEADERS

	// Make quoted-printable of text that claims to be 8-bit, before checks, mail filters and
	// content filters see it. A signature that is made then stays right on the
	// way to servers that can have no 8-bit text.
	ForceMIMEInputConversion bool `param:"force_mime_input_conversion" default:"no"`

	// What to do when the header of a message ends with a line that is neither empty nor
	// a header. An empty line is put in front of it: "fix_quietly" does no more,
	// "add_header" adds a header MIME-Error:, and "reject" refuses the message.
	NonEmptyEndOfHeader string `param:"non_empty_end_of_header_action" default:"fix_quietly"`

	// The character set of full names that are not ASCII, in From: headers that
	// this program makes. They are encoded with it, not converted to it.
	FullNameEncodingCharset string `param:"full_name_encoding_charset" default:"utf-8"`

	// Complete the headers of all mail, not only of mail from this site.
	AlwaysAddMissingHeaders bool `param:"always_add_missing_headers" default:"no"`

	// The header that is added to mail without a recipient header. Empty:
	// none.
	UndisclosedRecipientsHeader string `param:"undisclosed_recipients_header" default:""`

	address.FromForm

	// The headers that are removed from all mail.
	MessageDropHeaders string `param:"message_drop_headers" default:"bcc, content-length, resent-bcc, return-path"`

	// The characters that must not be in message text. Escapes are \a, \b, \f,
	// \n, \r, \t, \v, \\ and up to three octal digits behind a \.
	MessageRejectCharacters string `param:"message_reject_characters" default:""`

	// The characters that are removed from message text, with the same escapes.
	MessageStripCharacters string `param:"message_strip_characters" default:""`

	// Replace a CR or LF inside a line by a space.
	ReplaceStrayCRLF bool `param:"cleanup_replace_stray_cr_lf" default:"yes"`

	// CONTENT

	// Tables of patterns, with what to do when a header of the message matches:
	// see header_checks(5).
	HeaderChecks string `param:"header_checks" default:""`

	// The same for the headers that describe the parts of a message, and for
	// MIME headers of the message itself.
	MIMEHeaderChecks string `param:"mime_header_checks" default:"$header_checks"`

	// The same for the headers of messages inside the message.
	NestedHeaderChecks string `param:"nested_header_checks" default:"$header_checks"`

	// The same for the lines of the body.
	BodyChecks string `param:"body_checks" default:""`

	// How many bytes of each part body_checks looks at. 0: all.
	BodyChecksSizeLimit int `param:"body_checks_size_limit" default:"51200" min:"0"`

	// MIME

	// How many multiparts may be inside each other.
	MIMENestingLimit int `param:"mime_nesting_limit" default:"100" min:"1"`

	// How many bytes of the boundary between parts count.
	MIMEBoundaryLengthLimit int `param:"mime_boundary_length_limit" default:"2048" min:"1"`

	// Refuse mail with 8-bit characters in headers.
	Strict7bitHeaders bool `param:"strict_7bit_headers" default:"no"`

	// Turn both strict_7bit_headers and strict_8bitmime_body on.
	Strict8bitMIME bool `param:"strict_8bitmime" default:"no"`

	// Refuse mail with 8-bit text that no header announces.
	Strict8bitMIMEBody bool `param:"strict_8bitmime_body" default:"no"`

	// Refuse mail whose multiparts or messages inside are encoded as a whole.
	StrictMIMEEncodingDomain bool `param:"strict_mime_encoding_domain" default:"no"`

	// Find out from Content-Transfer-Encoding: headers that a message has 8-bit
	// text. Without it only what its sender says counts.
	Detect8bitEncodingHeader bool `param:"detect_8bit_encoding_header" default:"yes"`

	// Do not look for MIME headers in mail that comes in.
	DisableMIMEInputProcessing bool `param:"disable_mime_input_processing" default:"no"`

	// ADDRESSES

	// What canonical_maps applies to.
	CanonicalClasses string `param:"canonical_classes" default:"envelope_sender, envelope_recipient, header_sender, header_recipient"`

	// What sender_canonical_maps applies to.
	SenderCanonicalClasses string `param:"sender_canonical_classes" default:"envelope_sender, header_sender"`

	// What recipient_canonical_maps applies to.
	RecipientCanonicalClasses string `param:"recipient_canonical_classes" default:"envelope_recipient, header_recipient"`

	// The domains whose subdomains are hidden: user@host.example.com becomes
	// user@example.com. A name with ! in front is left alone.
	MasqueradeDomains string `param:"masquerade_domains" default:""`

	// What masquerade_domains applies to.
	MasqueradeClasses string `param:"masquerade_classes" default:"envelope_sender, header_sender, header_recipient"`

	// The users whose addresses are not masqueraded.
	MasqueradeExceptions string `param:"masquerade_exceptions" default:""`

	// COPIES

	// An address that gets a copy of all mail.
	AlwaysBcc string `param:"always_bcc" default:""`

	// Tables from sender to an address that gets a copy.
	SenderBccMaps string `param:"sender_bcc_maps" default:""`

	// Tables from recipient to an address that gets a copy.
	RecipientBccMaps string `param:"recipient_bcc_maps" default:""`

	// LIMITS

	// The number of Received: headers that makes a message loop.
	HopcountLimit int `param:"hopcount_limit" default:"50" min:"1"`

	// The longest header, in bytes; the rest of it is dropped.
	HeaderSizeLimit int `param:"header_size_limit" default:"102400" min:"1"`

	// How many words, comments and special characters a header with addresses
	// may have. What comes behind is lost when an address in front of it
	// changes.
	HeaderAddressTokenLimit int `param:"header_address_token_limit" default:"10240" min:"1" old:"extract_recipient_limit"`

	// The number of attributes that a message may have.
	AttributeLimit int `param:"queue_file_attribute_count_limit" default:"100" min:"1"`

	// The number of addresses that one recipient may become.
	AliasExpansionLimit int `param:"virtual_alias_expansion_limit" default:"1000" min:"1"`

	// How deep aliases of aliases may go.
	AliasRecursionLimit int `param:"virtual_alias_recursion_limit" default:"1000" min:"1"`

	// The longest address that an alias may become.
	AliasLengthLimit int `param:"virtual_alias_address_length_limit" default:"1000" min:"1"`

	// The time that a new message waits when the queue manager falls behind.
	InFlowDelay time.Duration `param:"in_flow_delay" default:"1s" min:"0s" max:"10s"`

	queue.Warning
}
