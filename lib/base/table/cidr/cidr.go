// Package cidr has the table type "cidr": a file of networks and values. The
// first network that the address is in gives the value.
package cidr

import (
	"net/netip"
	"strings"

	"postrider/lib/base/network"
	"postrider/lib/base/table"
	"postrider/lib/base/table/rules"
	"postrider/lib/base/text"
)

func init() { table.Register("cidr", open) }

// A pattern is a network.
type pattern netip.Prefix

// Match says whether key is an address in the network. A rule for IPv4 does not
// apply to IPv6 and the reverse, also with "!".
func (p pattern) Match(key string) (matches, applies bool, err error) {
	prefix := netip.Prefix(p)
	addr, ok := network.Address(key)
	if !ok {
		return false, false, nil
	}
	if prefix.Addr().Is4In6() {
		addr = netip.AddrFrom16(addr.As16())
	}
	return prefix.Contains(addr), addr.BitLen() == prefix.Addr().BitLen(), nil
}

func open(name string, flags table.Flags) (table.Table, error) {
	list := rules.NewList("cidr", name)
	source, err := table.ReadLines(name, func(line text.Line) error {
		parse(list, line, flags)
		return nil
	})
	if err != nil {
		return nil, err
	}
	list.Finish(source)
	return list, nil
}

// parse adds the rule of one line. A bad line is skipped with a warning.
func parse(list *rules.List, line text.Line, flags table.Flags) {
	word, value := cut(line.Text)
	switch {
	case strings.EqualFold(word, "endif"):
		if value != "" {
			list.Warn(line.First, "garbage after ENDIF: skipping this rule")
		} else if !list.EndIf() {
			list.Warn(line.First, "ENDIF without IF: skipping this rule")
		}
		return
	case strings.EqualFold(word, "if"):
		if p, not, ok := parsePattern(list, line.First, value); ok {
			list.If(line.First, not, p)
		}
		return
	}
	if not := negations(line.Text); not > 0 { // white space may follow the "!"
		word, value = cut(text.Trim(strings.TrimLeft(line.Text, "! \t")))
		word = strings.Repeat("!", not) + word
	}
	p, not, ok := parsePattern(list, line.First, word)
	if !ok {
		return
	}
	if value == "" {
		list.Warn(line.First, "no lookup result: skipping this rule")
		return
	}
	if flags&table.SourceIsFile != 0 {
		data, err := table.Files(value)
		if err != nil {
			list.Warn(line.First, "%v: skipping this rule", err)
			return
		}
		value = data
	}
	list.Add(line.First, not, p, rules.Text(value))
}

func parsePattern(list *rules.List, line int, word string) (p pattern, not, ok bool) {
	not = negations(word)%2 == 1
	word = text.Trim(strings.TrimLeft(word, "! \t"))
	if word == "" {
		list.Warn(line, "no address pattern: skipping this rule")
		return p, not, false
	}
	prefix, exact, err := network.Parse(word)
	switch {
	case err != nil:
		list.Warn(line, "%v: skipping this rule", err)
		return p, not, false
	case !exact:
		list.Warn(line, "%s: skipping this rule", network.HostBits(word, prefix))
		return p, not, false
	}
	return pattern(prefix), not, true
}

// negations counts the "!" before a pattern.
func negations(s string) int {
	s = strings.TrimLeft(s, " \t")
	return len(s) - len(strings.TrimLeft(s, "!"))
}

func cut(s string) (word, rest string) {
	s = text.Trim(s)
	if i := strings.IndexFunc(s, func(r rune) bool { return r < 0x80 && text.IsBlank(byte(r)) }); i >= 0 {
		return s[:i], text.Trim(s[i:])
	}
	return s, ""
}
