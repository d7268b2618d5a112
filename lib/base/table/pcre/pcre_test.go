package pcre

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"postrider/lib/base/table"
)

func open(t *testing.T, rules string, flags table.Flags) table.Table {
	t.Helper()
	name := filepath.Join(t.TempDir(), "rules")
	if err := os.WriteFile(name, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	tab, err := table.Open("pcre:"+name, flags)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tab.(interface{ Close() error }).Close() })
	return tab
}

// The expected values are what stock postmap -q says for these rules. S4.3.1
func TestLookup(t *testing.T) {
	tab := open(t, `/^a(.*)b$/  got $1 ${1} $(1) $$
/no text/
/(unclosed/ bad
/x/z flags
/^(?!owner-)(.*)-outgoing@(.*)/ 550 Use ${1}@${2} instead
/^case$/i exact
/^d.e$/s plain
/^d\ne$/ dot
/^m$/m multi
/^ f g $/x spaces
/anchor/A anchored
/^(h+)(h*)$/U lazy $1
/^j$/E end
/(?<name>k)(l)?m/ named $1 [$2]
!/^[a-z\n]/ not a letter
if /^z/
/y$/ zy
endif
/(\w+)@\1\.com/ same $1
/\x{e4}/ byte
/^(a|aa)+$/ never
/^q$$/ dollar
/^r/X r
`, 0)
	if !table.IsPattern(tab) {
		t.Error("no pattern table")
	}
	for key, value := range map[string]string{
		"axyB": "got xy xy xy $", "joe-outgoing@example.com": "550 Use joe@example.com instead",
		"owner-joe-outgoing@example.com": "", "case": "exact", "CASE": "", "d\ne": "dot", "dxe": "plain",
		"o\nm\no": "multi", "fg": "spaces", "f g": "", "anchors": "anchored", "an anchor": "",
		"hhh": "lazy h", "j": "end", "j\n": "", "KM": "named K []", "1": "not a letter", "zxy": "zy", "zx": "",
		"foo@foo.com": "same foo", "foo@fo.com": "", "x\xe4": "byte", "xä": "", "q": "dollar", "r": "r", "": "not a letter",
	} {
		got, found, err := tab.Lookup(key)
		if got != value || found != (value != "") || err != nil {
			t.Errorf("%q: got %q, %v, %v, want %q", key, got, found, err, value)
		}
	}
}

// A pattern with too many ways to match is given up soon, with a warning, and the
// rules after it decide.
func TestLimit(t *testing.T) {
	tab := open(t, "/^(a|aa)+$/ x\nif /^(a|aa)+$/\n/a/ inside\nendif\n!/^(a|aa)+$/ no\n/b/ later\n", 0)
	start := time.Now()
	if got, _, err := tab.Lookup(strings.Repeat("a", 60) + "b\xff"); got != "later" || err != nil {
		t.Error(got, err)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %v", took)
	}
}

func TestNoSubstitute(t *testing.T) {
	tab := open(t, "/^(.*)x/ $1\n/^(.*)x/ plain\n", table.NoSubstitute)
	if got, _, err := tab.Lookup("ax"); got != "plain" || err != nil {
		t.Error(got, err)
	}
}

// Several goroutines use a table, and others come and go.
func TestParallel(t *testing.T) {
	tab := open(t, "/^(\\d+)-(\\d+)$/ $2-$1\n", 0)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 300 {
				want := fmt.Sprintf("%d-%d", i, n)
				if got, _, err := tab.Lookup(fmt.Sprintf("%d-%d", n, i)); got != want || err != nil {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
				if _, err := compile(fmt.Sprintf("(a+)b{%d}", i), "", false); err != nil {
					t.Error(err)
				}
				if i%100 == 0 {
					runtime.GC()
				}
			}
		})
	}
	all.Wait()
}

func TestLongText(t *testing.T) {
	tab := open(t, "/(?:a|b)*c/ found\n", 0)
	if got, _, err := tab.Lookup(strings.Repeat("ab", 100_000) + "c"); got != "found" || err != nil {
		t.Error(got, err)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add("^(a+)(?<x>b)?$", "aab", "imsxAEUX")
	f.Add("(?R)?[[:alpha:]]\\Q*\\E", "x*", "")
	f.Fuzz(func(t *testing.T, pattern, text, letters string) {
		e, err := compile(pattern, letters, false)
		if err == nil {
			e.MatchString(text)
			e.Find(text)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	e, err := compile(`name=.*\.(bat|exe|com|scr)\b`, "", false)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		e.MatchString(`Content-Type: application/octet-stream; name="some-long-name.zip"`)
	}
}
