package main

import (
	"fmt"
	"strings"

	"postrider/lib/mail/known"
	"postrider/lib/mail/param"
)

// settings reads main.cf, with the overrides of -o.
func (p *postconf) settings() (*param.Settings, error) {
	s, err := param.Read(p.dir)
	if err != nil {
		return nil, err
	}
	for _, warning := range s.Warnings() {
		p.warn("%s", warning)
	}
	for _, text := range p.overrides {
		if err := override(s, text); err != nil {
			return nil, err
		}
	}
	if _, set := s.Get("config_directory"); !set && p.dir != param.DefaultDir {
		s.Override("config_directory", p.dir)
	}
	if !p.modes['q'] {
		for _, warning := range s.OldNames() {
			p.warn("%s", warning)
		}
	}
	return s, nil
}

// override makes a setting of option -o.
func override(s *param.Settings, text string) error {
	reason := ""
	switch name, _, found := strings.Cut(text, "="); {
	case !found:
		reason = "missing '=' after attribute name"
	case strings.TrimSpace(name) == "":
		reason = "missing attribute name"
	default:
		return s.OverrideText(text)
	}
	return fmt.Errorf("invalid parameter override: %s: %s", text, reason)
}

// printParameters prints main.cf parameters.
func (p *postconf) printParameters() error {
	classes, err := p.wantedClasses()
	if err != nil {
		return err
	}
	var s *param.Settings
	if p.modes['d'] {
		s = param.New(param.DefaultDir)
	} else if s, err = p.settings(); err != nil {
		return err
	}
	k := p.known(s)
	if !p.modes['d'] {
		p.warnUndefined(s, k)
	}
	names := p.args
	if len(names) == 0 {
		names = k.Sorted()
	}
	for _, name := range names {
		class, found := k.Classes[name]
		if !found || p.modes['d'] && class == known.User {
			if len(p.args) > 0 {
				p.warn("%s: unknown parameter", name)
			}
			continue
		}
		if len(p.args) == 0 && !classes[class] {
			continue
		}
		p.printParameter(s, k, name)
	}
	if !p.modes['d'] {
		p.warnUnused(s, k)
	}
	return nil
}

// printParameter prints one parameter.
func (p *postconf) printParameter(s *param.Settings, k *names, name string) {
	value, set := s.Get(name)
	if p.modes['n'] && !set {
		return
	}
	if !set {
		value = k.fallback(s, name)
	}
	if p.modes['x'] && !k.raw(name) {
		value = p.expand(s, value)
	}
	p.printSetting(name, value)
}

// expand replaces $name. What cannot be expanded is printed as it is.
func (p *postconf) expand(s *param.Settings, value string) string {
	expanded, err := s.Evaluate(value)
	if err != nil {
		p.warn("%v", err)
		return value
	}
	return expanded
}

// wantedClasses reads option -C.
func (p *postconf) wantedClasses() (map[known.Class]bool, error) {
	wanted := map[known.Class]bool{known.Builtin: true, known.Service: true, known.User: true}
	if !p.modes['C'] {
		return wanted, nil
	}
	clear(wanted)
	for _, name := range strings.FieldsFunc(p.classes, func(r rune) bool { return strings.ContainsRune(", \t", r) }) {
		switch name {
		case "builtin":
			wanted[known.Builtin] = true
		case "service":
			wanted[known.Service] = true
		case "user":
			wanted[known.User] = true
		case "all":
			wanted[known.Builtin], wanted[known.Service], wanted[known.User] = true, true, true
		default:
			return nil, fmt.Errorf("unknown -C option value %q in %q", name, p.classes)
		}
	}
	return wanted, nil
}
