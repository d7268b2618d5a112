package notice

// Classes says what the postmaster hears of.
type Classes struct {
	// The classes of trouble that the postmaster hears of. bounce: copies of
	// non-delivery notices, with the headers of the mail. 2bounce: notices
	// that could not be delivered themselves. delay: copies of warnings.
	// data, policy, protocol: transcripts of SMTP sessions with errors.
	// resource, software: mail that could not be taken or delivered for such
	// reasons.
	NotifyClasses string `param:"notify_classes" default:"resource, software"`
}

// Postmaster hears of trouble in SMTP sessions.
type Postmaster struct {
	Classes

	// Who gets notices about the classes data, policy, protocol, resource and
	// software.
	ErrorNoticeRecipient string `param:"error_notice_recipient" default:"postmaster"`
}
