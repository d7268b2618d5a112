package main

import (
	"postrider/lib/base/macro"
)

// expand replaces $user, $home and their kin in text. Values keep only the
// characters of filter, when there is one. Complete says that all names that
// were used have a value.
func (t task) expand(text, filter string) (result string, complete bool, err error) {
	complete = true
	e := macro.Expander{
		Lookup:  t.value,
		Filter:  filter,
		Unknown: func(string) { complete = false },
	}
	result, err = e.Expand(text)
	return result, complete, err
}

// value is the value of a name; an empty one counts as none.
func (t task) value(name string) (string, bool) {
	value := ""
	switch name {
	case "user":
		value = t.user
	case "home":
		value = t.rights.Home
	case "shell":
		value = t.rights.Shell
	case "domain":
		value = t.domain
	case "local":
		value = t.local
	case "extension":
		value = t.extension
	case "recipient":
		value = t.to.Address
	case "recipient_delimiter":
		value = t.delimiter
		if value == "" && conf.Address.RecipientDelimiter != "" {
			value = conf.Address.RecipientDelimiter[:1]
		}
	}
	return value, value != ""
}
