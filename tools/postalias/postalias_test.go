package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if os.Getenv("POSTALIAS_TEST") != "" {
		os.Args[0] = "postalias"
		main()
		return
	}
	os.Exit(m.Run())
}

// aliases are lines with the name and value that stock postalias stores.
var aliases = []struct{ line, name, value string }{
	{`Root:   joe, "jane doe"@example.com ,   |/bin/cmd arg`, `Root`, `joe, "jane doe"@example.com, |/bin/cmd arg`},
	{`"Quoted Name2" : "|prog a b", /file/name, :include:/x/y`, `Quoted Name2`, `"|prog a b", /file/name, :include:/x/y`},
	{`a1: x   y,z  ,,  w`, `a1`, `x y, z, , w`},
	{`a2: a%b!c, d.e@f.g , u @ h . k`, `a2`, `a%b!c, d.e@f.g, u@h.k`},
	{`a3: "a""b" c"d" [1.2.3.4] u@[1.2.3.4]`, `a3`, `"a" "b" c "d" [1.2.3.4] u@[1.2.3.4]`},
	{`a4: a\,b \"c`, `a4`, `"a,b" "\"c"`},
	{`a5: (c1) x(c2)y`, `a5`, `(c1) x (c2) y`},
	{`a6: "unclosed`, `a6`, `"unclosed"`},
	{`a7: (unclosed`, `a7`, `(unclosed`},
	{`a8: |"/a b" c`, `a8`, `|"/a b" c`},
	{`a9: "|/a 'b c' \\ d"`, `a9`, `"|/a 'b c' \\ d"`},
	{`a10: <x> y<z>w`, `a10`, `<x>y <z>w`},
	{`a12: a:b::c`, `a12`, `a:b::c`},
	{`a15: ünï "ü x"`, `a15`, `ünï "ü x"`},
	{`a16: \\srv`, `a16`, `"\\srv"`},
	{`a18: [un`, `a18`, `[un]`},
	{`a19: joe ]`, `a19`, `joe]`},
	{`b . d: x`, `b.d`, `x`},
	{`"h@i": x`, `h@i`, `x`},
	{`n\:o: x`, `n:o`, `x`},
	{`f,g: x`, ``, ``},
	{`novalue:`, `novalue`, ``},
	{`nocolon x`, ``, ``},
}

func TestLikeStock(t *testing.T) {
	for _, a := range aliases {
		name, value := split(tokenize(a.line))
		if name.internal() != a.name || value.external() != a.value {
			t.Errorf("%s: got %q, %q; want %q, %q", a.line, name.internal(), value.external(), a.name, a.value)
		}
		samePlain(t, a.line)
	}
	for _, line := range []string{"a.b: c@d.e", "a:|/b/c", "a:  x.", "ü:ü", "a:b\v", "a:.b@"} {
		if _, _, ok := plain(line); ok != (line != "a:b\v") {
			t.Errorf("%q: plain is %v", line, ok)
		}
		samePlain(t, line)
	}
}

// samePlain compares the quick way with the other one.
func samePlain(t *testing.T, line string) {
	t.Helper()
	n, v, ok := plain(line)
	if !ok {
		return
	}
	if name, value := split(tokenize(line)); name.internal() != n || value.external() != v || name.has('@') {
		t.Errorf("%q: plain gives %q, %q; the tokens give %q, %q", line, n, v, name.internal(), value.external())
	}
}

// S6.2 and 6.4 of the formats: what is in a table of aliases.
func TestBuild(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("MAIL_CONFIG", dir)
	os.WriteFile("main.cf", []byte("myhostname = mail.example.com\n"), 0o644)
	os.WriteFile("aliases", []byte("Root: joe,\n  jane\nuser@dom: y\nbad\nroot: x\n"), 0o644)
	run := func(args ...string) string {
		c := exec.Command(os.Args[0], args...)
		c.Env = append(os.Environ(), "POSTALIAS_TEST=1")
		out, _ := c.CombinedOutput()
		return string(out)
	}
	want := "postalias: warning: aliases, line 3: name must be local\n" +
		"postalias: warning: aliases, line 4: need name:value pair\n" +
		"postalias: warning: aliases: duplicate entry: \"root\"\n"
	if got := run("aliases"); got != want {
		t.Errorf("got\n%s", got)
	}
	if got := run("-q", "ROOT", "aliases"); got != "joe, jane\n" {
		t.Errorf("got %q", got)
	}
	if got := run("-jq", "ROOT", "aliases"); got != `{"ROOT": "joe, jane"}`+"\n" {
		t.Errorf("got %q", got)
	}
	if got := run("-j", "aliases"); got != "postalias: fatal: option -j requires -q or -s\n" {
		t.Errorf("got %q", got)
	}
	got := run("-js", "aliases")
	if !strings.HasPrefix(got, `{"root": "joe, jane"}`+"\n"+`{"@": "@"}`+"\n"+`{"YP_LAST_MODIFIED": "`) ||
		!strings.HasSuffix(got, `{"YP_MASTER_NAME": "mail.example.com"}`+"\n") {
		t.Errorf("got\n%s", got)
	}
	got = run("-s", "aliases")
	if !strings.HasPrefix(got, "root:\tjoe, jane\n@:\t@\nYP_LAST_MODIFIED:\t") || !strings.HasSuffix(got, "YP_MASTER_NAME:\tmail.example.com\n") {
		t.Errorf("got\n%s", got)
	}
}

func FuzzTokens(f *testing.F) {
	for _, a := range aliases {
		f.Add(a.line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		samePlain(t, line)
		name, value := split(tokenize(line))
		name.internal()
		once := value.external()
		if again := tokenize(once).external(); again != once && !strings.ContainsAny(line, `(\`) {
			t.Errorf("%q becomes %q and then %q", line, once, again)
		}
	})
}
