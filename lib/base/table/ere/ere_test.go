package ere

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
)

// The C library is what administrators wrote their patterns for.
func TestLikeCLibrary(t *testing.T) {
	f, err := os.Open("testdata/glibc.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		field := strings.Split(lines.Text(), "\t")
		pattern, _ := hex.DecodeString(field[1])
		text, _ := hex.DecodeString(field[2])
		o := Options{FoldCase: strings.Contains(field[0], "i"), Newline: strings.Contains(field[0], "m"), Basic: strings.Contains(field[0], "b")}
		if got := result(string(pattern), string(text), o); got != expected(field[3], text) {
			t.Errorf("%s %q %q: got %s, want %s", field[0], pattern, text, got, expected(field[3], text))
		}
	}
}

// expected turns offsets into texts: a group that took no part and one that
// matched nothing are the same here.
func expected(want string, text []byte) string {
	words := strings.Fields(want)
	if words[0] != "M" {
		return want
	}
	for i, w := range words[1:] {
		var from, to int
		fmt.Sscanf(w, "%d-%d", &from, &to)
		words[i+1] = fmt.Sprintf("%q", text[max(from, 0):max(to, 0)])
	}
	return strings.Join(words, " ")
}

func result(pattern, text string, o Options) string {
	r, err := Compile(pattern, o)
	if err != nil {
		return "E " + err.Error()
	}
	found, err := r.MatchString(text)
	groups, err2 := r.Find(text)
	switch {
	case err != nil || err2 != nil || found != (groups != nil):
		return fmt.Sprint("contradiction ", found, groups, err, err2)
	case !found:
		return "N"
	}
	s := "M"
	for _, g := range groups {
		s += fmt.Sprintf(" %q", g)
	}
	return s
}

func TestBytes(t *testing.T) {
	for _, c := range []struct{ pattern, text, want string }{
		{"^.{3}$", "äx", `M "äx"`}, {"ä", "Ä", "N"}, {"[ä]x", "äx", `M "\xa4x"`}, {"^(.+)@\\1$", "ab@AB", `M "ab@AB" "ab"`},
		{"a{1500}", strings.Repeat("a", 1500), "M \"" + strings.Repeat("a", 1500) + "\""}, {"\\<word\\>", "a word.", `M "word"`},
		{"k", "\u212a", "N"}, {"ſ", "s", "N"}, {"", "", `M ""`}, {"a.b", "a\nb", `M "a\nb"`},
	} {
		if got := result(c.pattern, c.text, Options{FoldCase: true}); got != c.want {
			t.Errorf("%q %q: got %.100s", c.pattern, c.text, got)
		}
	}
}

// A pattern cannot keep the program busy, use up its stack, or crash it.
func TestHard(t *testing.T) {
	long := strings.Repeat("a", 1_000_000)
	for _, pattern := range []string{`(a*)*\1b`, `(a|aa)+\1c`, `(a|b)*\1x`} {
		r, err := Compile(pattern, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if found, err := r.MatchString(long); found || err == nil {
			t.Errorf("%s: %v, %v", pattern, found, err)
		}
	}
	for _, bad := range []string{strings.Repeat("(", 100_000), "a" + strings.Repeat("*", 100_000), "a{40000}", `a\`} {
		if _, err := Compile(bad, Options{}); err == nil {
			t.Errorf("%.20q: no error", bad)
		}
	}
	nested := strings.Repeat("(", 100) + "a" + strings.Repeat("){30000}", 100)
	if r, err := Compile(nested, Options{}); err == nil {
		r.MatchString("aaa")
	}
}

func FuzzMatch(f *testing.F) {
	f.Add(`^(.+)@\1$`, "a@a", true, false, false)
	f.Add(`a\{1,2\}\|[[:alpha:]-z]`, "aa", false, true, true)
	f.Fuzz(func(t *testing.T, pattern, text string, fold, newline, basic bool) {
		if r := result(pattern, text, Options{fold, newline, basic}); strings.HasPrefix(r, "contra") && !strings.Contains(r, ErrTooHard.Error()) {
			t.Error(r)
		}
	})
}
