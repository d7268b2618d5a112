package main

import (
	"strings"
	"testing"
)

// S6.6: the forms that stock Postfix takes, and those that it refuses.
func TestParsePath(t *testing.T) {
	rule := pathRule{utf8: true}
	for in, want := range map[string]string{
		"<joe@example.com>":            "joe@example.com",
		"joe@example.com":              "joe@example.com",
		"<joe>":                        "joe",
		"<postmaster>":                 "postmaster",
		`<"a b"@example.com>`:          "a b@example.com",
		`<a\ b@example.com>`:           "a b@example.com",
		`<"joe@foreign"@example.com>`:  "joe@foreign@example.com",
		"<joe@foreign@example.com>":    "joe@foreign@example.com",
		"<@a,@b:joe@x.y>":              "joe@x.y",
		"<@a:joe%b@x.y>":               "joe%b@x.y",
		"<site!joe>":                   "site!joe",
		"<joe@[127.0.0.1]>":            "joe@[127.0.0.1]",
		"<joe@[IPv6:2001:db8::1]>":     "joe@[IPv6:2001:db8::1]",
		"<joe@example.com.>":           "joe@example.com.",
		"<@example.com>":               "@example.com",
		`<""@example.com>`:             "@example.com",
		"<\u00e9@b\u00fccher.example>": "\u00e9@b\u00fccher.example",
		"<joe@a_b.example>":            "joe@a_b.example",
		"<>":                           "!",
		"<joe@example.com":             "!",
		"joe@example.com>":             "joe@example.com",
		"<joe@example.com>x":           "!",
		"<(a)joe(b)@example.com>":      "joe@example.com",
		"<joe@@example.com>":           "!",
		"<a b>":                        "!",
		"<joe@>":                       "!",
		"<joe@bad..domain>":            "!",
		"<joe@.domain>":                "!",
		"<joe@127.0.0.1>":              "!",
		"<joe@[127.0.0]>":              "!",
		"<-joe@example.com>":           "!",
		`<"">`:                         "!",
		`<"a@example.com>`:             "!",
		"<a,b@example.com>":            "!",
		"<a\x01b@example.com>":         "!",
		"<a\xff@example.com>":          "!",
		"<joe@exa\u2028mple.com>":      "!",
		"<joe (comment)@example.com>":  "!",
		"<@a:>":                        "!",
		"<" + strings.Repeat("a", 300) + "@" + strings.Repeat("b", 64) + ".c>": "!",
		"<": "!",
	} {
		got, ok := rule.parsePath(in)
		if !ok {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got, ok := (pathRule{empty: true, utf8: true}).parsePath("<>"); got != "" || !ok {
		t.Errorf("the null sender: %q %v", got, ok)
	}
	if _, ok := (pathRule{strict: true}).parsePath("joe@example.com"); ok { // S4.3.5
		t.Error("strict: accepted without brackets")
	}
	if _, ok := (pathRule{strict: true}).parsePath("<joe@@example.com>"); ok {
		t.Error("strict: accepted with two @")
	}
}

func TestParseRequest(t *testing.T) {
	for in, want := range map[string]string{
		"FROM:<joe@x> SIZE=1 BODY=7BIT": "<joe@x>|SIZE=1|BODY=7BIT",
		"from: <joe@x>":                 "<joe@x>",
		"FROM:joe@x  A":                 "joe@x|A",
		`FROM:<"a> b"@x> A`:             `<"a> b"@x>|A`,
		"FROM:<a b>":                    "<a b>",
		"FROM:":                         "!",
		"FROM":                          "!",
		"TO:<x>":                        "!",
		"":                              "!",
	} {
		r, ok := parseRequest(in, "FROM:")
		got := strings.Join(append([]string{r.path}, r.params...), "|")
		if !ok {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestXtext(t *testing.T) {
	for in, want := range map[string]string{"a+20b": "a b", "a+2Bb": "a+b", "abc": "abc", "+2b": "+", "a+2": "!", "a+zz": "!", "+": "!"} {
		got, ok := decodeXtext(in)
		if !ok {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestHelloName(t *testing.T) {
	for in, want := range map[string]string{
		" foo bar ": "foo?bar", "<foo>": "?foo?", "foo/bar\\x": "foo/bar?x", "a\x01b": "a?b", "\u00e9.test": "\u00e9.test", "a\xffb": "a?b",
	} {
		if got := helloName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Whatever a client sends, an address that is accepted can be written in a
// record and in the log.
func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{"<joe@example.com>", `<"a b"@x>`, "<@a,@b:c@d>", "<a\\", "<\"\\\"", "<a@[IPv6:::1]>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, rule := range []pathRule{{}, {empty: true, strict: true}} {
			internal, ok := rule.parsePath(s)
			if ok && strings.ContainsAny(internal, "\r\n\x00") {
				t.Errorf("%q gives %q", s, internal)
			}
		}
		if r, ok := parseRequest("FROM:"+s, "FROM:"); ok && r.path == "" {
			t.Errorf("%q: no path", s)
		}
		decodeXtext(s)
		if !printable(helloName(s)) {
			t.Errorf("%q: hello name not printable", s)
		}
	})
}
