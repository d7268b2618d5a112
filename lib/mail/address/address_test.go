package address

import (
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
		`"two words"@x, "plain"@x`:                      `"two words"@x|plain@x`,
		`undisclosed-recipients:;`:                      "",
		``:                                              "",
		`<>`:                                            "",
		`a@[1.2.3.4]`:                                   "a@[1.2.3.4]",
		`"unclosed`:                                     "unclosed",
		`Bob <bob@y`:                                    `"Bob<bob"@y`,
		`grün@x, =?utf-8?q?B?= <b@y>`:                   "grün@x|b@y",
		`user%a, site!user`:                             "user%a|site!user",
		`bob ann bob@x y`:                               "bob|ann|bob@x|y",
		`Bob <bob@x> ann (c), J. R. <j@x>`:              "bob@x|ann|j@x",
		`a@b@c, .a@x, a\@b`:                             `"a@b"@c|".a"@x|"a@b"`,
		`a:b, :include:/x`:                              `"a:b"|":include:/x"`,
		`@x, a@`:                                        `@x|a@`,
		`a;b,,c`:                                        "a|b|c",
	} {
		var got []string
		for _, s := range Find(text) {
			if s.Address != "" {
				got = append(got, s.Address)
			}
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestRewrite(t *testing.T) {
	for text, want := range map[string]string{
		"To: joe@x, (c) ann@x,y@x":                    "", // stays as it is
		"To:Joe Doe <joe> (him),\n\tbob (b) , x@y":    "To: Joe Doe <joe@example.com> (him), bob@example.com (b), x@y",
		"TO : (a) joe (b)":                            "TO: joe@example.com (a) (b)",
		"To: friends: joe, ann;, bob":                 "To: friends: joe@example.com, ann@example.com;, bob@example.com",
		`To: "ann"@x, "a b"@x`:                        `To: ann@x, "a b"@x`,
		"To: joe ann":                                 "To: joe@example.com, ann@example.com",
		"Cc: joe@x, ann; eve,":                        "Cc: joe@x, ann@example.com;, eve@example.com",
		"To: one, two, three, four, five, six, seven": "To: one@example.com, two@example.com, three@example.com,\n\tfour@example.com, five@example.com, six@example.com,\n\tseven@example.com",
		"To: \"A name with a comma, and so on\" <joe>, \"Another name with a comma, and more\" <ann>": "To: \"A name with a comma, and so on\" <joe@example.com>,\n\t\"Another name with a comma, and more\" <ann@example.com>",
	} {
		got, changed := Rewrite(text, func(a string) string {
			if strings.Contains(a, "@") {
				return a
			}
			return a + "@example.com"
		})
		if changed != (want != "") || changed && got != want || !changed && got != text {
			t.Errorf("%q:\n got %q\nwant %q", text, got, want)
		}
	}
}

// Nonsense does not take long.
func TestNonsense(t *testing.T) {
	for _, piece := range []string{"a ", "<", "a<", ":", "a:", "(", "\"", "a@", "<a ", "(a) ", "a;", "\\"} {
		Find(strings.Repeat(piece, 50000))
	}
}

func FuzzFind(f *testing.F) {
	f.Add(`joe@x, "A" <b@c> (d)`)
	f.Fuzz(func(t *testing.T, text string) {
		Find(text)
		Rewrite("To:"+text, func(a string) string { return a + "x" })
		Unquote(Quote(text))
	})
}

func TestLimit(t *testing.T) {
	const text = ` "a b" <c@d.example> (e f), g:;`
	for n, want := range []string{" ", ` "a b" `, ` "a b" <`, ` "a b" <c`, ` "a b" <c@`, ` "a b" <c@d`, ` "a b" <c@d.`, ` "a b" <c@d.example`,
		` "a b" <c@d.example> `, ` "a b" <c@d.example> (e f)`, ` "a b" <c@d.example> (e f), `, ` "a b" <c@d.example> (e f), g`, ` "a b" <c@d.example> (e f), g:`, text, text} {
		if got := Limit(text, n); got != want {
			t.Errorf("%d tokens: %q, want %q", n, got, want)
		}
	}
}
