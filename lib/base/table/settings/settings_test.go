package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postrider/lib/base/table"
)

func TestFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.cf")
	os.WriteFile(name, []byte("# comment\nhost = a,\n  b\nold = 1\nyes = YES\nnumber = 7\nextra = $x\n"), 0o600)
	s, source, err := Read("mysql", name)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	got := fmt.Sprintln(s.Text("host", ""), s.Text("new", "", "old"), s.Text("none", "fallback"), s.Bool("yes", false), s.Bool("no", true), s.Number("number", 1, 0), s.Number("none", 5, 0))
	if got != "a,  b 1 fallback true true 7 5\n" {
		t.Error(got)
	}
	if unknown, err := s.Finish(); fmt.Sprint(unknown) != "[extra]" || err != nil {
		t.Error(unknown, err)
	}
	s.Number("host", 1, 0)
	s.Number("number", 9, 8)
	s.Bool("host", true)
	s.Needed("missing")
	if _, err := s.Finish(); err == nil || strings.Count(err.Error(), "mysql:"+name) != 4 || !table.IsMistake(err) {
		t.Error(err)
	}
}

// Parameters in main.cf are those with the name of the table in front.
func TestMain(m *testing.M) {
	table.Surround(table.Environment{Parameters: func(prefix string) map[string]string {
		if prefix != "users_" {
			return nil
		}
		return map[string]string{"memcache": "inet:x:1", "other": "y"}
	}})
	os.Exit(m.Run())
}

func TestMainCf(t *testing.T) {
	s, source, err := Read("memcache", "users")
	if err != nil || source != nil || !s.Main {
		t.Fatal(err, source)
	}
	if got := s.Text("memcache", ""); got != "inet:x:1" {
		t.Error(got)
	}
	s.Needed("backup")
	unknown, err := s.Finish()
	if unknown != nil || err == nil || !strings.Contains(err.Error(), "users_backup") {
		t.Error(unknown, err)
	}
}

func TestBadNames(t *testing.T) {
	for _, name := range []string{"", "/nonexistent/x.cf", "./nosuch"} {
		if _, _, err := Read("mysql", name); err == nil {
			t.Errorf("%q: no error", name)
		}
	}
	name := filepath.Join(t.TempDir(), "x.cf")
	os.WriteFile(name, []byte("a b c\n"), 0o600)
	if _, _, err := Read("mysql", name); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Error(err)
	}
}
