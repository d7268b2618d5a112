package lmdb

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"postrider/lib/base/table"
)

// Entries come out in the order of their keys, whatever these have in common, in
// one piece and in many.
func TestCollection(t *testing.T) {
	for _, size := range []int{5, 500} {
		testCollection(t, strings.Repeat("v", size))
	}
}

func testCollection(t *testing.T, filler string) {
	var c collection
	want, twice := map[string]string{}, 0
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 20000 {
		key := "abcdefghijklmnopqrstuvwxyz"[:random.IntN(27)] + strings.Repeat("x", random.IntN(20)) + strings.Repeat("\x01", random.IntN(3)) + fmt.Sprint(random.IntN(300))
		value := fmt.Sprint(n) + filler
		_, known := want[key]
		switch random.IntN(400) {
		case 0:
			if c.remove(key) != known {
				t.Fatalf("remove %q: known is %v", key, known)
			}
			delete(want, key)
		case 1, 2, 3, 4, 5, 6, 7, 8, 9, 10:
			c.set(key, value, "\x00", false)
			want[key] = value
		default:
			err := c.set(key, value, "\x00", true)
			switch {
			case !known && err != nil:
				t.Fatalf("set %q: %v", key, err)
			case !known:
				want[key] = value
			case err == nil:
				twice++
			}
		}
	}
	var keys []string
	late := 0
	for e := range merged(c.finish(), func(uint32, []byte) { late++ }) {
		keys = append(keys, string(e.key))
		if string(e.value) != want[string(e.bare())]+"\x00" {
			t.Errorf("%q: value %q", e.key, e.value)
		}
	}
	if !slices.IsSorted(keys) || len(keys) != len(want) {
		t.Errorf("%d keys, want %d; sorted: %v", len(keys), len(want), slices.IsSorted(keys))
	}
	if late != twice {
		t.Errorf("%d late duplicates, want %d", late, twice)
	}
}

// A table whose source is in order is one run after the other; duplicates are told
// in the order in which they came; an entry without NUL takes the place of one with.
func TestLateDuplicates(t *testing.T) {
	for _, order := range []string{"up", "down"} {
		w, err := newBuilder(filepath.Join(t.TempDir(), "x.lmdb"), 0)
		if err != nil {
			t.Fatal(err)
		}
		const n = 50000
		for i := range n {
			if order == "down" {
				i = n - i
			}
			w.Add(fmt.Sprintf("key%06d", i), strings.Repeat("v", 100))
		}
		var late []string
		for _, key := range []string{"key000200", "key000100", "key040000"} {
			if err := w.Add(key, "x"); err == table.ErrDuplicate {
				late = append(late, key)
			}
		}
		w.(table.LateBuilder).OnDuplicate(func(key string) { late = append(late, key) })
		if found, err := w.Delete("key000300"); !found || err != nil {
			t.Error(found, err)
		}
		if found, _ := w.Delete("key000300"); found {
			t.Error("found after it was removed")
		}
		w.(*builder).AddPlain("key000300", "plain")
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(late) != "[key000200 key000100 key040000]" {
			t.Errorf("%s: duplicates %q", order, late)
		}
		tab, err := open(strings.TrimSuffix(w.Path(), Suffix), 0)
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for range tab.(table.Sequencer).All() {
			count++
		}
		if count != n {
			t.Errorf("%d entries", count)
		}
		if value, _, err := tab.Lookup("key000300"); value != "plain" || err != nil {
			t.Errorf("%q, %v", value, err)
		}
	}
}

// A table of a million lines is made in less than 200 MB, with the garbage between
// two collections.
func TestMemory(t *testing.T) {
	w, err := newBuilder(filepath.Join(t.TempDir(), "x.lmdb"), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	const n = 200000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		if err := w.Add(fmt.Sprintf("user%d@domain%d.example.com", i, i%5000), fmt.Sprintf("mailbox%d@store.example.net", i)); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (after.HeapAlloc - before.HeapAlloc) / n; each > 120 {
		t.Errorf("%d bytes for an entry", each)
	}
	runtime.KeepAlive(w)
}
