package main

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"postrider/lib/base/table/template"
)

// An expansion is the search for the values of one key.
type expansion struct {
	*directory
	answer *template.Answer
	depth  int
}

// A limitError is one that a new connection would not help.
type limitError struct{ error }

// search adds the values of all entries that a filter finds.
func (x *expansion) search(base string, scope int, filter string) error {
	if x.depth++; x.depth > x.recursion {
		return limitError{fmt.Errorf("entries refer to others more than recursion_limit allows (%d)", x.recursion)}
	}
	defer func() { x.depth-- }()
	request := ldap.NewSearchRequest(base, scope, x.deref, x.sizeLimit, int(x.timeout.Seconds()), false, filter, x.attributes.all(), nil)
	result, err := x.conn.Search(request)
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
		return nil // the base is not there: stock tables find nothing, too
	case ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded):
		return limitError{fmt.Errorf("more entries than size_limit allows (%d)", x.sizeLimit)}
	case err != nil:
		return err
	}
	for _, entry := range result.Entries {
		if err := x.entry(entry); err != nil {
			return err
		}
	}
	return nil
}

// entry adds the values of an entry.
func (x *expansion) entry(e *ldap.Entry) error {
	if has(e, x.attributes.terminal) {
		return x.add(e, x.attributes.terminal)
	}
	if err := x.add(e, x.attributes.plain); err != nil {
		return err
	}
	if !has(e, x.attributes.special) {
		return x.add(e, x.attributes.leaf)
	}
	for _, name := range x.attributes.special {
		for _, value := range e.GetEqualFoldAttributeValues(name) {
			if err := x.follow(value); err != nil {
				return err
			}
		}
	}
	return nil
}

func has(e *ldap.Entry, names []string) bool {
	for _, name := range names {
		for _, value := range e.GetEqualFoldAttributeValues(name) {
			if value != "" {
				return true
			}
		}
	}
	return false
}

func (x *expansion) add(e *ldap.Entry, names []string) error {
	for _, name := range names {
		for _, value := range e.GetEqualFoldAttributeValues(name) {
			if err := x.answer.Add(value); err != nil {
				return limitError{err}
			}
		}
	}
	return nil
}

// follow adds the values of the entries that a value names: by a URL as in RFC
// 4516, whose host is ours, or by a distinguished name.
func (x *expansion) follow(value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "ldap" && u.Scheme != "ldaps" {
		return x.search(value, ldap.ScopeBaseObject, "(objectclass=*)")
	}
	parts := strings.Split(u.RawQuery, "?") // attributes, scope, filter
	scope, filter := ldap.ScopeBaseObject, "(objectclass=*)"
	if len(parts) > 1 {
		switch strings.ToLower(parts[1]) {
		case "one":
			scope = ldap.ScopeSingleLevel
		case "sub":
			scope = ldap.ScopeWholeSubtree
		}
	}
	if len(parts) > 2 && parts[2] != "" {
		if filter, err = url.PathUnescape(parts[2]); err != nil {
			return err
		}
	}
	return x.search(strings.TrimPrefix(u.Path, "/"), scope, filter)
}
