package asuser

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
}

// Files made inside belong to the user, files made elsewhere at the same time
// to root. S2.7.
func TestManyAtOnce(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	os.Chmod(dir, 0o777)
	for d := dir; d != "/"; d = filepath.Dir(d) {
		if fi, err := os.Stat(d); err == nil {
			os.Chmod(d, fi.Mode()|0o111)
		}
	}
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 200 {
				want := uint32(0)
				name := filepath.Join(dir, fmt.Sprintf("%d.%d", n, i))
				create := func() error { return os.WriteFile(name, nil, 0o600) }
				var err error
				if n%2 == 0 {
					want = uint32(60000 + n)
					err = Do(User{UID: 60000 + n, GID: 60000}, create)
				} else {
					err = create()
				}
				var st syscall.Stat_t
				if err == nil {
					err = syscall.Stat(name, &st)
				}
				if err != nil || st.Uid != want {
					t.Errorf("%s: owner %d, want %d, %v", name, st.Uid, want, err)
					return
				}
			}
		}()
	}
	wg.Wait()
}

func TestNested(t *testing.T) {
	needRoot(t)
	var seen []string
	note := func() {
		u, _ := current()
		seen = append(seen, fmt.Sprint(u.UID, u.GID, u.Groups))
	}
	err := Do(User{UID: 60001, GID: 60002, Groups: []int{60002, 60003}}, func() error {
		note()
		if err := Do(Root, func() error { note(); return nil }); err != nil {
			return err
		}
		note()
		return nil
	})
	want := "[60001 60002 [60002 60003] 0 0 [0] 60001 60002 [60002 60003]]"
	if got := fmt.Sprint(seen); got != want || err != nil {
		t.Errorf("got %s %v\nwant %s", got, err, want)
	}
}

// A panic inside must not leave the thread with foreign rights.
func TestPanicInside(t *testing.T) {
	needRoot(t)
	func() {
		defer func() { recover() }()
		Do(User{UID: 60001, GID: 60001}, func() error { panic("x") })
	}()
	entries, _ := os.ReadDir("/proc/self/task")
	for _, e := range entries {
		var st syscall.Stat_t
		if syscall.Stat("/proc/self/task/"+e.Name()+"/status", &st) == nil && st.Uid != 0 {
			t.Errorf("thread %s belongs to %d", e.Name(), st.Uid)
		}
	}
}

func TestError(t *testing.T) {
	wrong := errors.New("wrong")
	u := User{UID: os.Geteuid(), GID: os.Getegid()}
	if err := Do(u, func() error { return wrong }); err != wrong {
		t.Errorf("got %v", err)
	}
	if os.Getuid() != 0 {
		called := false
		err := Do(Root, func() error { called = true; return nil })
		if !errors.Is(err, syscall.EPERM) || called {
			t.Errorf("got %v, called %v", err, called)
		}
	}
}
