package tlsmgr

import (
	"testing"
	"time"
)

// A key is for new tickets for half of a session's life, and opens them for the
// other half.
func TestRing(t *testing.T) {
	r, now := NewRing(time.Hour), time.Unix(1_800_000_000, 0)
	if _, ok := r.Current(now); ok {
		t.Error("a key before there was one")
	}
	first := r.Renew(now)
	check := func(about string, at time.Time, current *Key, finds bool) {
		t.Helper()
		got, ok := r.Current(at)
		if ok != (current != nil) || ok && got != *current {
			t.Errorf("%s: current %v %x", about, ok, got.Name)
		}
		if got, ok := r.Find(first.Name[:], at); ok != finds || ok && got != first {
			t.Errorf("%s: found %v", about, ok)
		}
	}
	check("new", now, &first, true)
	check("after a while", now.Add(29*time.Minute), &first, true)
	check("after half of the time", now.Add(30*time.Minute), nil, true)
	second := r.Renew(now.Add(30 * time.Minute))
	check("with a second one", now.Add(30*time.Minute), &second, true)
	check("almost over", now.Add(59*time.Minute), &second, true)
	check("over", now.Add(60*time.Minute), nil, false)
	r.Add(first)
	check("added again", now.Add(40*time.Minute), &second, true)
	third := Key{Name: [16]byte{3}, Expires: now}
	r.Add(third) // older than both: it opens tickets, and is not for new ones
	if got, _ := r.Current(now.Add(40 * time.Minute)); got != second {
		t.Error("an old key is for new tickets")
	}
}

// The structure is that of the C program: 16, 32, 32 bytes and a 64-bit time.
func TestKeyBytes(t *testing.T) {
	k := newKey(time.Unix(1_800_000_000, 0))
	b := k.Bytes()
	if len(b) != 88 || string(b[:16]) != string(k.Name[:]) || string(b[16:48]) != string(k.Cipher[:]) || string(b[48:80]) != string(k.MAC[:]) {
		t.Errorf("%d bytes: %x", len(b), b)
	}
	if got, err := ParseKey(b); err != nil || got != k {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range [][]byte{nil, b[:87], append(b, 0)} {
		if _, err := ParseKey(bad); err == nil {
			t.Errorf("%d bytes are a key", len(bad))
		}
	}
}
