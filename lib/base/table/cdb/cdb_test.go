package cdb

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"postrider/lib/base/table"
)

func build(t testing.TB, name string, flags table.Flags, entries ...string) {
	t.Helper()
	b, err := Make(name, flags)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Abort()
	for i := 0; i < len(entries); i += 2 {
		if err := b.Add(entries[i], entries[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, tab table.Table, key, value string, found bool) {
	t.Helper()
	got, ok, err := tab.Lookup(key)
	if err != nil || ok != found || got != value {
		t.Errorf("%q: got %q, %v, %v; want %q, %v", key, got, ok, err, value, found)
	}
}

func openTable(t *testing.T, name string, flags table.Flags) table.Sequencer {
	t.Helper()
	tab, err := Open(name, flags)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tab.(*database).Close() })
	return tab
}

func TestBuildAndRead(t *testing.T) {
	for _, flags := range []table.Flags{0, table.WithNUL} {
		name := filepath.Join(t.TempDir(), "t")
		var entries []string
		for i := range 5000 {
			entries = append(entries, fmt.Sprint("key", i), fmt.Sprint("value", i))
		}
		build(t, name, flags, entries...)
		tab := openTable(t, name, 0)
		want(t, tab, "nothing", "", false)
		for i := 0; i < len(entries); i += 2 {
			want(t, tab, entries[i], entries[i+1], true)
		}
		n := 0
		for key, value := range tab.All() {
			if key != entries[2*n] || value != entries[2*n+1] {
				t.Fatal(n, key, value)
			}
			n++
		}
		if n != 5000 || tab.Err() != nil {
			t.Error(n, tab.Err())
		}
	}
}

func TestFormAsked(t *testing.T) {
	name := filepath.Join(t.TempDir(), "t")
	build(t, name, table.WithNUL, "a", "b")
	want(t, openTable(t, name, table.WithoutNUL), "a", "", false)
	want(t, openTable(t, name, table.WithNUL), "a", "b", true)
}

func TestDuplicates(t *testing.T) {
	name := filepath.Join(t.TempDir(), "t")
	b, _ := Make(name, 0)
	b.Add("a", "1")
	b.Add("b", "2")
	if err := b.Add("a", "3"); err != table.ErrDuplicate {
		t.Error(err)
	}
	b.Replace("b", "4")
	b.Add("c", "5")
	if found, err := b.Delete("a"); !found || err != nil {
		t.Error(found, err)
	}
	if found, err := b.Delete("x"); found || err != nil {
		t.Error(found, err)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	tab := openTable(t, name, 0)
	var all []string
	for key, value := range tab.All() {
		all = append(all, key+"="+value)
	}
	if fmt.Sprint(all) != "[b=4 c=5]" {
		t.Error(all)
	}
	want(t, tab, "a", "", false)
	want(t, tab, "b", "4", true)

	b, err := Make(name, table.Writable) // continues with what is there
	if err != nil {
		t.Fatal(err)
	}
	b.Add("d", "6")
	b.Delete("b")
	b.Commit()
	tab = openTable(t, name, 0)
	want(t, tab, "b", "", false)
	want(t, tab, "c", "5", true)
	want(t, tab, "d", "6", true)
}

// The old table stays when the new one is not finished.
func TestAbort(t *testing.T) {
	name := filepath.Join(t.TempDir(), "t")
	build(t, name, 0, "a", "1")
	b, _ := Make(name, 0)
	b.Add("a", "2")
	b.Abort()
	want(t, openTable(t, name, 0), "a", "1", true)
	if names, _ := os.ReadDir(filepath.Dir(name)); len(names) != 1 {
		t.Error(names)
	}
}

func TestChanged(t *testing.T) {
	name := filepath.Join(t.TempDir(), "t")
	build(t, name, 0, "a", "1")
	tab, err := table.Open("cdb:"+name, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := table.Changed(); got != "" {
		t.Error(got)
	}
	again, _ := table.Open("cdb:"+name, 0)
	build(t, name, 0, "a", "2")
	if got := table.Changed(); got != "cdb:"+name {
		t.Error(got)
	}
	want(t, tab, "a", "1", true)
	fresh, _ := table.Open("cdb:"+name, 0)
	want(t, fresh, "a", "2", true)
	for _, x := range []table.Table{tab, again, fresh} {
		x.(interface{ Close() error }).Close()
	}
	if got := table.Changed(); got != "" {
		t.Error(got)
	}
}

// A cache is written when it is closed, or soon.
func TestCache(t *testing.T) {
	spec := "cdb:" + filepath.Join(t.TempDir(), "t")
	for round := range 3 {
		tab, err := table.Open(spec, table.Writable)
		if err != nil {
			t.Fatal(err)
		}
		cache := tab.(table.Updater)
		if round == 0 {
			want(t, cache, "key", "", false)
		} else {
			want(t, cache, "key", fmt.Sprint(round), true)
		}
		if err := cache.Update("key", fmt.Sprint(round+1)); err != nil {
			t.Fatal(err)
		}
		cache.Update("gone", "x")
		if found, err := cache.Delete("gone"); !found || err != nil {
			t.Error(found, err)
		}
		n := 0
		for key := range tab.(table.Sequencer).All() {
			cache.Delete(key + "x")
			n++
		}
		if n != 1 {
			t.Error(n)
		}
		tab.(interface{ Close() error }).Close()
		if round == 0 {
			want(t, openTable(t, spec[4:], 0), "key", "1", true)
		}
	}
}

// A cache is saved in a chroot jail too: the directory stays open.
func TestCacheWithoutPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	os.Mkdir(dir, 0o700)
	tab, err := table.Open("cdb:"+dir+"/t", table.Writable)
	if err != nil {
		t.Fatal(err)
	}
	os.Rename(dir, dir+"b")
	if err := tab.(table.Updater).Update("k", "v"); err != nil {
		t.Fatal(err)
	}
	if err := tab.(interface{ Close() error }).Close(); err != nil {
		t.Fatal(err)
	}
	want(t, openTable(t, dir+"b/t", 0), "k", "v", true)
}

// Damaged files give errors, never a crash.
func FuzzReader(f *testing.F) {
	name := filepath.Join(f.TempDir(), "t")
	build(f, name, 0, "a", "1", "b", "2")
	data, _ := os.ReadFile(name + Suffix)
	f.Add(data)
	f.Add(data[:2048])
	f.Fuzz(func(t *testing.T, data []byte) {
		name := filepath.Join(t.TempDir(), "x")
		os.WriteFile(name+Suffix, data, 0o600)
		tab, err := Open(name, 0)
		if err != nil {
			return
		}
		defer tab.(*database).Close()
		tab.Lookup("a")
		tab.Lookup("other")
		for range tab.All() {
		}
		tab.Err()
	})
}

// tinycdb is another implementation of the format.
func TestTinycdb(t *testing.T) {
	tool, err := exec.LookPath("cdb")
	if err != nil {
		t.Skip("tinycdb is not installed")
	}
	dir := t.TempDir()
	ours, theirs := filepath.Join(dir, "ours"), filepath.Join(dir, "theirs")
	var dump bytes.Buffer
	var entries []string
	for i := range 2000 {
		key, value := fmt.Sprint("k", i), fmt.Sprint("v", i*i)
		entries = append(entries, key, value)
		fmt.Fprintf(&dump, "+%d,%d:%s->%s\n", len(key), len(value), key, value)
	}
	dump.WriteByte('\n')
	build(t, ours, 0, entries...)
	if out, err := exec.Command(tool, "-d", ours+Suffix).Output(); err != nil || !bytes.Equal(out, dump.Bytes()) {
		t.Errorf("tinycdb lists our file differently: %v", err)
	}
	if out, err := exec.Command(tool, "-q", ours+Suffix, "k77").Output(); err != nil || string(out) != "v5929" {
		t.Errorf("%q %v", out, err)
	}
	c := exec.Command(tool, "-c", theirs+Suffix)
	c.Stdin = &dump
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s %v", out, err)
	}
	tab := openTable(t, theirs, 0)
	for i := 0; i < len(entries); i += 2 {
		want(t, tab, entries[i], entries[i+1], true)
	}
}

func BenchmarkLookup(b *testing.B) {
	name := filepath.Join(b.TempDir(), "t")
	build(b, name, 0, "joe@example.com", "1", "b", "2")
	tab, err := Open(name, 0)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		tab.Lookup("joe@example.com")
	}
}
