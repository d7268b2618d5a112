package audit

import (
	"slices"
	"strings"

	"postrider/lib/base/text"
	"postrider/lib/mail/known"
	"postrider/lib/mail/param"
)

// restrictionLists are the parameters that are lists of restrictions.
var restrictionLists = []string{"smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions",
	"smtpd_relay_restrictions", "smtpd_recipient_restrictions", "smtpd_data_restrictions",
	"smtpd_end_of_data_restrictions", "smtpd_etrn_restrictions"}

// checkRestrictions looks for names of restrictions that nobody knows, in the lists
// among the names. smtpd(8) says so when a client is refused because of it.
func (a *audit) checkRestrictions(s *param.Settings, names []string) {
	classes := text.Split(s.Value("smtpd_restriction_classes"))
	for _, name := range append(slices.Clone(restrictionLists), classes...) {
		value, set := s.Get(name)
		if !set || !slices.Contains(names, name) {
			continue
		}
		value, err := s.Evaluate(value)
		if err != nil {
			continue // which was said
		}
		argument := false
		for _, word := range text.SplitBraces(value) {
			found, hasArgument := known.Restriction(word)
			switch {
			case argument:
				argument = false
			case found:
				argument = hasArgument
			case word == "warn_if_reject" || strings.Contains(word, ":") || slices.Contains(classes, word):
			default:
				a.reportAt(s, name, "unknown smtpd restriction: %q%s", word, similarTo(word, append(known.Restrictions(), classes...)))
			}
		}
	}
}
