package hash

import (
	"bufio"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postrider/lib/base/table"
	"postrider/lib/base/table/cdb"
)

// The files in testdata were made by stock postmap from the text "small": 300
// entries, a few with large values, one with a large key.
func unpack(t *testing.T, from, to string) {
	t.Helper()
	f, err := os.Open("testdata/" + from + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func source(t *testing.T) map[string]string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "small")
	unpack(t, "small", name)
	f, _ := os.Open(name)
	defer f.Close()
	entries := make(map[string]string)
	for lines := bufio.NewReader(f); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return entries
		}
		key, value := table.Entry(strings.TrimSpace(line))
		entries[key] = value
	}
}

func TestBerkeley(t *testing.T) {
	entries := source(t)
	for _, file := range []string{"small-hash.db", "small-btree.db", "small-nonul.db"} {
		name := filepath.Join(t.TempDir(), "t")
		unpack(t, file, name+Suffix)
		tab, err := reader(name, 0)
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range entries {
			if got, found, err := tab.Lookup(key); !found || err != nil || got != value {
				t.Fatalf("%s: %.30q: %.30q %v %v", file, key, got, found, err)
			}
			if _, found, err := tab.Lookup(key + "x"); found || err != nil {
				t.Fatalf("%s: %.30qx: found: %v", file, key, err)
			}
		}
		seen := 0
		for key, value := range tab.All() {
			if entries[key] != value {
				t.Errorf("%s: %.30q is %.30q", file, key, value)
			}
			seen++
		}
		if seen != len(entries) || tab.Err() != nil {
			t.Errorf("%s: %d of %d entries, %v", file, seen, len(entries), tab.Err())
		}
	}
}

// A new table is written as cdb and then used instead of the old file, as long as
// nobody writes that again.
func TestRedirect(t *testing.T) {
	name := filepath.Join(t.TempDir(), "t")
	unpack(t, "small-hash.db", name+Suffix)
	b, err := table.Build("hash:"+name, table.Writable)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Add("new", "entry"); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	has := func(key string, want bool) {
		t.Helper()
		tab, err := reader(name, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, found, err := tab.Lookup(key); found != want || err != nil {
			t.Error(key, found, err)
		}
	}
	has("new", true)
	has("key1@example.com", true)
	later := time.Now().Add(time.Minute)
	os.Chtimes(name+Suffix, later, later)
	has("new", false)
	os.Remove(name + cdb.Suffix)
	has("key1@example.com", true)
	os.Remove(name + Suffix)
	if _, err := reader(name, 0); err == nil {
		t.Error("no error")
	}
}

// A damaged file gives an error, and no crash and no endless search.
func TestDamage(t *testing.T) {
	for _, file := range []string{"small-hash.db", "small-btree.db"} {
		name := filepath.Join(t.TempDir(), "t")
		unpack(t, file, name+Suffix)
		good, _ := os.ReadFile(name + Suffix)
		for at := 12; at < len(good); at += 97 {
			bad := append([]byte(nil), good...)
			for i := at; i < min(at+5, len(bad)); i++ {
				bad[i] ^= 0xff
			}
			os.WriteFile(name+Suffix, bad, 0o600)
			tab, err := reader(name, 0)
			if err != nil {
				continue
			}
			tab.Lookup("key50@example.com")
			for range tab.All() {
			}
			tab.(*berkeley).Close()
		}
	}
}
