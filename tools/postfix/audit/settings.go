package audit

import (
	"strings"

	"postrider/lib/base/macro"
	"postrider/lib/base/text"
	"postrider/lib/mail/known"
	"postrider/lib/mail/mastercf"
	"postrider/lib/mail/param"
)

// checkSettings looks at each setting of main.cf.
func (a *audit) checkSettings() {
	for _, name := range a.settings.Names() {
		a.checkSetting(a.settings, name)
	}
}

// checkSetting looks at the name of one setting, then at its value.
func (a *audit) checkSetting(s *param.Settings, name string) {
	file, line := s.Place(name)
	if file == "" {
		return // made by this program
	}
	like, now := a.names.Like(name), newName(name)
	class, found := a.names.Classes[name]
	switch {
	case now != nil:
		a.reportAt(s, name, "this is the old name of parameter %s; please use the new name", now.Name)
		if _, both := s.Get(now.Name); both {
			a.reportAt(s, name, "%s is set too; that one counts", now.Name)
		}
		like = now
	case !found && !a.names.Referred[name]:
		a.reportAt(s, name, "unknown parameter%s", a.similar(name))
	}
	if err := s.Verify(name, like); err != nil {
		a.report(file, line, "%v", err)
		return
	}
	a.checkReferences(s, name, like)
	if like != nil && like.Unread && class == known.Builtin && a.says(s, name, like) {
		a.reportAt(s, name, "this parameter is known, but no program here acts upon it yet")
	}
}

// newName returns the parameter that has an old name.
func newName(name string) *param.Builtin {
	if param.Lookup(name) != nil {
		return nil
	}
	for i, b := range param.Builtins() {
		for old := range strings.FieldsSeq(b.Old) {
			if old == name {
				return &param.Builtins()[i]
			}
		}
	}
	return nil
}

// says reports whether a setting is another one than the default.
func (a *audit) says(s *param.Settings, name string, like *param.Builtin) bool {
	value := s.Value(name)
	fallback, err := s.Evaluate(like.Default)
	return err != nil || strings.TrimSpace(value) != fallback
}

// checkReferences looks for names in a value that nobody knows. A name with a
// condition may well be unknown: the condition asks for it.
func (a *audit) checkReferences(s *param.Settings, name string, like *param.Builtin) {
	if like == nil || like.Kind == param.RawText {
		return // not expanded, or by somebody with names of his own
	}
	value, _ := s.Get(name)
	for _, other := range macro.Names(value) {
		if _, set := s.Get(other); set || strings.Contains(value, "{"+other+"?") || strings.Contains(value, "{"+other+":") {
			continue
		}
		if _, found := a.names.Classes[other]; !found && newName(other) == nil {
			a.reportAt(s, name, "$%s: there is no parameter of that name%s", other, a.similar(other))
		}
	}
}

// checkOptions looks at what a service sets with -o.
func (a *audit) checkOptions(e *mastercf.Entry) {
	options := e.Options()
	if len(options) == 0 {
		return
	}
	s := a.settings.Clone()
	s.Override("service_name", e.Name)
	own := make(map[string]bool) // names that the service itself makes and uses
	for _, option := range options {
		s.OverrideAt(option.Name, option.Value, a.master, e.Line)
		for _, name := range macro.Names(option.Value) {
			own[name] = true
		}
		if option.Name == "smtpd_restriction_classes" {
			for _, name := range text.Split(option.Value) {
				own[name] = true
			}
		}
	}
	var set, all []string
	for _, option := range options {
		all = append(all, option.Name)
		if own[option.Name] && param.Lookup(option.Name) == nil {
			continue
		}
		a.checkSetting(s, option.Name)
		if a.namesTables(option.Name) {
			set = append(set, option.Name)
		}
	}
	a.checkTables(s, set)
	a.checkLists(s, all)
}
