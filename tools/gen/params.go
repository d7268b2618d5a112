package main

import (
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
)

// A parameter is what the source says about one parameter.
type parameter struct {
	name, fallback, min, max, old string
	kind                          string // name of a constant of package param
	users                         []string
	unread                        bool   // no program acts upon it
	text                          string // for the manual
	place                         string // file:line
	tag                           reflect.StructTag
}

// A section is a part of the list of parameters of a program.
type section struct {
	heading    string
	parameters []*parameter
}

// transports are those that need no entry in main.cf to have limits of their own.
var transports = []string{"error", "lmtp", "local", "relay", "retry", "smtp", "virtual"}

// programs returns the packages that are programs, sorted by name. Tests and
// examples are none.
func (s *source) programs() []*pkg {
	var list []*pkg
	for _, p := range s.packages {
		if p.name == "main" && p.dir != "tools/gen" && !strings.HasPrefix(p.dir, "test/") && !strings.Contains(p.dir, "internal") {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b *pkg) int { return strings.Compare(path.Base(a.dir), path.Base(b.dir)) })
	return list
}

// command is the name of a program.
func (p *pkg) command() string { return path.Base(p.dir) }

// sections returns the parameters of a program, its own first, those of
// embedded families after them.
func (s *source) sections(p *pkg) []section {
	w := walker{source: s, seen: make(map[string]bool)}
	own := &w.own
	w.target = own
	for _, name := range p.order {
		w.walk(p, name)
	}
	for _, dir := range s.dirs() { // parts of the program
		if strings.HasPrefix(dir, p.dir+"/") && s.packages[dir].name != "main" {
			for _, name := range s.packages[dir].order {
				w.walk(s.packages[dir], name)
			}
		}
	}
	return append(w.own, w.shared...)
}

func (s *source) dirs() []string {
	var list []string
	for dir := range s.packages {
		list = append(list, dir)
	}
	slices.Sort(list)
	return list
}

// A walker collects parameters.
type walker struct {
	*source
	own, shared []section
	target      *[]section
	seen        map[string]bool // structs and parameters
}

// walk adds the parameters of a struct and those that it embeds.
func (w *walker) walk(p *pkg, name string) {
	key := p.dir + "." + name
	f := p.structs[name]
	if f == nil || w.seen[key] {
		return
	}
	w.seen[key] = true
	current := section{}
	flush := func() {
		if len(current.parameters) > 0 {
			*w.target = append(*w.target, current)
		}
		current = section{}
	}
	var embedded []item
	for _, it := range f.items {
		switch {
		case it.heading != "":
			flush()
			current.heading = it.heading
		case it.parameter == nil:
			embedded = append(embedded, it)
		case !w.seen[it.parameter.name]:
			w.seen[it.parameter.name] = true
			current.parameters = append(current.parameters, it.parameter)
		}
	}
	flush()
	for _, it := range embedded {
		other := w.packages[it.dir]
		if other == nil {
			continue
		}
		before := w.target
		if strings.HasPrefix(it.dir, "lib/") {
			w.target = &w.shared
		}
		w.walk(other, it.name)
		w.target = before
	}
}

// declared returns all parameters of all programs, by name, under the names that
// an administrator writes. Two declarations of one name are errors.
func (s *source) declared(ref *reference) (map[string]*parameter, []error) {
	all := make(map[string]*parameter)
	var errs []error
	said := make(map[string]bool)
	add := func(p parameter, user string) {
		known := all[p.name]
		if known == nil {
			all[p.name] = &p
			known = &p
		} else if known.place != p.place && !said[p.place] {
			said[p.place] = true
			errs = append(errs, fmt.Errorf("%s is declared in %s and in %s: let both embed one family of a package in lib",
				p.name, known.place, p.place))
		}
		if user != "" && !slices.Contains(known.users, user) {
			known.users = append(known.users, user)
		}
	}
	for _, program := range s.programs() {
		for _, section := range s.sections(program) {
			for _, p := range section.parameters {
				for _, named := range p.names(program.command(), ref) {
					add(named, program.command())
				}
			}
		}
	}
	for _, dir := range s.dirs() { // families that no program embeds
		for _, name := range s.packages[dir].order {
			for _, it := range s.packages[dir].structs[name].items {
				if it.parameter != nil {
					for _, named := range it.parameter.names("", ref) {
						add(named, "")
					}
				}
			}
		}
	}
	return all, errs
}

// names returns the parameter under each name that it has in Postfix: one for
// each transport, and those of smtp(8) for lmtp(8) too.
func (p *parameter) names(program string, ref *reference) []parameter {
	one := *p
	one.users = nil
	if strings.Contains(p.name, "<transport>") {
		var list []parameter
		for _, transport := range transports {
			twin := one.renamed(transport, "<transport>", transport)
			if _, known := ref.defaults[twin.name]; known {
				list = append(list, twin)
			}
		}
		return list
	}
	list := []parameter{one}
	if program == "smtp" && strings.HasPrefix(p.name, "smtp_") {
		twin := one.renamed("lmtp", "smtp_", "lmtp_")
		if _, known := ref.defaults[twin.name]; known {
			list = append(list, twin)
		}
	}
	return list
}

// renamed does what param.LoadPrefixed and param.LoadTransport do.
func (p parameter) renamed(key, from, to string) parameter {
	replace := func(text string) string {
		text = strings.ReplaceAll(text, from, to)
		if to == "lmtp_" {
			text = strings.NewReplacer("_helo_", "_lhlo_", "_ehlo_", "_lhlo_").Replace(text)
		}
		return text
	}
	name, special := p.tag.Lookup("param." + key)
	if !special {
		name = replace(p.name)
	}
	p.name = strings.TrimPrefix(name, "-")
	if fallback, special := p.tag.Lookup("default." + key); special {
		p.fallback = fallback
	} else {
		p.fallback = replace(p.fallback)
	}
	var old []string
	for former := range strings.FieldsSeq(p.old) {
		if strings.Contains(former, from) {
			old = append(old, replace(former))
		}
	}
	p.old = strings.Join(old, " ")
	p.text = replace(p.text)
	return p
}
