package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"postrider/lib/base/macro"
	"postrider/lib/base/text"
	"postrider/lib/mail/mastercf"
	"postrider/lib/mail/param"
)

// A class says who made up a parameter.
type class int

const (
	builtin class = iota // the suite
	service              // the suite, for a service in master.cf
	user                 // the administrator, by using $name
)

// known are the names that parameters can have here.
type known struct {
	names    map[string]class
	services map[string]string // defaults of class service
	entries  []mastercf.Entry
	referred map[string]bool // names that values refer to, set or not
}

// known finds the names of all parameters: of the suite, of the services in
// master.cf, and those that a value or another parameter refers to.
func (p *postconf) known(s *param.Settings) *known {
	k := &known{names: make(map[string]class), services: make(map[string]string), referred: make(map[string]bool)}
	for _, b := range param.Builtins() {
		k.names[b.Name] = builtin
	}
	path := filepath.Join(p.dir, "master.cf")
	file, err := mastercf.ReadFile(path)
	switch {
	case err == nil:
		k.entries = file.Entries
	case !os.IsNotExist(err) || !p.modes['d']:
		p.warn("%v", err)
	}
	for i := range k.entries {
		k.addService(&k.entries[i])
	}
	k.addUser(s)
	for i := range k.entries {
		for _, option := range k.entries[i].Options() {
			k.refer(s, option.Value)
		}
	}
	return k
}

// transportSuffixes are the parameters that each delivery agent's service has.
var transportSuffixes = []string{
	"_delivery_slot_cost", "_delivery_slot_discount", "_delivery_slot_loan",
	"_destination_concurrency_failed_cohort_limit", "_destination_concurrency_limit",
	"_destination_concurrency_negative_feedback", "_destination_concurrency_positive_feedback",
	"_destination_rate_delay", "_destination_recipient_limit", "_extra_recipient_limit",
	"_initial_destination_concurrency", "_minimum_delivery_slots", "_recipient_limit",
	"_recipient_refill_delay", "_recipient_refill_limit", "_transport_rate_delay",
}

// addService adds the parameters whose names begin with that of a service.
func (k *known) addService(e *mastercf.Entry) {
	add := func(suffix, fallback string) {
		name := e.Name + suffix
		if param.Lookup(name) == nil {
			k.services[name] = fallback
		}
		k.names[name] = service
	}
	switch filepath.Base(e.Command) {
	case "local", "pipe", "virtual", "smtp", "lmtp", "error":
		for _, suffix := range transportSuffixes {
			if suffix == "_initial_destination_concurrency" {
				add(suffix, "$initial_destination_concurrency")
			} else {
				add(suffix, "$default"+suffix)
			}
		}
	}
	switch filepath.Base(e.Command) {
	case "pipe", "spawn":
		add("_time_limit", "$command_time_limit")
	}
}

// addUser adds the names that the administrator made: what values refer to,
// restriction classes, and what the clients of databases read from main.cf.
func (k *known) addUser(s *param.Settings) {
	for _, name := range s.Names() {
		value, _ := s.Get(name)
		k.refer(s, value)
	}
	for _, b := range param.Builtins() {
		k.refer(s, b.Default)
		for old := range strings.FieldsSeq(b.Old) {
			k.userName(s, old)
		}
	}
	for _, name := range text.Split(s.Value("smtpd_restriction_classes")) {
		k.userName(s, name)
	}
}

// userName adds a name, if main.cf sets it.
func (k *known) userName(s *param.Settings, name string) {
	if _, known := k.names[name]; known {
		return
	}
	if _, set := s.Get(name); set {
		k.names[name] = user
	}
}

// databases are the types of table whose name can be the prefix of parameters.
var databases = []string{"ldap", "memcache", "mysql", "pgsql", "sqlite", "mongodb"}

// refer adds the names that a value refers to.
func (k *known) refer(s *param.Settings, value string) {
	for _, name := range macro.Names(value) {
		k.referred[name] = true
		k.userName(s, name)
	}
	for _, item := range text.Split(value) {
		item = strings.TrimPrefix(strings.Trim(item, "{}"), "proxy:")
		kind, prefix, found := strings.Cut(item, ":")
		if !found || !slices.Contains(databases, kind) || prefix == "" || strings.ContainsAny(prefix[:1], "/.{") {
			continue
		}
		for _, name := range s.Names() {
			if strings.HasPrefix(name, prefix+"_") {
				k.userName(s, name)
			}
		}
	}
}

// fallback returns the default of a parameter.
func (k *known) fallback(s *param.Settings, name string) string {
	if value, ok := k.services[name]; ok {
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
func (k *known) raw(name string) bool {
	b := param.Lookup(name)
	return b != nil && (b.Kind == param.RawText || rawNames[name])
}

// rawNames are parameters of that kind that no program may declare yet.
var rawNames = map[string]bool{
	"default_rbl_reply": true, "smtpd_expansion_filter": true, "forward_path": true,
	"command_execution_directory": true, "luser_relay": true, "postscreen_expansion_filter": false,
}

// warnUnused warns about settings whose names nobody knows, in main.cf and in
// the options of services.
func (p *postconf) warnUnused(s *param.Settings, k *known) {
	file := filepath.Join(p.dir, "main.cf")
	for _, name := range s.Names() {
		_, known := k.names[name]
		if value, _ := s.Get(name); !known && !p.overridden(name) {
			p.warn("%s: unused parameter: %s=%s", file, name, value)
		}
	}
	p.warnUnusedOptions(k.entries, k)
}

// overridden reports whether a setting comes from option -o.
func (p *postconf) overridden(name string) bool {
	for _, text := range p.overrides {
		if key, _, _ := strings.Cut(text, "="); strings.TrimSpace(key) == name {
			return true
		}
	}
	return false
}

// warnUnusedOptions does that for master.cf. A name that another option of the
// same service refers to is in use.
func (p *postconf) warnUnusedOptions(entries []mastercf.Entry, k *known) {
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
			if _, known := k.names[option.Name]; !known && !referred[option.Name] && !k.referred[option.Name] {
				p.warn("%s: unused parameter: %s=%s", file, option.Name, option.Value)
			}
		}
	}
}

// sorted returns all names.
func (k *known) sorted() []string { return slices.Sorted(maps.Keys(k.names)) }
