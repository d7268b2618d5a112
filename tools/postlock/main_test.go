package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"postrider/lib/base/file"
)

func locked(t *testing.T, path string, kind file.Kind) bool {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err = file.TryLock(f, kind, file.Exclusive)
	if err != nil && !errors.Is(err, file.ErrLocked) {
		t.Fatal(err)
	}
	return err != nil
}

// S4.5.4: all locks of the list are held, and gone afterwards.
func TestLock(t *testing.T) {
	conf.DeliverLockAttempts = 1
	path := filepath.Join(t.TempDir(), "mbox")
	unlock, err := lock(path, "fcntl, dotlock, flock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".lock"); err != nil {
		t.Error(err)
	}
	if !locked(t, path, file.Flock) || !locked(t, path, file.Fcntl) {
		t.Error("file is not locked")
	}
	if _, err := lock(path, "flock"); !errors.Is(err, file.ErrLocked) {
		t.Errorf("second lock: %v", err)
	}
	unlock()
	if _, err := os.Stat(path + ".lock"); !os.IsNotExist(err) {
		t.Errorf("lock file: %v", err)
	}
	if locked(t, path, file.Flock) || locked(t, path, file.Fcntl) {
		t.Error("file is still locked")
	}
	if _, err := lock(path, "nolock"); err == nil {
		t.Error("unknown lock accepted")
	}
}

func TestStatus(t *testing.T) {
	conf.ForkAttempts = 1
	for _, test := range []struct {
		words []string
		want  int
	}{
		{[]string{"true"}, 0},
		{[]string{"sh", "-c", "exit 7"}, 7},
		{[]string{"sh", "-c", "kill -9 $$"}, 1},
	} {
		status, err := run(test.words)
		if err != nil || status != test.want {
			t.Errorf("%v: %d, %v, want %d", test.words, status, err, test.want)
		}
	}
	if _, err := run([]string{"/no/such/command"}); err == nil {
		t.Error("missing command: no error")
	}
}
