package maker

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A fake maker runs a command of the test, which leaves its arguments behind.
func fake(t *testing.T, dir string) *Maker {
	t.Helper()
	bin := t.TempDir()
	for _, name := range []string{"postmap", "postalias"} {
		script := "#!/bin/sh\nf=${1#*:}\n[ ! -e $f.bad ] || { echo trouble; exit 3; }\necho " + name + " $1 >$f.${1%%:*}\n"
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m := &Maker{Commands: bin, Redirect: func(kind, _ string) string { return map[string]string{"hash": "cdb", "btree": "pcre"}[kind] }}
	m.AllowRootPrefixes, m.AllowUserPrefixes = "/etc "+dir, "/var "+dir
	return m
}

// Nobody but the owner of the old file and root may have a hand in it.
func TestMake(t *testing.T) {
	dir := t.TempDir()
	os.Chmod(dir, 0o755)
	m := fake(t, dir)
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		os.WriteFile(path, nil, 0o600)
		os.Chmod(path, mode)
		return path
	}
	name := file("t", 0o644)
	refused := func(what, kind, name string) {
		t.Helper()
		if err := m.Make(kind, name); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("want an error with %q, not %v", what, err)
		}
	}
	refused("no such file", "hash", name) // NAME.db
	file("t.db", 0o644)
	refused("bad type", "cdb", name)
	refused("bad pathname", "hash", "t")
	refused("bad pathname", "hash", dir+"/../"+filepath.Base(dir)+"/t")
	refused("bad pathname", "hash", name+"\n")
	refused("no file that could be made", "btree", name)
	os.Chmod(name, 0o664)
	refused("writable by other user", "hash", name)
	os.Chmod(name, 0o644)
	os.Chmod(dir, 0o757)
	refused("writable by other user", "hash", name)
	os.Chmod(dir, 0o755)
	file("l.db", 0o644)
	os.Symlink("t", filepath.Join(dir, "l"))
	refused("not a regular file", "hash", filepath.Join(dir, "l"))
	m.AllowRootPrefixes, m.AllowUserPrefixes = "/etc "+dir+"x", "/var "+dir+"x"
	refused("unexpected pathname; to allow automatic indexing as", "hash", name)
	away := filepath.Join(t.TempDir(), "link")
	os.Symlink(dir, away)
	m.AllowRootPrefixes, m.AllowUserPrefixes = filepath.Dir(away), filepath.Dir(away)
	refused("unexpected pathname", "hash", filepath.Join(away, "t"))
	m.AllowRootPrefixes, m.AllowUserPrefixes = dir, dir
	file("t.bad", 0o644)
	refused("could not execute command 'postmap cdb:"+name+"': trouble", "hash", name)
	os.Remove(name + ".bad")
	if _, err := os.Stat(name + ".cdb"); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("made in spite of all")
	}
	for range 2 { // the second time it is there
		if err := m.Make("hash", name); err != nil {
			t.Error(err)
		}
	}
	if made, _ := os.ReadFile(name + ".cdb"); string(made) != "postmap cdb:"+name+"\n" {
		t.Errorf("%q", made)
	}
}
