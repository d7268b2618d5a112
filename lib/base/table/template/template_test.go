package template

import (
	"strings"
	"testing"

	"postrider/lib/base/table/settings"
)

func TestExpand(t *testing.T) {
	quote := func(s string) string { return strings.ReplaceAll(s, "'", "''") }
	for _, c := range []struct {
		form, text, key, want string
		ok                    bool
	}{
		{"k='%s'", "o'neill", "o'neill", "k='o''neill'", true},
		{"%u at %d", "joe@a.b", "joe@a.b", "joe at a.b", true},
		{"%u", "joe", "joe", "joe", true},
		{"%d", "joe", "joe", "", false},
		{"%u", "@a.b", "@a.b", "", false},
		{"%d", "joe@", "joe@", "", false},
		{"%3-%2-%1", "j@x.y.z", "j@x.y.z", "x-y-z", true},
		{"%4", "j@x.y.z", "j@x.y.z", "", false},
		{"%1", "x.y.z", "x.y.z", "", false},
		{"100%%", "x", "x", "100%", true},
		{"%s %S %u %U %d %D %2", "v@w", "k@l.m", "v@w k@l.m v k w l.m l", true},
		{"%s", "", "k", "", false},
		{"%U", "v", "@l", "", false},
		{"%u%d", "a@b@c", "a@b@c", "a@bc", true},
		{"%s", "%s%u", "k", "%s%u", true},
	} {
		if got, ok := Expand(c.form, c.text, c.key, quote); got != c.want || ok != c.ok {
			t.Errorf("%q with %q for %q: got %q, %v", c.form, c.text, c.key, got, ok)
		}
	}
}

func TestCheck(t *testing.T) {
	for form, good := range map[string]bool{"%s%S%1%9%%": true, "": true, "%": false, "a%": false, "%0": false, "%x": false} {
		if err := Check("query", form); (err == nil) != good {
			t.Errorf("%q: %v", form, err)
		}
	}
}

func TestAnswer(t *testing.T) {
	s := &settings.Settings{Table: "x:y", Values: map[string]string{"result_filter": "<%u>", "expansion_limit": "2", "domain": "b.c, d.e"}}
	l := New(s, "result_filter")
	if unknown, err := s.Finish(); err != nil || unknown != nil {
		t.Fatal(unknown, err)
	}
	for key, want := range map[string]bool{"a@b.c": true, "a@D.E": true, "@b.c": false, "b.c": false, "a@": false, "": false, "a@x": false, "\xff@b.c": false} {
		if got, err := l.Wanted(key); got != want || err != nil {
			t.Errorf("%q: %v, %v", key, got, err)
		}
	}
	a := l.Answer("a@b.c")
	for _, value := range []string{"", "x@y", "@z", "w"} {
		if err := a.Add(value); err != nil {
			t.Error(err)
		}
	}
	if got, found := a.Result(); got != "<x>,<w>" || !found {
		t.Errorf("%q, %v", got, found)
	}
	if err := a.Add("v"); err == nil {
		t.Error("no error")
	}
	if _, found := l.Answer("k").Result(); found {
		t.Error("found nothing")
	}
	bad := &settings.Settings{Values: map[string]string{"result_format": "%x", "expansion_limit": "-1"}}
	New(bad)
	if _, err := bad.Finish(); err == nil || !strings.Contains(err.Error(), "result_format") || !strings.Contains(err.Error(), "expansion_limit") {
		t.Error(err)
	}
}
