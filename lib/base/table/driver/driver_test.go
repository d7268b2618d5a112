package driver

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postrider/lib/base/table"
	"postrider/lib/base/table/settings"
)

// TestMain is the program of the type, too: it answers with what it was told.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "table-sqlite" {
		Serve(func(s *settings.Settings) (table.Table, error) {
			if s.Values["bad"] != "" {
				return nil, table.Mistake("bad is set")
			}
			return told{s}, nil
		})
		return
	}
	os.Exit(m.Run())
}

type told struct{ s *settings.Settings }

func (t told) Lookup(key string) (string, bool, error) {
	switch key {
	case "die":
		os.Exit(1)
	case "fail":
		Warn("trouble")
		return "", false, errors.New("not now")
	case "nul":
		return "a\x00b", true, nil
	}
	value, found := t.s.Values[key]
	return value, found, nil
}

func TestProgram(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "table-sqlite")); err != nil {
		t.Fatal(err)
	}
	table.Surround(table.Environment{Programs: dir})
	one, two, bad := filepath.Join(dir, "one"), filepath.Join(dir, "two"), filepath.Join(dir, "bad")
	os.WriteFile(one, []byte("key = first\n"), 0o600)
	os.WriteFile(two, []byte("key = second\n"), 0o600)
	os.WriteFile(bad, []byte("bad = yes\n"), 0o600)
	open := func(name string) table.Table {
		tab, err := table.Open("sqlite:"+name, table.FoldKey)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tab.(io.Closer).Close() })
		return tab
	}
	a, b := open(one), open(two)
	want := func(tab table.Table, key, value string) {
		t.Helper()
		got, found, err := tab.Lookup(key)
		if err != nil || got != value || found != (value != "") {
			t.Errorf("%q: %q, %v, %v", key, got, found, err)
		}
	}
	want(a, "KEY", "first")
	want(b, "key", "second")
	want(a, "none", "")
	want(a, "k\x00ey", "")
	for _, key := range []string{"fail", "nul", "die"} {
		var e *table.Error
		if _, _, err := a.Lookup(key); !errors.As(err, &e) || !e.Temporary {
			t.Errorf("%s: %v", key, err)
		}
	}
	want(a, "key", "first") // by a new program, to which both are new
	want(b, "key", "second")
	if _, err := table.Open("sqlite:"+bad, 0); err == nil || !table.IsMistake(err) {
		t.Error(err)
	}
	if _, err := table.Open("sqlite:"+one, table.Writable); err == nil {
		t.Error("can be written")
	}
	if _, err := table.Open("mysql:"+one, 0); err == nil || !strings.Contains(err.Error(), "table-mysql, which is not there") {
		t.Error(err)
	}
}
