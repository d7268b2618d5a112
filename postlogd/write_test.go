package main

import (
	"os"
	"path/filepath"
	"testing"
)

// S6.4: one line for each packet, whatever is in it.
func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	logFile = f
	defer func() { logFile = nil }()
	for _, line := range []string{"one", "two\nthree\n", "tab\tbell\a", "grüße", ""} {
		add([]byte(line))
	}
	if info, _ := f.Stat(); info.Size() != 0 {
		t.Error("lines are written one by one")
	}
	write()
	add([]byte("last"))
	write()
	got, err := os.ReadFile(path)
	if want := "one\ntwo?three\ntab\tbell?\ngrüße\n\nlast\n"; err != nil || string(got) != want {
		t.Errorf("got %q, want %q (%v)", got, want, err)
	}
}
