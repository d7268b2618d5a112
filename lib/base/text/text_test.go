package text

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/cases"
)

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "abc": "abc", "Joe@Example.COM": "joe@example.com", "Straße": "strasse", "ΑΣ": "ασ",
		"A\xffB": "a\xffb", "GRÜN": "grün", "K": "k",
	} {
		if got := Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

// The tables of x/text are the reference; they are too heavy for small programs.
func TestFoldAllLetters(t *testing.T) {
	if cases.UnicodeVersion != unicode.Version {
		t.Skip("the reference knows another version of Unicode")
	}
	fold := cases.Fold()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if r >= 0xd800 && r < 0xe000 {
			continue
		}
		if got, want := Fold(string(r)), fold.String(string(r)); got != want {
			t.Errorf("Fold(%U) = %q, want %q", r, got, want)
		}
	}
}

func TestSplit(t *testing.T) {
	if got, want := Split(" a, b\tc,,\n d "), []string{"a", "b", "c", "d"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
	for in, want := range map[string][]string{
		"":                            nil,
		" , ":                         nil,
		"a {b, c} d":                  {"a", "{b, c}", "d"},
		"inline:{ {a = b, c}, d=e} f": {"inline:{ {a = b, c}, d=e}", "f"},
		"{a b":                        {"{a b"},
		"a} b":                        {"a}", "b"},
	} {
		if got := SplitBraces(in); !reflect.DeepEqual(got, want) {
			t.Errorf("SplitBraces(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestUnbrace(t *testing.T) {
	for _, c := range []struct {
		in, want string
		ok       bool
	}{
		{"{ a = b }", "a = b", true}, {"{}", "", true}, {"{{a}}", "{a}", true},
		{"{a", "a", false}, {"{a} b", "a", false}, {"x", "x", false},
	} {
		if got, ok := Unbrace(c.in); got != c.want || ok != c.ok {
			t.Errorf("Unbrace(%q) = %q %v", c.in, got, ok)
		}
	}
}

func TestLines(t *testing.T) {
	in := "# comment\n\n  first\na = b\n  c\n# between\n\n \td \nlast\n # blank comment\nend"
	want := []Line{{"  first", 3, 3}, {"a = b  c \td", 4, 8}, {"last", 9, 9}, {"end", 11, 11}}
	lines := NewLines(strings.NewReader(in), 0)
	for i := 0; ; i++ {
		line, err := lines.Next()
		if err == io.EOF && i == len(want) {
			return
		}
		if err != nil || i >= len(want) || line != want[i] {
			t.Fatalf("line %d: got %+v, %v", i, line, err)
		}
	}
}

func TestLinesLimit(t *testing.T) {
	lines := NewLines(io.MultiReader(strings.NewReader("a\n"), endless{}), 100_000)
	if line, err := lines.Next(); line.Text != "a" || err != nil {
		t.Fatal(line, err)
	}
	if _, err := lines.Next(); !errors.Is(err, ErrTooLong) || !strings.Contains(err.Error(), "line 2") {
		t.Fatal(err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func FuzzLines(f *testing.F) {
	f.Add("a\n b\n#c\n d", 10)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		lines := NewLines(strings.NewReader(s), limit)
		for {
			line, err := lines.Next()
			if err != nil {
				return
			}
			if line.Text == "" || line.First < 1 || line.Last < line.First || line.Last > strings.Count(s, "\n")+1 {
				t.Fatalf("%+v", line)
			}
		}
	})
}
