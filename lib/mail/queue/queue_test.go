package queue

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"
)

func inQueue(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range []Name{Maildrop, Incoming, Active, Deferred, Defer, Hold} {
		if err := os.Mkdir(string(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	Configure(Params{HashQueueNames: "deferred, defer", HashQueueDepth: 1})
}

func TestID(t *testing.T) {
	at := time.Unix(1795215885, 770869000)
	if id := MakeID(at, 0x99072E, false); id != "BC33599072E" {
		t.Error(id)
	}
	long := MakeID(at, 0x99072E, true)
	if !LongID(long) || !ValidID(long) {
		t.Error(long)
	}
	if inode, ok := Inode(long); !ok || inode != 0x99072E {
		t.Error(inode, ok)
	}
	if created, ok := Created(long); !ok || !created.Equal(at) {
		t.Error(created, ok)
	}
	if hashKey(long) != "BC335" {
		t.Error(hashKey(long))
	}
	for _, bad := range []string{"", "1.2", "a/b", "ä", string(make([]byte, 300))} {
		if ValidID(bad) {
			t.Errorf("%q is valid", bad)
		}
	}
}

// S1.6, S1.4: a file is nobody's business until it is committed.
func TestLife(t *testing.T) {
	inQueue(t)
	f, err := Create(Incoming, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Stat(Incoming, f.ID); !errors.Is(err, ErrNotReady) {
		t.Fatal(err)
	}
	f.Write([]byte("R\x01x"))
	if err := f.Commit(ModeReady); err != nil {
		t.Fatal(err)
	}
	if err := f.MarkDone(0); err != nil {
		t.Fatal(err)
	}
	for _, step := range [][2]Name{{Incoming, Active}, {Active, Deferred}, {Deferred, Hold}} {
		if err := Rename(f.ID, step[0], step[1]); err != nil {
			t.Fatal(err)
		}
		if name, _, err := Find(f.ID); err != nil || name != step[1] {
			t.Fatal(name, err)
		}
	}
	g, err := Open(Hold, f.ID)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if n, _ := g.ReadAt(b, 0); string(b[:n]) != "D\x01x" {
		t.Errorf("%q", b[:n])
	}
	if ok, _ := g.Lock(true); !ok {
		t.Error("no lock")
	}
	if ok, _ := f.Lock(false); ok {
		t.Error("lock beside an exclusive one")
	}
	if err := Remove(Hold, f.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Find(f.ID); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// A change of hash settings needs no conversion: scans enter all directories.
func TestScan(t *testing.T) {
	inQueue(t)
	var want []string
	for _, path := range []string{"ABC1", "B/BBBB", "C/D/CDEF", "_/_/x", "Q"} {
		os.MkdirAll("deferred/"+path[:max(0, len(path)-len(last(path))-1)], 0o700)
		os.WriteFile("deferred/"+path, nil, 0o700)
		want = append(want, last(path))
	}
	os.WriteFile("deferred/123.45", nil, 0o600)
	os.MkdirAll("deferred/LONG/x", 0o700)
	var got []string
	for id, err := range Deferred.Scan() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, id)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for range 300 {
		f, err := Create(Deferred, 1)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	n := 0
	for range Deferred.Scan() {
		n++
	}
	if n != 305 {
		t.Errorf("%d files", n)
	}
}

func last(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[i+1:]
		}
	}
	return path
}
