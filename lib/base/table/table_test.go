package table_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"postrider/lib/base/table"
	_ "postrider/lib/base/table/all"
)

func init() {
	table.Register("broken", func(string, table.Flags) (table.Table, error) { return broken{}, nil })
}

type broken struct{}

func (broken) Lookup(string) (string, bool, error) { return "", false, io.ErrUnexpectedEOF }

func open(t *testing.T, spec string, flags table.Flags) table.Table {
	t.Helper()
	tab, err := table.Open(spec, flags)
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := tab.(io.Closer); ok {
		t.Cleanup(func() { c.Close() })
	}
	return tab
}

func want(t *testing.T, tab table.Table, key, value string, found bool) {
	t.Helper()
	got, ok, err := tab.Lookup(key)
	if err != nil || ok != found || got != value {
		t.Errorf("%q: got %q, %v, %v; want %q, %v", key, got, ok, err, value, found)
	}
}

func TestInlineAndStatic(t *testing.T) {
	tab := open(t, "inline:{A=b, {c = d, e}, a=f}", table.FoldKey)
	want(t, tab, "a", "f", true)
	want(t, tab, "C", "d, e", true)
	want(t, tab, "d", "", false)
	want(t, open(t, "inline:{A=b, a=f}", 0), "A", "b", true)
	want(t, open(t, "static:{ a b }", 0), "anything", "a b", true)
	var keys []string
	for key := range tab.(table.Sequencer).All() {
		keys = append(keys, key)
	}
	if len(keys) != 2 || keys[0] != "a" {
		t.Error(keys)
	}
	for _, bad := range []string{"inline:{}", "inline:{a}", "inline:{a=b", "static:{a", "nosuch:x", "plain", ":x"} {
		if _, err := table.Open(bad, 0); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

func TestErrorNamesTable(t *testing.T) {
	_, _, err := open(t, "broken:x", 0).Lookup("key")
	var e *table.Error
	if !errors.As(err, &e) || e.Table != "broken:x" || e.Key != "key" || !e.Temporary {
		t.Errorf("%#v", err)
	}
}

// The search in a list stops where a table fails.
func TestListStopsAtError(t *testing.T) {
	list, err := table.OpenList("inline:{a=1}, broken:x inline:{b=2,a=3}", 0)
	if err != nil {
		t.Fatal(err)
	}
	if v, found, err := list.Lookup("a"); v != "1" || !found || err != nil {
		t.Error(v, found, err)
	}
	if v, found, err := list.Lookup("b"); found || err == nil {
		t.Error(v, found, err)
	}
}

func TestListWithMissingTable(t *testing.T) {
	list, err := table.OpenList("nosuch:x inline:{b=2}", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := list.Lookup("b"); err == nil {
		t.Error("no error")
	}
	if _, err := table.OpenList("nocolon", 0); err == nil {
		t.Error("no error")
	}
	empty, err := table.OpenList("inline:{ {a=} }", 0)
	if _, found, err2 := empty.Lookup("a"); found || err != nil || err2 != nil {
		t.Error(found, err, err2)
	}
}

// A table that comes later is used without a restart.
func TestLater(t *testing.T) {
	name := filepath.Join(t.TempDir(), "t")
	tab, err := table.OpenLater("texthash:"+name, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := tab.Lookup("a"); err == nil {
		t.Error("no error")
	}
	os.WriteFile(name, []byte("a b\n"), 0o600)
	table.RetryNow(tab)
	want(t, tab, "a", "b", true)
	tab.(io.Closer).Close()
}

// With daemon_table_open_error_is_fatal, a table that is not there is an error at once.
func TestOpenErrorIsFatal(t *testing.T) {
	before := table.Settings()
	defer table.Use(before)
	strict := before
	strict.OpenErrorIsFatal = true
	table.Use(strict)
	if tab, err := table.OpenLater("texthash:"+filepath.Join(t.TempDir(), "t"), 0); err == nil {
		t.Errorf("got %v", tab)
	}
}

func TestSourceIsFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	os.WriteFile(name, []byte("line"), 0o600)
	want(t, open(t, "inline:{a="+name+"}", table.SourceIsFile), "a", "line", true)
	want(t, open(t, "static:"+name, table.SourceIsFile), "a", "line", true)
}
