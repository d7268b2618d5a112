package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"postrider/lib/base/macro"
	"postrider/lib/mail/param"
)

// A reference is what Postfix has.
type reference struct {
	defaults map[string]string
	changed  map[string]string // defaults of ours that differ on purpose
	reasons  map[string]string // why a parameter is of no use here
	missing  map[string]string // what else Postfix does
}

func readReference(dir string) (*reference, error) {
	defaults, err := readList(filepath.Join(dir, "remaining.txt"))
	if err != nil {
		return nil, err
	}
	changed, err := readList(filepath.Join(dir, "changed.txt"))
	if err != nil {
		return nil, err
	}
	reasons, err := readList(filepath.Join(dir, "reasons.txt"))
	if err != nil {
		return nil, err
	}
	missing, err := readList(filepath.Join(dir, "missing.txt"))
	return &reference{defaults, changed, reasons, missing}, err
}

// readList reads lines of the form "name = default".
func readList(file string) (map[string]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	list := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, value, found := strings.Cut(strings.TrimSpace(line), " =")
		if !found {
			return nil, fmt.Errorf("%s: %q is not name = value", file, line)
		}
		value = strings.TrimSpace(value)
		if value == "(computed)" {
			value = ""
		}
		list[name] = value
	}
	return list, nil
}

// expected returns the default that a parameter should have, if it is one of
// Postfix.
func (r *reference) expected(name string) (value string, known bool) {
	value, known = r.defaults[name]
	if changed, ok := r.changed[name]; ok {
		value = changed
	}
	return value, known
}

// judge returns what is wrong with the declarations: no text, or a default that
// differs for no stated reason.
func (r *reference) judge(list []*parameter, declared map[string]*parameter) []error {
	var errs []error
	for _, p := range list {
		if declared[p.name] == nil {
			continue
		}
		if p.text == "" {
			errs = append(errs, fmt.Errorf("%s: parameter %s has no text", p.place, p.name))
		}
		if err := p.valid(); err != nil {
			errs = append(errs, err)
		}
		if value, known := r.expected(p.name); known && value != p.fallback && !p.computed() {
			errs = append(errs, fmt.Errorf("%s: parameter %s has default %q; that of Postfix is %q (tools/gen/changed.txt lists the wanted differences)",
				p.place, p.name, p.fallback, value))
		}
	}
	return errs
}

// valid checks that default and bounds are of the type of the parameter.
func (p *parameter) valid() error {
	for _, text := range []string{p.fallback, p.min, p.max} {
		var err error
		switch {
		case strings.Contains(text, "$"), text == "" && (p.min == text || p.max == text):
		case p.kind == "Int" || p.kind == "Long":
			_, err = strconv.ParseInt(text, 10, 64)
		case p.kind == "Bool":
			_, err = param.ParseBool(text)
		case p.kind == "Time":
			_, err = param.ParseTime(text, p.fallback)
		}
		if err != nil {
			return fmt.Errorf("%s: parameter %s: %q: %w", p.place, p.name, text, err)
		}
	}
	return nil
}

// markUnread finds the parameters that no program acts upon: neither declared nor
// asked for by name nor a part of another one's default.
func markUnread(list []*parameter, declared map[string]*parameter, asked map[string]bool) {
	read := maps.Clone(asked)
	for _, p := range declared {
		if strings.HasPrefix(p.name, "proxy_") { // lists of what others may read
			continue
		}
		for _, name := range macro.Names(p.fallback) {
			read[name] = true
		}
	}
	for _, p := range list {
		p.unread = declared[p.name] == nil && !read[p.name]
	}
}

// statusFile makes docs/status.md: what is known but not acted upon.
func statusFile(list []*parameter, declared map[string]*parameter, ref *reference) []byte {
	var b bytes.Buffer
	var unused, useless, ours []string
	for _, p := range list {
		_, known := ref.defaults[p.name]
		switch {
		case p.unread && ref.reasons[p.name] != "":
			useless = append(useless, "`"+p.name+"`: "+ref.reasons[p.name])
		case p.unread:
			unused = append(unused, "`"+p.name+"`")
		case !known && declared[p.name] != nil:
			ours = append(ours, fmt.Sprintf("`%s` (%s)", p.name, p.place))
		}
	}
	fmt.Fprintf(&b, "# Parameters: what is done with them\n\nMade by tools/gen; do not edit.\n\n"+
		"Of %d parameters of Postfix 3.11, %d are read by a program.\n",
		len(ref.defaults), len(ref.defaults)-len(unused)-len(useless))
	write := func(heading, text string, items []string) {
		if len(items) > 0 {
			fmt.Fprintf(&b, "\n## %s\n\n%s\n\n%s\n", heading, text, strings.Join(items, "\n"))
		}
	}
	write("Known but not acted upon", "postconf prints them and they can be used as `$name`, but no program reads them.", bullets(unused))
	write("Of no use here", "The same, and this will stay so.", bullets(useless))
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(ref.missing)) {
		missing = append(missing, name+": "+ref.missing[name])
	}
	write("Not there yet", "What Postfix 3.8 to 3.11 do besides parameters.", bullets(missing))
	write("Not in Postfix 3.11", "Parameters of our own.", bullets(ours))
	return b.Bytes()
}

func bullets(items []string) []string {
	for i := range items {
		items[i] = "- " + items[i]
	}
	return items
}
