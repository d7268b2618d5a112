// Package addrmap looks up mail addresses in tables: whole, without extension,
// the local part alone, and the domain alone.
package addrmap

import (
	"fmt"
	"strings"

	"postrider/lib/base/table"
	"postrider/lib/mail/address"
	"postrider/lib/mail/domains"
)

// Options are what a lookup has to know of the site.
type Options struct {
	Params  *address.Params  // myorigin, recipient_delimiter
	Domains *domains.Domains // which domains are local
}

// Maps are the tables of one parameter.
type Maps struct {
	name string
	list *table.List
	o    Options
}

// Open opens the tables of the parameter name. An empty list has no addresses.
func Open(name, maps string, o Options) (*Maps, error) {
	list, err := table.OpenList(maps, table.FoldKey)
	if err != nil {
		return nil, fmt.Errorf("parameter %s: %w", name, err)
	}
	return &Maps{name, list, o}, nil
}

// Empty reports whether there are no tables.
func (m *Maps) Empty() bool { return m == nil || m.list.Empty() }

// Lookup returns the value for an address in internal form.
func (m *Maps) Lookup(internal string) (value string, found bool, err error) {
	value, _, found, err = m.Find(internal)
	return value, found, err
}

// a key is one way to look for an address.
type key struct {
	text      string
	part      bool   // tables of patterns are not asked
	unmatched string // extension with its delimiter that the key leaves out
}

// Find is Lookup that also returns the extension, with its delimiter, that was
// not part of the key.
func (m *Maps) Find(internal string) (value, extension string, found bool, err error) {
	if m.Empty() {
		return "", "", false, nil
	}
	keys, err := m.keys(internal)
	if err != nil {
		return "", "", false, err
	}
	for _, k := range keys {
		value, found, err := m.ask(k)
		if err != nil || found {
			return value, k.unmatched, found, err
		}
	}
	return "", "", false, nil
}

// ask tries the key in external form, then, where that is another, in internal
// form.
func (m *Maps) ask(k key) (string, bool, error) {
	lookup := m.list.Lookup
	if k.part {
		lookup = m.list.LookupPart
	}
	external := k.text
	if !strings.HasPrefix(external, "@") {
		external = address.Quote(external)
	}
	value, found, err := lookup(external)
	if err == nil && !found && external != k.text {
		value, found, err = lookup(k.text)
	}
	if err != nil {
		return "", false, fmt.Errorf("parameter %s: %w", m.name, err)
	}
	return value, found, nil
}

// keys are the forms in which an address may stand in a table, in order.
func (m *Maps) keys(internal string) ([]key, error) {
	local, domain, qualified := address.Split(internal)
	base, extension, extended := address.SplitExtension(local, m.o.Params.RecipientDelimiter)
	rest := ""
	if extended {
		rest = local[len(base) : len(base)+1+len(extension)]
	}
	keys := []key{{text: internal}}
	if !qualified {
		if extended {
			keys = append(keys, key{base, true, rest})
		}
		return keys, nil
	}
	if extended {
		keys = append(keys, key{base + "@" + domain, true, rest})
	}
	ours, err := m.ours(domain)
	if err != nil {
		return nil, err
	}
	if ours {
		keys = append(keys, key{text: local, part: true})
		if extended {
			keys = append(keys, key{base, true, rest})
		}
	}
	return append(keys, key{text: "@" + domain, part: true, unmatched: ""}), nil
}

// ours reports whether a local part alone means an address in this domain.
func (m *Maps) ours(domain string) (bool, error) {
	if strings.EqualFold(domain, m.o.Params.MyOrigin) {
		return true, nil
	}
	if m.o.Domains == nil {
		return false, nil
	}
	return m.o.Domains.Local(domain)
}

// Addresses returns the addresses that stand for one, in external form. With
// propagate, an extension that was not part of the key is added to each. A
// result @domain keeps the local part.
func (m *Maps) Addresses(internal string, propagate bool) (external []string, found bool, err error) {
	value, extension, found, err := m.Find(internal)
	if err != nil || !found {
		return nil, found, err
	}
	local, _, _ := address.Split(internal)
	for _, span := range address.Find(value) {
		result := span.Address
		if strings.HasPrefix(result, "@") && strings.IndexAny(result[1:], "@:,") < 0 {
			external = append(external, address.Quote(local+result))
			continue
		}
		if propagate && extension != "" {
			result = addExtension(result, extension)
		}
		external = append(external, result)
	}
	if len(external) == 0 {
		return nil, false, fmt.Errorf("parameter %s: no address in the result %q for %q", m.name, value, internal)
	}
	return external, true, nil
}

func addExtension(external, extension string) string {
	internal := address.Unquote(external)
	local, domain, ok := address.Split(internal)
	if !ok {
		return address.Quote(local + extension)
	}
	return address.Quote(local + extension + "@" + domain)
}
