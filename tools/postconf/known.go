package main

import (
	"os"
	"path/filepath"

	"postrider/lib/base/macro"
	"postrider/lib/base/text"
	"postrider/lib/mail/known"
	"postrider/lib/mail/mastercf"
	"postrider/lib/mail/param"
)

// names are the names that parameters can have here, with the services of
// master.cf.
type names struct {
	*known.Names
	entries []mastercf.Entry
}

// known finds the names of all parameters.
func (p *postconf) known(s *param.Settings) *names {
	k := &names{}
	path := filepath.Join(p.dir, "master.cf")
	file, err := mastercf.ReadFile(path)
	switch {
	case err == nil:
		k.entries = file.Entries
	case !os.IsNotExist(err) || !p.modes['d']:
		p.warn("%v", err)
	}
	k.Names = known.New(s, k.entries)
	return k
}

// fallback returns the default of a parameter.
func (k *names) fallback(s *param.Settings, name string) string {
	if value, ok := k.Defaults[name]; ok {
		return value
	}
	b := param.Lookup(name)
	switch {
	case b == nil:
		return ""
	case param.Computed(name):
		return s.Value(name)
	}
	return b.Default
}

// raw reports whether a parameter is expanded only when it is used.
func (k *names) raw(name string) bool {
	b := param.Lookup(name)
	return b != nil && (b.Kind == param.RawText || rawNames[name])
}

// rawNames are parameters of that kind that no program may declare yet.
var rawNames = map[string]bool{
	"default_rbl_reply": true, "smtpd_expansion_filter": true, "forward_path": true,
	"command_execution_directory": true, "luser_relay": true, "postscreen_expansion_filter": false,
}

// warnUndefined warns about names that settings refer to and that nobody knows.
func (p *postconf) warnUndefined(s *param.Settings, k *names) {
	if p.modes['q'] {
		return
	}
	undefined := func(name string) bool {
		class, found := k.Classes[name]
		_, set := s.Get(name)
		return !set && (!found || class == known.User)
	}
	for _, setting := range s.Names() {
		value, _ := s.Get(setting)
		for _, name := range macro.Names(value) {
			if undefined(name) {
				p.warn("%s: undefined parameter: %s", filepath.Join(p.dir, "main.cf"), name)
			}
		}
	}
	for i := range k.entries {
		own := make(map[string]bool)
		options := k.entries[i].Options()
		for _, option := range options {
			own[option.Name] = true
		}
		for _, option := range options {
			for _, name := range macro.Names(option.Value) {
				if undefined(name) && !own[name] {
					p.warn("%s: undefined parameter: %s", filepath.Join(p.dir, "master.cf"), name)
				}
			}
		}
	}
}

// warnUnused warns about settings whose names nobody knows, in main.cf and in
// the options of services. A setting of option -o counts as one of main.cf.
func (p *postconf) warnUnused(s *param.Settings, k *names) {
	if p.modes['q'] {
		return
	}
	file := filepath.Join(p.dir, "main.cf")
	for _, name := range s.Names() {
		_, found := k.Classes[name]
		if value, _ := s.Get(name); !found {
			p.warn("%s: unused parameter: %s=%s", file, name, value)
		}
	}
	p.warnUnusedOptions(k.entries, k)
}

// warnUnusedOptions does that for master.cf. A name that another option of the
// same service refers to is in use.
func (p *postconf) warnUnusedOptions(entries []mastercf.Entry, k *names) {
	if p.modes['q'] {
		return
	}
	file := filepath.Join(p.dir, "master.cf")
	for i := range entries {
		options := entries[i].Options()
		referred := make(map[string]bool)
		for _, option := range options {
			for _, name := range macro.Names(option.Value) {
				referred[name] = true
			}
			if option.Name == "smtpd_restriction_classes" {
				for _, name := range text.Split(option.Value) {
					referred[name] = true
				}
			}
		}
		for _, option := range options {
			if _, found := k.Classes[option.Name]; !found && !referred[option.Name] && !k.Referred[option.Name] {
				p.warn("%s: unused parameter: %s=%s", file, option.Name, option.Value)
			}
		}
	}
}
