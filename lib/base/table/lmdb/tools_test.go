package lmdb

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postrider/lib/base/table"
)

// The tools of the C library read what is written here, also after changes, and
// what they write is read and changed here. Skipped without mdb_dump(1).
func TestTools(t *testing.T) {
	if _, err := exec.LookPath("mdb_dump"); err != nil {
		t.Skip("there is no mdb_dump")
	}
	r := rand.New(rand.NewPCG(9, 9))
	entries := some(r, 700)
	name := build(t, entries, 0)
	for range 4 {
		b, err := table.Build("lmdb:"+name, table.Writable)
		if err != nil {
			t.Fatal(err)
		}
		for range 300 {
			changeOne(t, r, b, entries, true)
		}
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
		sameDump(t, name, entries)
	}
	text, err := exec.Command("mdb_dump", "-n", name+Suffix).Output()
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other")
	load := exec.Command("mdb_load", "-n", other+Suffix)
	load.Stdin = bytes.NewReader(text)
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	has(t, other, 0, entries)
	b, err := table.Build("lmdb:"+other, table.Writable)
	if err != nil {
		t.Fatal(err)
	}
	for range 500 {
		changeOne(t, r, b, entries, false)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	has(t, other, 0, entries)
	sameDump(t, other, entries)
}

// sameDump compares what mdb_dump prints with entries.
func sameDump(t *testing.T, name string, entries map[string]string) {
	t.Helper()
	out, err := exec.Command("mdb_dump", "-n", name+Suffix).Output()
	if err != nil {
		t.Fatal(err)
	}
	_, data, _ := strings.Cut(string(out), "HEADER=END\n")
	lines := strings.Split(strings.TrimSuffix(data, "DATA=END\n"), "\n")
	n := 0
	for i := 0; i+1 < len(lines); i += 2 {
		key, _ := hex.DecodeString(strings.TrimSpace(lines[i]))
		value, _ := hex.DecodeString(strings.TrimSpace(lines[i+1]))
		if want, known := entries[cutNUL(key)]; !known || want != cutNUL(value) {
			t.Fatalf("%.40q is %.40q, want %.40q", key, value, want)
		}
		n++
	}
	if n != len(entries) {
		t.Fatalf("%d of %d entries", n, len(entries))
	}
}
