package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/text"
)

// A Kind is how a file can be locked.
type Kind int

const (
	Flock   Kind = iota // flock(2), on the open file: what the suite uses for its own files
	Fcntl               // fcntl(2) record lock of the whole file, held by the open file, not the process
	Dotlock             // a file with ".lock" behind its name
)

// A Mode is what a lock allows others to do.
type Mode int

const (
	Shared Mode = iota // others can have a shared lock too
	Exclusive
)

// ErrLocked is a lock that somebody else holds.
var ErrLocked = errors.New("file is locked by another process")

// Lock locks an open file and waits until that is possible. The lock ends with
// the last descriptor of the open file.
func Lock(f *os.File, kind Kind, mode Mode) error { return lock(f, kind, mode, true) }

// TryLock is like Lock but does not wait: it gives ErrLocked when somebody else
// holds the lock.
func TryLock(f *os.File, kind Kind, mode Mode) error { return lock(f, kind, mode, false) }

// LockTries is TryLock several times.
func LockTries(f *os.File, kind Kind, mode Mode, tries Tries) error {
	return tries.each(func() (bool, error) {
		err := TryLock(f, kind, mode)
		return errors.Is(err, ErrLocked), err
	})
}

// Unlock ends a lock before the file is closed.
func Unlock(f *os.File, kind Kind) error {
	return control(f, func(fd int) error {
		if kind == Flock {
			return unix.Flock(fd, unix.LOCK_UN)
		}
		return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_UNLCK, Whence: io.SeekStart})
	})
}

func lock(f *os.File, kind Kind, mode Mode, wait bool) error {
	err := control(f, func(fd int) error {
		if kind == Fcntl {
			return fcntl(fd, mode, wait)
		}
		return flock(fd, mode, wait)
	})
	if err == syscall.EAGAIN || err == syscall.EACCES {
		return fmt.Errorf("lock %s: %w", f.Name(), ErrLocked)
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return nil
}

func flock(fd int, mode Mode, wait bool) error {
	how := unix.LOCK_SH
	if mode == Exclusive {
		how = unix.LOCK_EX
	}
	if !wait {
		how |= unix.LOCK_NB
	}
	return unix.Flock(fd, how)
}

// fcntl takes a lock of the open file description. It excludes the locks of
// processes, and unlike those it is not lost when some other descriptor of the
// same file is closed.
func fcntl(fd int, mode Mode, wait bool) error {
	how := unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart}
	if mode == Exclusive {
		how.Type = unix.F_WRLCK
	}
	op := unix.F_OFD_SETLK
	if wait {
		op = unix.F_OFD_SETLKW
	}
	return unix.FcntlFlock(uintptr(fd), op, &how)
}

// Claim opens and locks a file that others may rename, replace or remove. What
// it waited for may be another file by then than the one that stat, which looks
// at the name, finds; then it begins again.
func Claim(open func() (*os.File, error), stat func() (fs.FileInfo, error), lock func(*os.File) error) (*os.File, error) {
	for {
		f, err := open()
		if err != nil {
			return nil, err
		}
		err = lock(f)
		if err != nil {
			f.Close()
			return nil, err
		}
		opened, err := f.Stat()
		if err == nil {
			var named fs.FileInfo
			if named, err = stat(); err == nil && os.SameFile(opened, named) {
				return f, nil
			}
		}
		f.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

// control runs a system call on the descriptor of f and repeats it when a
// signal interrupts it. It leaves f in the mode that it is in.
func control(f *os.File, call func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = conn.Control(func(fd uintptr) {
		for {
			if result = call(int(fd)); result != syscall.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return result
}

// DotLock creates path.lock, which tells programs that do not use the other
// kinds of lock to stay away. It returns what ends the lock. A lock file that is
// older than tries.Stale was left by somebody who died, and is removed. When
// somebody holds the lock until the end, the error is ErrLocked.
func DotLock(path string, tries Tries) (unlock func() error, err error) {
	name := path + ".lock"
	err = tries.each(func() (bool, error) {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0)
		if err == nil {
			return false, f.Close()
		}
		if !errors.Is(err, fs.ErrExist) {
			return false, err
		}
		if stale(name, tries.Stale) {
			os.Remove(name)
		}
		return true, fmt.Errorf("unable to create lock file %s: %w", name, ErrLocked)
	})
	if err != nil {
		return nil, err
	}
	return func() error { return os.Remove(name) }, nil
}

func stale(name string, age time.Duration) bool {
	info, err := os.Lstat(name)
	return err == nil && age > 0 && time.Since(info.ModTime()) > age
}

// Kinds reads a list of locks, as in the parameter mailbox_delivery_lock:
// "fcntl, dotlock".
func Kinds(list string) ([]Kind, error) {
	var kinds []Kind
	for _, name := range text.Split(list) {
		switch name {
		case "flock":
			kinds = append(kinds, Flock)
		case "fcntl":
			kinds = append(kinds, Fcntl)
		case "dotlock":
			kinds = append(kinds, Dotlock)
		default:
			return nil, fmt.Errorf("unknown mailbox_delivery_lock value %q in %q", name, list)
		}
	}
	return kinds, nil
}
