// Package known says which names parameters can have on a machine: those of the
// suite, those that services in master.cf bring, and those that the administrator
// made up.
package known

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"postrider/lib/base/macro"
	"postrider/lib/base/text"
	"postrider/lib/mail/mastercf"
	"postrider/lib/mail/param"
)

// A Class says who made up a parameter.
type Class int

// The classes.
const (
	Builtin Class = iota // the suite
	Service              // the suite, for a service in master.cf
	User                 // the administrator, by using $name
)

// Names are the names that parameters can have here.
type Names struct {
	Classes  map[string]Class
	Defaults map[string]string // of class Service
	Referred map[string]bool   // names that values refer to, set or not
	likes    map[string]string // of class Service: the parameter of the same type
}

// New finds the names of all parameters: of the suite, of services, and those
// that a value or another parameter refers to.
func New(s *param.Settings, entries []mastercf.Entry) *Names {
	n := &Names{Classes: make(map[string]Class), Defaults: make(map[string]string),
		Referred: make(map[string]bool), likes: make(map[string]string)}
	for _, b := range param.Builtins() {
		n.Classes[b.Name] = Builtin
	}
	for i := range entries {
		n.addService(&entries[i])
	}
	n.addUser(s)
	for i := range entries {
		for _, option := range entries[i].Options() {
			n.refer(s, option.Value)
		}
	}
	return n
}

// Like returns the parameter whose type a name has: its own entry, or the default
// of all transports. Nil: of no type in particular.
func (n *Names) Like(name string) *param.Builtin {
	if like, ok := n.likes[name]; ok {
		return param.Lookup(like)
	}
	return param.Lookup(name)
}

// Sorted returns all names.
func (n *Names) Sorted() []string { return slices.Sorted(maps.Keys(n.Classes)) }

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
func (n *Names) addService(e *mastercf.Entry) {
	add := func(suffix, like string) {
		name := e.Name + suffix
		if param.Lookup(name) == nil {
			n.Defaults[name] = "$" + like
			n.likes[name] = like
		}
		n.Classes[name] = Service
	}
	switch filepath.Base(e.Command) {
	case "local", "pipe", "virtual", "smtp", "lmtp", "error":
		for _, suffix := range transportSuffixes {
			if suffix == "_initial_destination_concurrency" {
				add(suffix, "initial_destination_concurrency")
			} else {
				add(suffix, "default"+suffix)
			}
		}
	}
	switch filepath.Base(e.Command) {
	case "pipe", "spawn":
		add("_time_limit", "command_time_limit")
	}
}

// addUser adds the names that the administrator made: what values refer to,
// restriction classes, and what the clients of databases read from main.cf.
func (n *Names) addUser(s *param.Settings) {
	for _, name := range s.Names() {
		value, _ := s.Get(name)
		n.refer(s, value)
	}
	for _, b := range param.Builtins() {
		n.refer(s, b.Default)
		for old := range strings.FieldsSeq(b.Old) {
			n.userName(s, old)
		}
	}
	for _, name := range text.Split(s.Value("smtpd_restriction_classes")) {
		n.userName(s, name)
	}
}

// userName adds a name, if main.cf sets it.
func (n *Names) userName(s *param.Settings, name string) {
	if _, known := n.Classes[name]; known {
		return
	}
	if _, set := s.Get(name); set {
		n.Classes[name] = User
	}
}

// databases are the types of table whose name can be the prefix of parameters.
var databases = []string{"ldap", "memcache", "mysql", "pgsql", "sqlite", "mongodb"}

// refer adds the names that a value refers to.
func (n *Names) refer(s *param.Settings, value string) {
	for _, name := range macro.Names(value) {
		n.Referred[name] = true
		n.userName(s, name)
	}
	for _, item := range text.Split(value) {
		item = strings.TrimPrefix(strings.Trim(item, "{}"), "proxy:")
		kind, prefix, found := strings.Cut(item, ":")
		if !found || !slices.Contains(databases, kind) || prefix == "" || strings.ContainsAny(prefix[:1], "/.{") {
			continue
		}
		for _, name := range s.Names() {
			if strings.HasPrefix(name, prefix+"_") {
				n.userName(s, name)
			}
		}
	}
}
