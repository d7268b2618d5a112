package main

import (
	"fmt"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/address"
	"postrider/lib/mail/addrmap"
	"postrider/lib/mail/domains"
	"postrider/lib/service/cleanup"
)

// A class is one of the places where addresses stand.
type class string

// Classes, as the *_classes parameters name them.
const (
	envelopeSender    class = "envelope_sender"
	envelopeRecipient class = "envelope_recipient"
	headerSender      class = "header_sender"
	headerRecipient   class = "header_recipient"
)

// tables are the maps that change addresses, and where each applies.
type tables struct {
	canonical          *addrmap.Maps
	senderCanonical    *addrmap.Maps
	recipientCanonical *addrmap.Maps
	alias              *addrmap.Maps
	senderBcc          *addrmap.Maps
	recipientBcc       *addrmap.Maps

	canonicalIn, senderIn, recipientIn, masqueradeIn map[class]bool

	masquerade []string
	exceptions map[string]bool
	propagate  map[string]bool
	drop       map[string]bool // headers

	header, mimeHeader, nestedHeader, body, milterHeader check
	characters                                           characters
}

// openTables runs with access to the whole file system.
func openTables(*server.Process) {
	openMilters()
	t := &tables{}
	d, err := domains.New(&conf.Domains)
	if err != nil {
		msg.Fatal("%v", err)
	}
	o := addrmap.Options{Params: &conf.Address, Domains: d}
	for _, each := range []struct {
		name, maps string
		into       **addrmap.Maps
	}{
		{"canonical_maps", conf.Maps.CanonicalMaps, &t.canonical},
		{"sender_canonical_maps", conf.Maps.SenderCanonicalMaps, &t.senderCanonical},
		{"recipient_canonical_maps", conf.Maps.RecipientCanonicalMaps, &t.recipientCanonical},
		{"virtual_alias_maps", conf.Maps.VirtualAliasMaps, &t.alias},
		{"sender_bcc_maps", conf.SenderBccMaps, &t.senderBcc},
		{"recipient_bcc_maps", conf.RecipientBccMaps, &t.recipientBcc},
	} {
		if *each.into, err = addrmap.Open(each.name, each.maps, o); err != nil {
			msg.Fatal("%v", err)
		}
	}
	t.canonicalIn = classes("canonical_classes", conf.CanonicalClasses)
	t.senderIn = classes("sender_canonical_classes", conf.SenderCanonicalClasses)
	t.recipientIn = classes("recipient_canonical_classes", conf.RecipientCanonicalClasses)
	t.masqueradeIn = classes("masquerade_classes", conf.MasqueradeClasses)
	t.masquerade = text.Split(strings.ToLower(conf.MasqueradeDomains))
	t.exceptions = words(conf.MasqueradeExceptions)
	t.propagate = words(conf.Maps.PropagateUnmatchedExtensions)
	t.drop = words(conf.MessageDropHeaders)
	t.header = openCheck("header_checks", conf.HeaderChecks)
	t.mimeHeader = openCheck("mime_header_checks", conf.MIMEHeaderChecks)
	t.nestedHeader = openCheck("nested_header_checks", conf.NestedHeaderChecks)
	t.body = openCheck("body_checks", conf.BodyChecks)
	t.milterHeader = openCheck("milter_header_checks", conf.MilterHeaderChecks)
	t.characters = characters{unescape(conf.MessageRejectCharacters), unescape(conf.MessageStripCharacters)}
	maps = t
}

func words(list string) map[string]bool {
	set := map[string]bool{}
	for _, word := range text.Split(strings.ToLower(list)) {
		set[word] = true
	}
	return set
}

func classes(parameter, list string) map[class]bool {
	set := map[class]bool{}
	for word := range words(list) {
		switch c := class(word); c {
		case envelopeSender, envelopeRecipient, headerSender, headerRecipient:
			set[c] = true
		default:
			msg.Fatal("parameter %s: unknown class %q; write envelope_sender, envelope_recipient, header_sender or header_recipient", parameter, word)
		}
	}
	return set
}

// mapSender is standard form, canonical mapping and masquerading of the
// envelope sender.
func (m *message) mapSender(internal string) string {
	if internal == "" {
		return ""
	}
	a := m.standard(internal)
	if m.flags&cleanup.FlagMap != 0 {
		a = m.canonical(a, envelopeSender, maps.senderCanonical, maps.senderIn)
	}
	return maps.hide(a, envelopeSender)
}

// mapRecipient is canonical mapping and masquerading of a recipient.
func (m *message) mapRecipient(standard string) string {
	a := standard
	if m.flags&cleanup.FlagMap != 0 {
		a = m.canonical(a, envelopeRecipient, maps.recipientCanonical, maps.recipientIn)
	}
	return maps.hide(a, envelopeRecipient)
}

// mapHeader is the same for an address in a header, in external form.
func (m *message) mapHeader(external string, c class) string {
	if m.flags&cleanup.FlagMap == 0 {
		return address.Quote(maps.hide(address.Unquote(external), c))
	}
	specific, in := maps.senderCanonical, maps.senderIn
	if c == headerRecipient {
		specific, in = maps.recipientCanonical, maps.recipientIn
	}
	internal := address.Unquote(external)
	a := maps.hide(m.canonical(internal, c, specific, in), c)
	if a == internal {
		return external
	}
	return address.Quote(a)
}

// canonical maps an address, with the specific tables first.
func (m *message) canonical(a string, c class, specific *addrmap.Maps, in map[class]bool) string {
	if in[c] {
		a = m.mapOne(a, specific)
	}
	if maps.canonicalIn[c] {
		a = m.mapOne(a, maps.canonical)
	}
	return a
}

// mapOne replaces an address by exactly one other.
func (m *message) mapOne(internal string, table *addrmap.Maps) string {
	if table.Empty() || internal == "" {
		return internal
	}
	list, found, err := table.Addresses(internal, maps.propagate["canonical"])
	switch {
	case err != nil:
		msg.Warn("%s: %v", m.id, err)
		m.status |= cleanup.StatusWrite
		m.reason = "4.3.0 Address mapping error"
		return internal
	case !found:
		return internal
	case len(list) > 1:
		msg.Warn("%s: multiple results for address %s are ignored after the first", m.id, internal)
	}
	return m.standard(address.Unquote(list[0]))
}

// hide takes host names out of addresses of our own domains.
func (t *tables) hide(internal string, c class) string {
	if len(t.masquerade) == 0 || !t.masqueradeIn[c] {
		return internal
	}
	local, domain, ok := address.Split(internal)
	if !ok || t.exceptions[strings.ToLower(local)] {
		return internal
	}
	lower := strings.ToLower(domain)
	for _, parent := range t.masquerade {
		name, keep := strings.CutPrefix(parent, "!")
		if lower == name || strings.HasSuffix(lower, "."+name) {
			if keep || lower == name {
				return internal
			}
			return local + "@" + name
		}
	}
	return internal
}

// expandAlias replaces an address by what virtual aliases make of it, again
// and again, until nothing changes.
func (t *tables) expandAlias(m *message, internal string) ([]string, error) {
	var result []string
	count := 0
	var walk func(a string, path []string) error
	walk = func(a string, path []string) error {
		if count++; count > conf.AliasExpansionLimit {
			return fmt.Errorf("unreasonable virtual_alias_maps map expansion size for %s: more than %d addresses", internal, conf.AliasExpansionLimit)
		}
		if len(path) > conf.AliasRecursionLimit {
			return fmt.Errorf("unreasonable virtual_alias_maps map nesting for %s: more than %d levels", internal, conf.AliasRecursionLimit)
		}
		for _, seen := range path {
			if strings.EqualFold(seen, a) {
				result = append(result, a)
				return nil
			}
		}
		list, found, err := t.alias.Addresses(a, t.propagate["virtual"])
		if err != nil {
			return err
		}
		if !found {
			result = append(result, a)
			return nil
		}
		path = append(path, a)
		for _, external := range list {
			if len(external) > conf.AliasLengthLimit {
				return fmt.Errorf("unreasonable virtual_alias_maps result for %s: an address of %d bytes", internal, len(external))
			}
			if err := walk(m.standard(address.Unquote(external)), path); err != nil {
				return err
			}
		}
		return nil
	}
	err := walk(internal, nil)
	return result, err
}
