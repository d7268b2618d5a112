package main

import (
	"os"
	"path/filepath"
	"testing"
)

// A process that is told to end removes its unfinished file, and then reports no
// success for it; a file of which success was reported stays. S1.2.
func TestLeftover(t *testing.T) {
	path := filepath.Join(t.TempDir(), "A1")
	os.WriteFile(path, nil, 0o600)
	var l leftover
	l.set(path)
	l.set("")
	l.remove()
	if _, err := os.Stat(path); err != nil {
		t.Error("a finished file was removed")
	}
	l = leftover{path: path}
	l.remove()
	if _, err := os.Stat(path); err == nil {
		t.Error("an unfinished file stays")
	}
	if l.TryLock() {
		t.Error("the message may still be reported as taken")
	}
}
