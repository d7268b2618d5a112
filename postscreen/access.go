package main

import (
	"strings"

	"postrider/lib/base/match"
	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/base/text"
)

// A verdict is what an access list says about an address.
type verdict int

const (
	dunno verdict = iota
	permit
	reject
)

// An accessList is postscreen_access_list, or what a table in it says.
type accessList struct {
	origin   string
	words    []string
	tables   map[string]table.Table // of words that name one
	networks *match.List            // mynetworks
}

// openAccessList opens the tables of a list.
func openAccessList(name, list string, networks *match.List) (*accessList, error) {
	a := &accessList{origin: name, words: text.SplitBraces(list), tables: make(map[string]table.Table), networks: networks}
	for _, word := range a.words {
		if !strings.Contains(word, ":") {
			continue
		}
		t, err := table.OpenLater(word, table.FoldKey)
		if err != nil {
			return nil, err
		}
		a.tables[word] = t
	}
	return a, nil
}

// check says what the list says about an address. What it cannot make sense of ends
// it, as if nothing more were in it.
func (a *accessList) check(address string) verdict {
	for _, word := range a.words {
		switch strings.ToLower(word) {
		case "permit":
			return permit
		case "reject":
			return reject
		case "dunno":
			return dunno
		case "permit_mynetworks":
			if found, err := a.networks.MatchClient("", address); err != nil {
				msg.Warn("%s: %v -- ignoring the remainder of this access list", a.origin, err)
				return dunno
			} else if found {
				return permit
			}
			continue
		}
		t := a.tables[word]
		if t == nil {
			msg.Warn("%s: unknown command: %s -- ignoring the remainder of this access list", a.origin, word)
			return dunno
		}
		value, found, err := t.Lookup(address)
		if err != nil {
			msg.Warn("%s: %s: table lookup error -- ignoring the remainder of this access list", a.origin, word)
			return dunno
		}
		if !found || strings.EqualFold(value, "dunno") {
			continue
		}
		inner := &accessList{origin: word, words: text.SplitBraces(value), networks: a.networks}
		if v := inner.check(address); v != dunno || !inner.sound() {
			return v
		}
	}
	return dunno
}

// sound reports whether all words of a list without tables are known.
func (a *accessList) sound() bool {
	for _, word := range a.words {
		switch strings.ToLower(word) {
		case "permit", "reject", "dunno", "permit_mynetworks":
		default:
			return false
		}
	}
	return true
}
