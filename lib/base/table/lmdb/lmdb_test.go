package lmdb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postrider/lib/base/table"
)

// build makes a table of entries.
func build(t *testing.T, entries map[string]string, flags table.Flags) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "t")
	b, err := table.Build("lmdb:"+name, flags)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range entries {
		if err := b.Add(key, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	return name
}

// some returns n entries, a few of them large.
func some(r *rand.Rand, n int) map[string]string {
	entries := make(map[string]string)
	for i := range n {
		key := fmt.Sprintf("key%d@example.com", i)
		if r.IntN(20) == 0 {
			key = strings.Repeat("long", r.IntN(100)) + key
		}
		entries[key] = randomValue(r)
	}
	return entries
}

func randomValue(r *rand.Rand) string {
	switch r.IntN(30) {
	case 0:
		return strings.Repeat("x", r.IntN(20_000))
	case 1:
		return strings.Repeat("y", 1900+r.IntN(200))
	}
	return fmt.Sprint("value ", r.IntN(1000))
}

// has compares a table with what it should have.
func has(t *testing.T, name string, flags table.Flags, entries map[string]string) {
	t.Helper()
	tab, err := Open(name, flags)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.(io.Closer).Close()
	var keys []string
	for key, value := range tab.All() {
		if entries[key] != value {
			t.Fatalf("%.40q is %.40q, want %.40q", key, value, entries[key])
		}
		keys = append(keys, key)
	}
	if tab.Err() != nil || len(keys) != len(entries) || !slices.IsSorted(keys) {
		t.Fatalf("list: %d of %d entries, %v", len(keys), len(entries), tab.Err())
	}
	n := 0
	for key, value := range entries {
		if n++; n > 200 {
			break
		}
		if got, found, err := tab.Lookup(key); got != value || !found || err != nil {
			t.Fatalf("%.40q: got %.40q %v %v", key, got, found, err)
		}
		if _, found, err := tab.Lookup(key + "x"); found || err != nil {
			t.Fatalf("%.40qx: %v %v", key, found, err)
		}
	}
	check(t, name)
}

// check walks over the file: each page is in use once, or free.
func check(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name + Suffix)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := readMeta(f)
	if err != nil {
		t.Fatal(err)
	}
	s := &snapshot{m, f}
	used := make(map[uint64]bool)
	use := func(first, n uint64) {
		for i := first; i < first+n; i++ {
			if used[i] || i < 2 || i > m.last {
				t.Fatalf("page %d is used twice, or does not exist", i)
			}
			used[i] = true
		}
	}
	for _, r := range []root{m.main, m.free} {
		var branches, leaves, overflow, entries uint64
		err := s.each(r.page, 0, func(p *page) error {
			use(p.number, 1)
			if !p.leaf {
				branches++
				if len(p.nodes) < 2 {
					t.Fatalf("a branch with %d nodes", len(p.nodes))
				}
				return nil
			}
			leaves++
			for i := range p.nodes {
				n := &p.nodes[i]
				entries++
				if n.big() {
					var head [headSize]byte
					f.ReadAt(head[:], int64(le.Uint64(n.data))*pageSize)
					use(le.Uint64(n.data), uint64(le.Uint32(head[12:])))
					overflow += uint64(le.Uint32(head[12:]))
				}
				if r.flags&integerKeys != 0 {
					list, err := value(f, &m, n)
					if err != nil {
						return err
					}
					for i := range le.Uint64(list) {
						use(le.Uint64(list[8+8*i:]), 1)
					}
				}
			}
			return nil
		})
		if err != nil || branches != r.branches || leaves != r.leaves || overflow != r.overflow || entries != r.entries {
			t.Fatalf("found %d %d %d %d in %+v: %v", branches, leaves, overflow, entries, r, err)
		}
	}
	if uint64(len(used)) != m.last-1 {
		t.Fatalf("%d of %d pages are in use or free", len(used), m.last-1)
	}
}

func TestBuild(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 3, 50, 2000} {
		entries := some(r, n)
		for _, flags := range []table.Flags{0, table.WithoutNUL, table.WithNUL} {
			name := build(t, entries, flags)
			has(t, name, 0, entries)
			has(t, name, flags, entries)
		}
	}
}

// Random changes, in transactions of any size, leave what they should.
func TestChange(t *testing.T) {
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 1))
		entries := some(r, 300*int(seed))
		name := build(t, entries, 0)
		for round := range 20 {
			b, err := table.Build("lmdb:"+name, table.Writable)
			if err != nil {
				t.Fatal(err)
			}
			growing := round%20 < 10
			for range r.IntN(200) {
				changeOne(t, r, b, entries, growing)
			}
			if r.IntN(8) == 0 {
				for key := range entries {
					delete(entries, key)
					b.Delete(key)
				}
			}
			if err := b.Commit(); err != nil {
				t.Fatal(err)
			}
			has(t, name, 0, entries)
		}
	}
}

func changeOne(t *testing.T, r *rand.Rand, b table.Builder, entries map[string]string, growing bool) {
	t.Helper()
	key, value := fmt.Sprintf("key%d@example.com", r.IntN(700)), randomValue(r)
	if r.IntN(10) == 0 {
		key = strings.Repeat(key, 1+r.IntN(20))
	}
	_, there := entries[key]
	switch op := r.IntN(4); {
	case op == 0 || op == 1 && !growing:
		found, err := b.Delete(key)
		if err != nil || found != there {
			t.Fatal(found, there, err)
		}
		delete(entries, key)
	case op == 2:
		err := b.Add(key, value)
		if there && err != table.ErrDuplicate || !there && err != nil {
			t.Fatal(there, err)
		}
		if !there {
			entries[key] = value
		}
	default:
		if err := b.Replace(key, value); err != nil {
			t.Fatal(err)
		}
		entries[key] = value
	}
}

// A file does not grow when its entries are changed again and again.
func TestSize(t *testing.T) {
	entries := some(rand.New(rand.NewPCG(3, 3)), 500)
	name := build(t, entries, 0)
	size := func() int64 {
		info, err := os.Stat(name + Suffix)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	before := size()
	for i := range 100 {
		b, err := table.Build("lmdb:"+name, table.Writable)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 20 {
			b.Replace(fmt.Sprintf("key%d@example.com", n*20), fmt.Sprint("new ", i))
		}
		b.Commit()
	}
	check(t, name)
	if after := size(); after > 2*before+200*pageSize {
		t.Errorf("grew from %d to %d", before, after)
	}
}

func TestKeys(t *testing.T) {
	name := build(t, nil, 0)
	for _, flags := range []table.Flags{0, table.Writable} {
		b, err := table.Build("lmdb:"+name, flags)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Replace(strings.Repeat("k", 510), "v"); err != nil {
			t.Error(err)
		}
		if err := b.Add(strings.Repeat("k", 511), "v"); err == nil || !strings.Contains(err.Error(), "too long") {
			t.Error(err)
		}
		if err := b.Commit(); err != nil {
			t.Error(err)
		}
	}
	has(t, name, 0, map[string]string{strings.Repeat("k", 510): "v"})
	tab, _ := Open(name, 0)
	defer tab.(io.Closer).Close()
	if _, found, err := tab.Lookup(strings.Repeat("k", 5000)); found || err != nil {
		t.Error(found, err)
	}
}

// A crash at any write leaves the entries from before.
func TestCrash(t *testing.T) {
	entries := some(rand.New(rand.NewPCG(7, 7)), 400)
	name := build(t, entries, 0)
	for round := range 5 {
		f, err := os.OpenFile(name+Suffix, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		tx, err := begin(f)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			tx.put(fmt.Sprintf("key%d@example.com\x00", i), []byte("lost\x00"))
			tx.remove(fmt.Sprintf("key%d@example.com\x00", i+100))
		}
		next := tx.meta
		next.txn++
		tx.saveFree(&next)
		if err := tx.writePages(); err != nil { // all but the last step of commit
			t.Fatal(err)
		}
		f.Close()
		has(t, name, 0, entries)
		b, _ := table.Build("lmdb:"+name, table.Writable)
		b.Replace("round", fmt.Sprint(round))
		entries["round"] = fmt.Sprint(round)
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
		has(t, name, 0, entries)
	}
}

// A table that a daemon changes. Its file has what it has, after a moment or at
// its end.
func TestCache(t *testing.T) {
	name := filepath.Join(t.TempDir(), "cache")
	tab, err := table.Open("lmdb:"+name, table.Writable)
	if err != nil {
		t.Fatal(err)
	}
	c := tab.(table.Updater)
	for i := range 1000 {
		if err := c.Update(fmt.Sprint("k", i), fmt.Sprint("v", i)); err != nil {
			t.Fatal(err)
		}
	}
	if got, found, err := c.Lookup("k7"); got != "v7" || !found || err != nil {
		t.Error(got, found, err)
	}
	n := 0
	for key := range tab.(table.Sequencer).All() {
		if strings.HasSuffix(key, "3") {
			if found, err := c.Delete(key); !found || err != nil {
				t.Error(key, found, err)
			}
		}
		n++
	}
	if found, err := c.Delete("k3"); found || err != nil || n != 1000 {
		t.Error(found, err, n)
	}
	if err := tab.(io.Closer).Close(); err != nil {
		t.Fatal(err)
	}
	want := make(map[string]string)
	for i := range 1000 {
		if i%10 != 3 {
			want[fmt.Sprint("k", i)] = fmt.Sprint("v", i)
		}
	}
	has(t, name, 0, want)
	if info, err := os.Stat(name + Suffix); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
}

// Readers see one state or the other while somebody writes.
func TestParallel(t *testing.T) {
	name := build(t, map[string]string{"a": "0", "b": "0"}, 0)
	var all sync.WaitGroup
	done := make(chan bool)
	for range 3 {
		all.Go(func() {
			tab, err := Open(name, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer tab.(io.Closer).Close()
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, found, err := tab.Lookup("a"); !found || err != nil {
					t.Error(found, err)
					return
				}
				time.Sleep(time.Millisecond) // readers without a pause let no writer in
			}
		})
	}
	for i := range 60 {
		b, err := table.Build("lmdb:"+name, table.Writable)
		if err != nil {
			t.Fatal(err)
		}
		b.Replace("a", fmt.Sprint(i))
		b.Replace(fmt.Sprint("k", i), strings.Repeat("x", 3000))
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	all.Wait()
	check(t, name)
}

// Lookups see changes in the file; only a new file is a change of the table.
func TestChanged(t *testing.T) {
	name := build(t, map[string]string{"a": "1"}, 0)
	tab, err := table.Open("lmdb:"+name, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.(io.Closer).Close()
	b, _ := table.Build("lmdb:"+name, table.Writable)
	b.Replace("a", "2")
	b.Commit()
	if got, _, err := tab.Lookup("a"); got != "2" || err != nil || table.Changed() != "" {
		t.Error(got, err, table.Changed())
	}
	b, _ = table.Build("lmdb:"+name, 0)
	b.Add("a", "3")
	b.Commit()
	if table.Changed() != "lmdb:"+name {
		t.Error("a new file is not seen")
	}
}

func TestMissing(t *testing.T) {
	name := filepath.Join(t.TempDir(), "t")
	if _, err := Open(name, 0); !errors.Is(err, os.ErrNotExist) || !strings.HasSuffix(err.Error(), "No such file or directory") {
		t.Error(err)
	}
	os.WriteFile(name+Suffix, bytes.Repeat([]byte("text\n"), 2000), 0o600)
	if _, err := Open(name, 0); err == nil || !strings.Contains(err.Error(), "ot an LMDB file") {
		t.Error(err)
	}
}

// A damaged file gives an error, and no crash and no endless search.
func TestDamage(t *testing.T) {
	entries := some(rand.New(rand.NewPCG(5, 5)), 300)
	name := build(t, entries, 0)
	b, _ := table.Build("lmdb:"+name, table.Writable)
	for _, key := range slices.Sorted(maps.Keys(entries))[:100] {
		b.Delete(key)
	}
	b.Commit()
	good, _ := os.ReadFile(name + Suffix)
	for at := 0; at < len(good); at += 509 {
		bad := slices.Clone(good)
		for i := at; i < min(at+5, len(bad)); i++ {
			bad[i] ^= 0xff
		}
		os.WriteFile(name+Suffix, bad, 0o600)
		tab, err := Open(name, 0)
		if err != nil {
			continue
		}
		tab.Lookup("key50@example.com")
		for range tab.All() {
		}
		tab.(io.Closer).Close()
		if at%5 > 0 {
			continue // bringing it to disk takes long
		}
		if c, err := table.Build("lmdb:"+name, table.Writable); err == nil {
			for i := range 20 {
				c.Delete(fmt.Sprintf("key%d@example.com", i*13))
				c.Replace(fmt.Sprint("new", i), "x")
			}
			c.Commit()
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	name := filepath.Join(b.TempDir(), "t")
	w, _ := table.Build("lmdb:"+name, 0)
	for i := range 100_000 {
		w.Add(fmt.Sprintf("user%d@example.com", i), "value")
	}
	w.Commit()
	tab, err := Open(name, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		tab.Lookup(fmt.Sprintf("user%d@example.com", i%100_000))
	}
}
