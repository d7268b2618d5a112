package match

import (
	"os"
	"path/filepath"
	"testing"

	"postrider/lib/base/table"
	_ "postrider/lib/base/table/inline"
)

func must(t *testing.T) func(*List, error) *List {
	return func(l *List, err error) *List {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
}

func check(t *testing.T, l *List, cases map[string]bool) {
	t.Helper()
	for key, want := range cases {
		if got, err := l.Match(key); got != want || err != nil {
			t.Errorf("%q: %v, %v", key, got, err)
		}
	}
}

func TestStrings(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(dir+"/more", []byte("# no\nfile1, file2\n  !file3\n"), 0o600)
	l := must(t)(Strings("mydestination", "A.example !not "+dir+"/more inline:{table=x,.x=y} !"+dir+"/more Last"))
	check(t, l, map[string]bool{
		"a.EXAMPLE": true, "x.a.example": false, "not": false, "file1": true, "file2": true, "file3": false,
		"table": true, "a.x": false, "last": true, "": false, "no": false,
	})
	if !must(t)(Strings("x", " , ")).Empty() {
		t.Error("not empty")
	}
}

func TestDomains(t *testing.T) {
	exact := must(t)(Domains("x", "example.com .example.net inline:{tab.com=1,.tab.net=1}", false))
	check(t, exact, map[string]bool{
		"example.com": true, "a.example.com": false, "example.net": false, "a.b.example.net": true,
		"tab.com": true, "a.tab.com": false, "tab.net": false, "a.b.tab.net": true,
	})
	parents := must(t)(Domains("relay_domains", "!no.example.com example.com inline:{tab.com=1}", true))
	check(t, parents, map[string]bool{
		"example.com": true, "a.example.com": true, "xexample.com": false, "no.example.com": false, "x.no.example.com": false,
		"tab.com": true, "a.b.tab.com": true, "com": false,
	})
}

// Networks with host bits set are used as if these were not. S4.2
func TestAddresses(t *testing.T) {
	l := must(t)(Addresses("mynetworks", "!192.0.2.7 192.0.2.9/24, [2001:db8::]/32 127.0.0.1 [::1] host.example inline:{10.0.0.1=x}"))
	check(t, l, map[string]bool{
		"192.0.2.7": false, "192.0.2.1": true, "192.0.3.1": false, "2001:db8:1::1": true, "127.0.0.1": true, "127.0.0.2": false,
		"::1": true, "::ffff:127.0.0.1": true, "10.0.0.1": true, "host.example": false, "": false,
	})
	for name, want := range map[string]bool{"host.example": true, "a.host.example": true, "other.example": false} {
		if got, err := l.MatchClient(name, "198.51.100.1"); got != want || err != nil {
			t.Error(name, got, err)
		}
	}
}

// What cannot be decided is an error, and items before it still count.
func TestBroken(t *testing.T) {
	table.Register("broken", func(string, table.Flags) (table.Table, error) { return nil, os.ErrClosed })
	for _, bad := range []string{"10.0.0.0/33", "10.0.0/8", "fe80::/10", "broken:x", filepath.Join(t.TempDir(), "none")} {
		l := must(t)(Addresses("mynetworks", "10.0.0.1 "+bad+" 10.0.0.2"))
		if ok, err := l.Match("10.0.0.1"); !ok || err != nil {
			t.Error(bad, ok, err)
		}
		if ok, err := l.Match("10.0.0.2"); ok || err == nil {
			t.Error(bad, ok, err)
		}
	}
	if _, err := Strings("x", "a !"); err == nil {
		t.Error("no error")
	}
	loop := filepath.Join(t.TempDir(), "loop")
	os.WriteFile(loop, []byte(loop), 0o600)
	if _, err := Strings("x", loop); err == nil {
		t.Error("no error")
	}
}
