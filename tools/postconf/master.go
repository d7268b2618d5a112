package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"postrider/lib/mail/known"
	"postrider/lib/mail/mastercf"
	"postrider/lib/mail/param"
)

// A target names services, and a field or parameter of them: "name/type/item".
// Parts that are left out mean any.
type target struct {
	text             string
	name, kind, item string
}

// parseTarget reads an argument of -M (two parts), -F or -P (three).
func parseTarget(text string, parts int) target {
	words := strings.SplitN(text, "/", parts)
	if i := lastType(text, parts); i != nil {
		words = i
	}
	for len(words) < 3 {
		words = append(words, "*")
	}
	if words[2] == "" {
		words[2] = "*"
	}
	return target{text, words[0], words[1], words[2]}
}

var kinds = []string{"inet", "unix", "unix-dgram", "fifo", "pass"}

// lastType splits a target at the service type, since the name of a service may
// have a slash of its own. It gives nil when no part is a type.
func lastType(text string, parts int) []string {
	words := strings.Split(text, "/")
	for i := 1; i < len(words); i++ {
		if slices.Contains(kinds, words[i]) && len(words)-i <= parts-1 {
			list := []string{strings.Join(words[:i], "/"), words[i]}
			if i+1 < len(words) {
				list = append(list, strings.Join(words[i+1:], "/"))
			}
			return list
		}
	}
	return nil
}

// targets reads the arguments; none means everything.
func (p *postconf) targets() ([]target, error) {
	parts := 3
	if p.modes['M'] {
		parts = 2
	}
	args := p.args
	if len(args) == 0 {
		args = []string{"*"}
	}
	var list []target
	for _, arg := range args {
		t := parseTarget(arg, parts)
		if p.modes['M'] && strings.Contains(t.kind, "/") {
			return nil, errors.New("-M option requires service_name[/type]")
		}
		if p.modes['F'] && strings.Contains(t.item, "/") {
			return nil, errors.New("-F option requires service_name[/type[/field]]")
		}
		if p.modes['F'] && t.item != "*" && !slices.Contains(mastercf.FieldNames[:], t.item) {
			return nil, fmt.Errorf("invalid service attribute name: %q", t.item)
		}
		list = append(list, t)
	}
	return list, nil
}

// printServices prints what master.cf says.
func (p *postconf) printServices() error {
	classes, err := p.wantedClasses()
	if err != nil {
		return err
	}
	path := filepath.Join(p.dir, "master.cf")
	master, err := mastercf.ReadFile(path)
	if err != nil {
		return err
	}
	for _, warning := range master.Warnings {
		p.warn("%s", warning)
	}
	s, err := p.settings()
	if err != nil {
		return err
	}
	k := p.known(s)
	p.warnUndefined(s, k)
	targets, err := p.targets()
	if err != nil {
		return err
	}
	for _, t := range targets {
		found := false
		for i := range master.Entries {
			e := &master.Entries[i]
			if !e.Matches(t.name, t.kind) {
				continue
			}
			switch {
			case p.modes['F']:
				found = p.printFields(e, t) || found
			case p.modes[everything]:
				found = p.printEverything(e, t, s, k, classes) || found
			case p.modes['P']:
				found = p.printOptions(e, t) || found
			default:
				p.printEntry(p.expandedEntry(e))
				found = true
			}
		}
		if !found && len(p.args) > 0 {
			p.warn("unmatched request: %q", t.text)
		}
	}
	p.warnUnusedOptions(master.Entries, k)
	return nil
}

// printEntry prints a service as a line of master.cf.
func (p *postconf) printEntry(e *mastercf.Entry) {
	if p.modes['j'] {
		p.printSetting(e.ID(), strings.Join(slices.Concat(e.Fields[:], e.RawArgs), " "))
		return
	}
	fmt.Fprintln(p.out, e.Format(p.modes['f']))
}

// printFields prints the fields of one service that a target names.
func (p *postconf) printFields(e *mastercf.Entry, t target) bool {
	found := false
	for i, name := range mastercf.FieldNames {
		if t.item != "*" && t.item != name {
			continue
		}
		found = true
		if name = e.ID() + "/" + name; i == mastercf.Command {
			p.printCommand(p.expandedEntry(e), name)
		} else {
			p.printSetting(name, e.Fields[i])
		}
	}
	return found
}

// printCommand prints the command of a service, whose arguments stay as they are.
func (p *postconf) printCommand(e *mastercf.Entry, name string) {
	switch fold := p.modes['f']; {
	case p.modes['j'], p.modes['H']:
		p.printSetting(name, e.FormatCommand("", false))
	case p.modes['h']:
		fmt.Fprintln(p.out, e.FormatCommand("", fold))
	default:
		fmt.Fprintln(p.out, e.FormatCommand(name+" = ", fold))
	}
}

// printOptions prints the parameters of one service that a target names.
func (p *postconf) printOptions(e *mastercf.Entry, t target) bool {
	found := false
	options := e.Options()
	slices.SortStableFunc(options, func(a, b mastercf.Option) int { return strings.Compare(a.Name, b.Name) })
	for _, option := range options {
		if t.item != "*" && t.item != option.Name {
			continue
		}
		found = true
		value := option.Value
		if p.modes['x'] {
			value = p.expand(p.serviceSettings(e), value)
		}
		p.printSetting(e.ID()+"/"+option.Name, value)
	}
	return found
}

// printEverything prints the parameters that one service sees, as far as a target
// names them, with the values that they have there.
func (p *postconf) printEverything(e *mastercf.Entry, t target, s *param.Settings, k *names, classes map[known.Class]bool) bool {
	own := p.serviceSettings(e)
	all := slices.DeleteFunc(k.Sorted(), func(name string) bool { return !classes[k.Classes[name]] })
	for _, option := range e.Options() {
		all = append(all, option.Name)
	}
	slices.Sort(all)
	found := false
	for _, name := range slices.Compact(all) {
		if t.item != "*" && t.item != name {
			continue
		}
		found = true
		value, set := own.Get(name)
		if !set {
			value = k.fallback(s, name)
		}
		if p.modes['x'] && !k.raw(name) {
			value = p.expand(own, value)
		}
		p.printSetting(e.ID()+"/"+name, value)
	}
	return found
}

// expandedEntry replaces $name in the options of a service when -x is given.
func (p *postconf) expandedEntry(e *mastercf.Entry) *mastercf.Entry {
	if !p.modes['x'] {
		return e
	}
	changed := *e
	s := p.serviceSettings(e)
	for _, option := range e.Options() {
		changed.SetOption(option.Name, p.expand(s, option.Value))
	}
	return &changed
}

// serviceSettings are the settings that a service sees: those of main.cf, and
// its own.
func (p *postconf) serviceSettings(e *mastercf.Entry) *param.Settings {
	s, err := param.Read(p.dir)
	if err != nil { // it was there a moment ago
		s = param.New(p.dir)
	}
	for _, text := range p.overrides {
		_ = s.OverrideText(text) // it was checked before
	}
	for _, option := range e.Options() {
		s.Override(option.Name, option.Value)
	}
	s.Override("service_name", e.Name)
	s.Override("process_name", e.Command)
	return s
}
