package table_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postrider/lib/base/table"
)

func file(t *testing.T, lines string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "t")
	if err := os.WriteFile(name, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func wants(t *testing.T, tab table.Table, cases map[string]string) {
	t.Helper()
	for key, value := range cases {
		want(t, tab, key, value, value != "")
	}
}

// The expected values are what stock postmap -q says for these files.
func TestCIDR(t *testing.T) {
	name := file(t, `1.2.3.4/33 a
1.2.3.4/24 b
1.2.3.4 c
!1.2.3.0/24 d
 x
foo bar
[::1]/128 ok
::1 v6
10.0.0.0/8
if 10.0.0.0/8
10.1.0.0/16 in
endif
endif
endif x
if
if !11.0.0.0/8 x
11.0.0.0/8 no
`)
	wants(t, open(t, "cidr:"+name, 0), map[string]string{
		"1.2.3.4": "c", "10.1.2.3": "d x", "::1": "ok", "foo": "", "11.1.1.1": "d x", "1.2.3.9": "",
	})
	open2 := open(t, "cidr:"+file(t, "if 10.0.0.0/8\n10.1.0.0/16 in\n!10.0.0.0/8 neg\n0.0.0.0/0 all\n"), 0)
	wants(t, open2, map[string]string{"10.1.2.3": "in", "11.1.2.3": "", "010.1.2.3": "", "[10.1.2.3]": "", "10.2.0.0": "all"})
	if !table.IsPattern(open2) {
		t.Error("not a pattern table")
	}
	if _, err := table.Open("cidr:"+name+"none", 0); err == nil {
		t.Error("no error")
	}
}

const regexpRules = `/^a(.*)b$/  got $1 ${1} $(1) $$ $2
/x/
foo
/unclosed bar
/(/ bad
/a/z flags
!/q$/ neg $1
if /if/
/^ifa/ inner
endif
endif
if !/zz/ text
/(a)|(b)/i  case $1-$2
endif
/\1/ x
/(.)\1/ ref$1
/a/ trail$
/a/ ${
/a/ $x
|bar| ${1
/^d\/(.*)/ slash ${1}$$
`

func TestRegexp(t *testing.T) {
	tab := open(t, "regexp:"+file(t, regexpRules), table.FoldKey)
	wants(t, tab, map[string]string{
		"ab": "case a-", "ifa": "inner", "IFA": "inner", "q": "", "BB": "refB", "cc": "refc", "d/E": "slash E$",
	})
	want(t, tab, "axxb", "", true)
	tab = open(t, "regexp:"+file(t, "/a.c/m nl $1\n/^b$/m nl2\n/^c/ start\n/ d/x bre\n/\\(e\\)\\+f/x bre $1\n"), 0)
	wants(t, tab, map[string]string{"a\nc": "", "x\nb": "nl2", "C": "start", " d": "bre", "eeff": "bre e", "EF": "bre E"})
}

// Data from a stranger must not choose the value.
func TestRegexpNoSubstitute(t *testing.T) {
	tab := open(t, "regexp:"+file(t, "/^(.*)@a$/ $1\n/b$/ plain\n"), table.NoSubstitute)
	wants(t, tab, map[string]string{"x@a": "", "x@b": "plain"})
}

// Tables with patterns are not asked for parts of an address.
func TestLookupPart(t *testing.T) {
	list, err := table.OpenList("regexp:"+file(t, "/a/ pattern\n")+" inline:{a=fixed}", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	if value, _, _ := list.Lookup("a"); value != "pattern" {
		t.Error(value)
	}
	if value, _, _ := list.LookupPart("a"); value != "fixed" {
		t.Error(value)
	}
}

func TestTexthash(t *testing.T) {
	tab := open(t, "texthash:"+file(t, "  lead x\na b\n  c\n# x\n\td\nkey\n\"q r\" v\nA dup\na: x\n"), table.FoldKey)
	wants(t, tab, map[string]string{"A": "b  c\td", `"Q r"`: "v", "key": "", "a:": "x"})
}

func TestComposed(t *testing.T) {
	wants(t, open(t, "pipemap:{inline:{a=b,c=d},inline:{b=e}}", 0), map[string]string{"a": "e", "c": "", "b": ""})
	wants(t, open(t, "unionmap:{inline:{a=1},static:2}", 0), map[string]string{"a": "1,2", "b": "2"})
	wants(t, open(t, "randmap:{x,x}", 0), map[string]string{"a": "x"})
	for _, bad := range []string{"pipemap:{}", "pipemap:x", "unionmap:{x}"} {
		if _, err := table.Open(bad, 0); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
	if _, _, err := open(t, "unionmap:{static:2,broken:x}", 0).Lookup("a"); err == nil {
		t.Error("no error")
	}
	if _, _, err := open(t, "fail:x", 0).Lookup("a"); err == nil {
		t.Error("no error")
	}
}

func TestSystem(t *testing.T) {
	t.Setenv("TABLE_TEST", "yes")
	wants(t, open(t, "environ:here", 0), map[string]string{"TABLE_TEST": "yes", "TABLE_NONE": ""})
	wants(t, open(t, "unix:passwd.byname", 0), map[string]string{"root": "root:x:0:0:root:/root:/bin/bash", "no-such-user": "", "a:b": "", "": ""})
	wants(t, open(t, "unix:group.byname", 0), map[string]string{"root": "root:x:0:", "no-such-group": ""})
	if _, err := table.Open("unix:other", 0); err == nil {
		t.Error("no error")
	}
}

// Text tables are watched as databases are.
func TestTextChanged(t *testing.T) {
	name := file(t, "a b\n")
	open(t, "texthash:"+name, 0)
	os.Remove(name)
	if got := table.Changed(); got != "texthash:"+name {
		t.Error(got)
	}
}

func FuzzRules(f *testing.F) {
	f.Add(regexpRules, "key")
	f.Fuzz(func(t *testing.T, lines, key string) {
		name := file(t, lines)
		for _, kind := range []string{"regexp:", "cidr:", "texthash:"} {
			tab, err := table.Open(kind+name, 0)
			if err != nil {
				continue
			}
			tab.Lookup(key)
			tab.(interface{ Close() error }).Close()
		}
	})
}

// Rules that stand in main.cf itself, as in smtpd_forbidden_commands.
func TestInlineRules(t *testing.T) {
	for _, test := range []struct{ spec, key, want string }{
		{"regexp:{{/^[^A-Z]/ Bogus}}", "\x01x", "Bogus"},
		{"regexp:{{/^[^A-Z]/ Bogus}}", "get", ""},
		{"regexp:{{/^a{2}$/ two}, {/^b/ bee}}", "aa", "two"},
		{"regexp:{{/^a{2}$/ two}, {/^b/ bee}}", "b", "bee"},
		{"cidr:{{192.0.2.0/24 net}, {192.0.3.1 host}}", "192.0.3.1", "host"},
	} {
		tab, err := table.Open(test.spec, 0)
		if err != nil {
			t.Errorf("%s: %v", test.spec, err)
			continue
		}
		if got, _, err := tab.Lookup(test.key); got != test.want || err != nil {
			t.Errorf("%s: %q: %q %v, want %q", test.spec, test.key, got, err, test.want)
		}
	}
	for _, spec := range []string{"regexp:{", "regexp:{/x/ y}", "regexp:{{/x/ y}} z"} {
		if _, err := table.Open(spec, 0); err == nil {
			t.Errorf("%s: opened", spec)
		}
	}
}

func TestInternal(t *testing.T) {
	tab := open(t, "internal:x", table.Writable)
	tab.(table.Updater).Update("a", "1")
	want(t, tab, "a", "1", true)
	if found, err := tab.(table.Updater).Delete("a"); !found || err != nil {
		t.Error(found, err)
	}
	want(t, tab, "a", "", false)
}

func TestDebug(t *testing.T) {
	tab := open(t, "debug:inline:{a=1}", 0)
	wants(t, tab, map[string]string{"a": "1", "b": ""})
	if _, ok := tab.(table.Updater); ok || table.IsPattern(tab) {
		t.Error("it can do what the table behind it cannot")
	}
	if !table.IsPattern(open(t, "debug:regexp:{{/a/ b}}", 0)) {
		t.Error("no pattern table")
	}
	changing := open(t, "debug:internal:y", table.Writable)
	changing.(table.Updater).Update("a", "2")
	for key, value := range changing.(table.Sequencer).All() {
		if key != "a" || value != "2" {
			t.Error(key, value)
		}
	}
	if _, err := table.Open("debug:nosuch", 0); err == nil {
		t.Error("no error")
	}
}

// Typing errors and types of other systems.
func TestUnsupported(t *testing.T) {
	for kind, want := range map[string]string{
		"regex": "did you mean regexp?", "regxep": "did you mean regexp?", "Hash": "did you mean hash?", "lmbd": "did you mean lmdb?",
		"pcree": "did you mean pcre?", "socketmao": "did you mean socketmap?", "nis": "not built in", "mongodb": "not built in",
		"zzzzzz": "there are: ", "x": "there are: ",
	} {
		if _, err := table.Open(kind+":x", 0); err == nil || !strings.Contains(err.Error(), "unsupported dictionary type: "+kind) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
