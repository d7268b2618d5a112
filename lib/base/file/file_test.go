package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	os.Chmod(dir, 0o777)
	path := func(name string) string { return filepath.Join(dir, name) }
	write(t, path("plain"), "text")
	write(t, path("twice"), "")
	os.Link(path("twice"), path("again"))
	os.Symlink("plain", path("link"))
	os.Symlink("nothing", path("dangling"))
	syscall.Mkfifo(path("fifo"), 0o600)

	for _, name := range []string{"twice", "link", "fifo"} {
		var unsafe *UnsafeError
		if f, err := Open(path(name), os.O_RDONLY, 0); !errors.As(err, &unsafe) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	if _, err := Open(path("dangling"), os.O_WRONLY|os.O_CREATE, 0o600); err == nil {
		t.Error("a link to nothing was followed")
	}
	if _, err := os.Stat(path("nothing")); err == nil {
		t.Error("a file was created through a link")
	}
	if _, err := Open(path("plain"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	if _, err := Open(path("none"), os.O_RDONLY, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if f, err := Open(path("new"), os.O_WRONLY|os.O_CREATE, 0o600); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
	if f, err := Open(path("plain"), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		t.Error(err)
	} else if info, _ := f.Stat(); info.Size() != 0 {
		t.Error("not truncated")
	}
}

// Root's own link in root's directory is good: /var/mail/joe may be one.
func TestOpenRootLink(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	dir := t.TempDir()
	os.Chmod(dir, 0o755)
	write(t, dir+"/plain", "")
	os.Symlink("plain", dir+"/link")
	f, err := Open(dir+"/link", os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

func TestLocks(t *testing.T) {
	for _, kind := range []Kind{Flock, Fcntl} {
		name := filepath.Join(t.TempDir(), "f")
		write(t, name, "")
		a, b := reopen(t, name), reopen(t, name)
		if err := Lock(a, kind, Exclusive); err != nil {
			t.Fatal(err)
		}
		if err := TryLock(b, kind, Shared); !errors.Is(err, ErrLocked) {
			t.Fatal(kind, err)
		}
		if err := LockTries(b, kind, Shared, Tries{Attempts: 2, Delay: time.Millisecond}); !errors.Is(err, ErrLocked) {
			t.Fatal(kind, err)
		}
		reopen(t, name).Close() // must not end the lock
		if err := TryLock(b, kind, Exclusive); !errors.Is(err, ErrLocked) {
			t.Fatal("closing another descriptor ended the lock")
		}
		if err := Unlock(a, kind); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(TryLock(a, kind, Shared), TryLock(b, kind, Shared)); err != nil {
			t.Fatal(kind, err)
		}
	}
}

func TestDotLock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "box")
	unlock, err := DotLock(name, Tries{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DotLock(name, Tries{Attempts: 3, Delay: time.Millisecond, Stale: time.Hour}); !errors.Is(err, ErrLocked) {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * time.Hour)
	os.Chtimes(name+".lock", old, old)
	if _, err := DotLock(name, Tries{Attempts: 3, Delay: time.Millisecond, Stale: time.Hour}); err != nil {
		t.Fatal("stale lock stays:", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := DotLock(name+"/none", Tries{Attempts: 1000, Delay: time.Hour}); errors.Is(err, ErrLocked) || err == nil {
		t.Fatal(err)
	}
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	put := func(s string, err error) error {
		return Replace(name, 0o640, func(w io.Writer) error { fmt.Fprint(w, s); return err })
	}
	if err := put("one", nil); err != nil {
		t.Fatal(err)
	}
	os.Chmod(name, 0o604)
	if err := put("two", nil); err != nil {
		t.Fatal(err)
	}
	if err := put("three", errors.New("no")); err == nil {
		t.Fatal("no error")
	}
	data, _ := os.ReadFile(name)
	info, _ := os.Stat(name)
	names, _ := os.ReadDir(dir)
	if string(data) != "two" || info.Mode().Perm() != 0o604 || len(names) != 1 {
		t.Fatalf("%q %v %v", data, info.Mode(), names)
	}
}

func TestKinds(t *testing.T) {
	if kinds, err := Kinds("fcntl, dotlock"); err != nil || len(kinds) != 2 || kinds[0] != Fcntl || kinds[1] != Dotlock {
		t.Error(kinds, err)
	}
	if _, err := Kinds("flok"); err == nil {
		t.Error("no error")
	}
}

func write(t *testing.T, name, data string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func reopen(t *testing.T, name string) *os.File {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
