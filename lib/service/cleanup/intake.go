package cleanup

import "strings"

// Intake are the parameters of the services that take mail in from outside the
// mail system.
type Intake struct {
	// A transport:destination that all new mail goes through first, such as
	// a virus scanner. See FILTER_README.
	ContentFilter string `param:"content_filter" default:""`

	// What is not done with mail that this service takes: for services
	// behind a content filter, which did it before.
	ReceiveOverrideOptions string `param:"receive_override_options" default:""`
}

// Detect are the parameters that say whose mail is examined for the need of
// SMTPUTF8 and which internal mail is inspected.
type Detect struct {
	// The kinds of mail for which the need of SMTPUTF8 is found out from
	// addresses and headers: sendmail, smtpd, qmqpd, forward, bounce,
	// notify, verify, all.
	AutodetectClasses string `param:"smtputf8_autodetect_classes" default:"sendmail, verify"`

	Inspect
}

// overrides are the words of receive_override_options, and the flags that each
// takes away. no_unknown_recipient_checks concerns the SMTP server alone.
var overrides = map[string]int{
	"no_unknown_recipient_checks": 0,
	"no_address_mappings":         FlagMap | FlagBcc,
	"no_header_body_checks":       FlagFilter,
	"no_milters":                  FlagMilter,
}

// Override takes flags away as receive_override_options says. Words that do not
// exist are returned.
func (p Intake) Override(flags int) (result int, unknown []string) {
	for _, word := range words(p.ReceiveOverrideOptions) {
		off, ok := overrides[strings.ToLower(word)]
		if !ok {
			unknown = append(unknown, word)
		}
		flags &^= off
	}
	return flags, unknown
}

// Overridden reports whether receive_override_options has the word.
func (p Intake) Overridden(word string) bool {
	for _, w := range words(p.ReceiveOverrideOptions) {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}

// Flags adds the flags for a class of mail: "sendmail", "bounce", ...
func (p Detect) Flags(class string, flags int) int {
	if listed(p.AutodetectClasses, class) {
		flags |= FlagAutoUTF8
	}
	if listed(p.FilterClasses, class) {
		flags |= FlagFilter | FlagMilter
	}
	return flags
}

func listed(list, class string) bool {
	for _, w := range words(list) {
		if strings.EqualFold(w, class) || strings.EqualFold(w, "all") {
			return true
		}
	}
	return false
}

func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
}

// Inspect says which mail of the system itself is inspected.
type Inspect struct {
	// The kinds of mail from the system itself that go through header_checks,
	// body_checks and non_smtpd_milters: bounce, notify, or both. This can
	// make notices bounce, and is better left empty.
	FilterClasses string `param:"internal_mail_filter_classes" default:""`
}
