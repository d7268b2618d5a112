package audit

import (
	"slices"
	"strings"

	"postrider/lib/base/match"
	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/mail/known"
	"postrider/lib/mail/param"
)

// guards are the restrictions that keep strangers from relaying. Smtpd(8) does not
// work without one of them.
var guards = []string{"check_relay_domains", "defer", "defer_if_permit", "defer_unauth_destination", "reject",
	"reject_unauth_destination"}

// checkOrder looks for restrictions that come too late, in the lists among the
// names, and for lists that nobody guards.
func (a *audit) checkOrder(s *param.Settings, names []string) {
	guarded, said := false, false
	for _, name := range restrictionLists {
		steps := a.steps(s, name)
		last := slices.IndexFunc(steps, func(step string) bool { return step == "permit" || step == "reject" || step == "defer" })
		if last >= 0 && last+1 < len(steps) && slices.Contains(names, name) {
			a.reportAt(s, name, "%s stands behind %s, and is never looked at", steps[last+1], steps[last])
			said = true
		}
		if name != "smtpd_relay_restrictions" && name != "smtpd_recipient_restrictions" {
			continue
		}
		if last >= 0 {
			steps = steps[:last+1]
		}
		guarded = guarded || slices.ContainsFunc(steps, func(step string) bool { return slices.Contains(guards, step) })
	}
	if guarded || !slices.ContainsFunc(names, func(name string) bool {
		return name == "smtpd_relay_restrictions" || name == "smtpd_recipient_restrictions"
	}) {
		return
	}
	for _, name := range []string{"smtpd_relay_restrictions", "smtpd_recipient_restrictions"} {
		if slices.Contains(names, name) && !said {
			a.reportAt(s, name, "strangers could relay, so smtpd(8) takes no mail: specify at least one working instance of: %s",
				strings.Join(guards, ", "))
			return
		}
	}
}

// steps are the restrictions of a list, without their arguments, and with those of
// classes in their place.
func (a *audit) steps(s *param.Settings, name string) []string {
	raw, set := s.Get(name)
	if b := param.Lookup(name); !set && b != nil {
		raw = b.Default
	}
	value, err := s.Evaluate(raw)
	if err != nil {
		return nil
	}
	classes := text.Split(s.Value("smtpd_restriction_classes"))
	var list []string
	argument, warn := false, false
	for _, word := range text.SplitBraces(value) {
		_, hasArgument := known.Restriction(word)
		switch {
		case argument:
			argument = false
		case word == "warn_if_reject":
			warn = true
			continue
		case slices.Contains(classes, word):
			for _, inside := range text.Split(s.Value(word)) {
				if inside != "permit" && inside != word { // it ends the class alone
					list = append(list, inside)
				}
			}
		case !warn:
			list = append(list, word)
			argument = hasArgument
		default:
			argument = hasArgument
		}
		warn = false
	}
	return list
}

// classPairs are lists of domains that may not have one in common.
var classPairs = [][2]string{{"mydestination", "virtual_alias_domains"}, {"mydestination", "virtual_mailbox_domains"},
	{"virtual_alias_domains", "virtual_mailbox_domains"}, {"relay_domains", "virtual_alias_domains"},
	{"relay_domains", "virtual_mailbox_domains"}}

// checkClasses looks for domains in two address classes: trivial-rewrite(8) takes
// the first, and logs a warning for each message.
func (a *audit) checkClasses() {
	restore := msg.SetOutput(func(msg.Level, string) {}) // trouble with tables is said elsewhere
	defer restore()
	for _, pair := range classPairs {
		for i, name := range pair {
			other := pair[1-i]
			value := withoutProxy(a.settings.Value(other))
			list, err := match.Domains(other, value, false)
			if value == "" || err != nil {
				continue
			}
			for _, domain := range text.SplitBraces(a.settings.Value(name)) {
				if strings.ContainsAny(domain, ":/!{") || i == 1 && slices.Contains(text.Split(a.settings.Value(other)), domain) {
					continue // a table, or said already
				}
				if yes, err := list.Match(domain); err == nil && yes {
					a.reportAt(a.settings, name, "%s is in %s, too: list a domain in one of them only", domain, other)
				}
			}
		}
	}
}

// withoutProxy names tables as this program can open them.
func withoutProxy(value string) string { return strings.ReplaceAll(value, "proxy:", "") }
