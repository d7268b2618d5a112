package address

// These are parameters that programs use which do not need the rest of Params.

// NullRecipient says what stands for the null address.
type NullRecipient struct {
	// Where mail for the null address <> goes, and what stands for it in the
	// queue listing. It must not be a recipient that could bounce.
	EmptyAddressRecipient string `param:"empty_address_recipient" default:"MAILER-DAEMON"`
}

// DoubleBounce is the sender of what must not bounce.
type DoubleBounce struct {
	// The sender of mail that must never bounce, such as notices to the
	// postmaster. Mail that is sent to it is thrown away.
	DoubleBounceSender string `param:"double_bounce_sender" default:"double-bounce"`
}

// International says whether addresses may be in UTF-8.
type International struct {
	// Support mail with addresses and headers in UTF-8 (RFC 6531).
	SMTPUTF8Enable bool `param:"smtputf8_enable" default:"${{$compatibility_level} <level {1} ? {no} : {yes}}"`
}

// Duplicates limits how many addresses are remembered.
type Duplicates struct {
	// The number of addresses that are remembered to find duplicates, of
	// alias expansion and of the queue listing. 0: no limit.
	DuplicateFilterLimit int `param:"duplicate_filter_limit" default:"1000" min:"0"`
}

// MinUser says whether addresses may look like options.
type MinUser struct {
	// Accept addresses that begin with "-". Programs might take them for
	// options.
	AllowMinUser bool `param:"allow_min_user" default:"no"`
}

// FromForm is the form of a From: header that the system makes.
type FromForm struct {
	// The form of a From: header that is made for notices, and for mail that
	// has none: standard (name, and address in angle brackets) or obsolete
	// (address, and name in parentheses).
	HeaderFromFormat string `param:"header_from_format" default:"standard"`
}
