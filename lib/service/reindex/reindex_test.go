package reindex

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postrider/lib/base/table"
	_ "postrider/lib/base/table/inline"
	"postrider/lib/mail/param"
)

func settings(t *testing.T, lines string) *param.Settings {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.cf"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := param.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRedirect(t *testing.T) {
	s := settings(t, "default_database_type = cdb\ndefault_cache_db_type = lmdb\n"+
		"non_bdb_custom_mapping = inline:{ {hash:/a = lmdb}, {btree:/b = btree}, {hash:/c = texthash} }\n")
	redirect := Redirector(s)
	for spec, want := range map[string]string{"hash:/x": "cdb", "btree:/x": "lmdb", "hash:/a": "lmdb", "hash:/c": "texthash", "btree:/b": "", "cdb:/x": "", "pcre:/a": ""} {
		kind, name, _ := strings.Cut(spec, ":")
		if got := redirect(kind, name); got != want {
			t.Errorf("%s: %q", spec, got)
		}
	}
	for level, want := range map[string][2]bool{"disable": {false, false}, "enable-redirect": {true, false}, "enable-reindex": {true, true}} {
		var e table.Environment
		Surround(settings(t, "non_bdb_migration_level = "+level+"\n"), &e, true)
		if (e.Redirect != nil) != want[0] || (e.Reindex != nil) != want[1] {
			t.Errorf("%s: %v, %v", level, e.Redirect != nil, e.Reindex != nil)
		}
		Surround(settings(t, "non_bdb_migration_level = "+level+"\n"), &e, false)
	}
}
