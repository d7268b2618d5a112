package main

import (
	"slices"
	"testing"
)

// The forms that stand in alias tables and .forward files. S2.7, S4.6.6.
func TestParseValues(t *testing.T) {
	for in, want := range map[string][]string{
		"":                               nil,
		" , ,":                           nil,
		"joe":                            {"joe"},
		"joe, ann":                       {"joe", "ann"},
		"joe ann\tbob,,cat":              {"joe", "ann", "bob", "cat"},
		`\joe`:                           {`\joe`},
		`\joe, "|/usr/bin/vacation joe"`: {`\joe`, "|/usr/bin/vacation joe"},
		`"|IFS=' ' && exec procmail -f- || exit 75 #joe"`: {"|IFS=' ' && exec procmail -f- || exit 75 #joe"},
		`"|echo \"a\\b\""`:                      {`|echo "a\b"`},
		`|/bin/true`:                            {"|/bin/true"},
		`|nosuch arg`:                           {"|nosuch", "arg"},
		"/var/mail/box, /m/dir/":                {"/var/mail/box", "/m/dir/"},
		`"/var/my box"`:                         {"/var/my box"},
		":include:/etc/list":                    {":include:/etc/list"},
		":Include:/a.b:c, joe":                  {":Include:/a.b:c", "joe"},
		`":include:/my list"`:                   {":include:/my list"},
		"Joe User <joe@example.com>":            {"joe@example.com"},
		`"User, Joe" <joe@example.com> (me)`:    {"joe@example.com"},
		"joe@example.com (Joe (the one, only))": {"joe@example.com"},
		"joe @ example.com":                     {"joe@example.com"},
		"joe@ example . com":                    {"joe@example.com"},
		`"two words"@example.com`:               {"two words@example.com"},
		`"a\"b"@[192.0.2.1]`:                    {`a"b@[192.0.2.1]`},
		"joe@[IPv6:2001:db8::1]":                {"joe@[IPv6:2001:db8::1]"},
		"friends: joe, ann@b;, bob":             {"joe", "ann@b", "bob"},
		"<>":                                    nil,
		"<joe>, <\"a b\"@c>":                    {"joe", "a b@c"},
		"bob # comment":                         {"bob", "#", "comment"},
		"joe(one)ann":                           {"joeann"},
		"host!joe, joe%x@y":                     {"host!joe", "joe%x@y"},
		"@foo":                                  {"@foo"},
		`"unclosed quote`:                       {"unclosed quote"},
		"(unclosed":                             nil,
		"<unclosed@x":                           {"unclosed@x"},
		"joe@example.com ann@example.com":       {"joe@example.com", "ann@example.com"},
		"Name <a@b> ann":                        {"a@b", "ann"},
		"/a b.c":                                {"/a", "b.c"},
	} {
		if got := parseValues(in); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzParseValues(f *testing.F) {
	f.Add(`"a b" <c@d>, :include:/x, |y (z\)) [q] g: h;`)
	f.Fuzz(func(t *testing.T, line string) {
		size := 0
		for _, v := range parseValues(line) {
			if v == "" {
				t.Error("empty value")
			}
			size += len(v)
		}
		if size > len(line) {
			t.Errorf("%q grew", line)
		}
	})
}
