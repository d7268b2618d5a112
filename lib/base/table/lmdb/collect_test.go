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

// Entries come out in the order of their keys, whatever these have in common.
func TestCollection(t *testing.T) {
	var c collection
	want := map[string]string{}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		key := "abcdefghijklmnopqrstuvwxyz"[:random.IntN(27)] + strings.Repeat("x", random.IntN(20)) + strings.Repeat("\x01", random.IntN(3)) + fmt.Sprint(random.IntN(300))
		value := strings.Repeat("v", random.IntN(5))
		_, known := want[key]
		switch random.IntN(4) {
		case 0:
			if c.remove(key) != known {
				t.Fatalf("remove %q: known is %v", key, known)
			}
			delete(want, key)
		case 1:
			c.set(key, value, "\x00", false)
			want[key] = value
		default:
			if c.set(key, value, "\x00", true) == known {
				t.Fatalf("set %q: known is %v", key, known)
			}
			if !known {
				want[key] = value
			}
		}
	}
	var keys []string
	for key, value := range c.sorted() {
		keys = append(keys, key)
		if value != want[strings.TrimSuffix(key, "\x00")]+"\x00" {
			t.Errorf("%q: value %q", key, value)
		}
	}
	if !slices.IsSorted(keys) || len(keys) != len(want) {
		t.Errorf("%d keys, want %d; sorted: %v", len(keys), len(want), slices.IsSorted(keys))
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
	if err := w.Add("user1@domain1.example.com", "x"); err != table.ErrDuplicate {
		t.Errorf("a duplicate: %v", err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (after.HeapAlloc - before.HeapAlloc) / n; each > 120 {
		t.Errorf("%d bytes for an entry", each)
	}
	runtime.KeepAlive(w)
}
