// Package file opens, locks and replaces files that others may touch at the
// same time: careful open, three kinds of lock, and rename that lasts.
package file

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"postrider/lib/base/slack"
)

// An UnsafeError is a file that the careful open refuses, although the system
// would have opened it.
type UnsafeError struct {
	Path   string
	Reason string
}

func (e *UnsafeError) Error() string { return e.Path + ": " + e.Reason }

// Open opens a file in a place where hostile users may create files, links and
// directories. It refuses what is not a regular file or a device-like file, a
// file with several names, and a symbolic link that root did not make in a
// directory where only root can. With O_CREATE in flags, a file that is not
// there is created with mode; it never follows a link to create one.
//
// Reading one's own configuration needs none of this: os.Open does.
func Open(path string, flags int, mode fs.FileMode) (*os.File, error) {
	for tries := 0; ; tries++ {
		f, err := openExisting(path, flags&^(os.O_CREATE|os.O_EXCL|os.O_TRUNC))
		switch {
		case err == nil && flags&os.O_EXCL != 0 && flags&os.O_CREATE != 0:
			f.Close()
			return nil, &fs.PathError{Op: "create", Path: path, Err: syscall.EEXIST}
		case err == nil && flags&os.O_TRUNC != 0:
			if err := f.Truncate(0); err != nil {
				f.Close()
				return nil, err
			}
			return f, nil
		case err == nil || flags&os.O_CREATE == 0 || !errors.Is(err, fs.ErrNotExist):
			return f, err
		}
		f, err = os.OpenFile(path, flags|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, mode)
		if err == nil || tries >= 10 || !errors.Is(err, fs.ErrExist) {
			return f, err
		}
		if dangling(path) {
			return nil, &UnsafeError{path, "symbolic link to a file that does not exist"}
		}
	}
}

func openExisting(path string, flags int) (*os.File, error) {
	// A FIFO without a peer would block the open.
	f, err := os.OpenFile(path, flags|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	if err := check(f, path); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// check compares what was opened with what the name says.
func check(f *os.File, path string) error {
	opened, err := f.Stat()
	if err != nil {
		return err
	}
	named, err := os.Lstat(path)
	if err != nil {
		return err
	}
	switch st := opened.Sys().(*syscall.Stat_t); {
	case opened.IsDir():
		return &fs.PathError{Op: "open", Path: path, Err: syscall.EISDIR}
	case opened.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0:
		return &UnsafeError{path, "not a regular file"}
	case opened.Mode().IsRegular() && st.Nlink != 1:
		return &UnsafeError{path, fmt.Sprintf("file has %d hard links", st.Nlink)}
	case named.Mode()&fs.ModeSymlink != 0:
		return checkLink(path, named)
	case !os.SameFile(opened, named):
		return &UnsafeError{path, "file was replaced while it was opened"}
	}
	return nil
}

// checkLink accepts a symbolic link that is root's, in a directory that only
// root can write.
func checkLink(path string, link fs.FileInfo) error {
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	if Owner(link) == 0 && Owner(dir) == 0 && dir.Mode().Perm()&0o022 == 0 {
		return nil
	}
	return &UnsafeError{path, "file is a symbolic link"}
}

func dangling(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return false
	}
	_, err = os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// Owner returns the user who owns a file.
func Owner(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

// Group returns the group of a file.
func Group(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Gid) }

// Tries says how long to try to get a lock: the parameters deliver_lock_attempts
// and deliver_lock_delay. All attempts together take Attempts times Delay.
type Tries struct {
	Attempts int
	Delay    time.Duration // longest wait between two tries
	Stale    time.Duration // age from which a dotlock is taken away; 0 means never
}

// firstNap is how long a mailbox is locked for one message, about.
const firstNap = time.Millisecond

// each calls try until it succeeds, fails for good, or the time is used up. The
// first waits are short and grow, for most locks are held for an instant.
func (t Tries) each(try func() (busy bool, err error)) error {
	nap := min(firstNap, t.Delay)
	for left := time.Duration(t.Attempts-1) * t.Delay; ; {
		busy, err := try()
		if !busy || left <= 0 {
			return err
		}
		pause := min(nap/2+rand.N(nap+1), left) // rivals do not meet again
		slack.Sleep(pause)
		left -= pause
		nap = min(2*nap, t.Delay)
	}
}
