package mailbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"postrider/lib/base/asuser"
	"postrider/lib/base/file"
	"postrider/lib/base/msg"
	"postrider/lib/mail/dsn"
)

// A Box says how to append to a mailbox file.
type Box struct {
	Path  string
	User  asuser.User // with whose rights it is written
	Spool asuser.User // with whose rights it and its lock file are created
	Chown bool        // a new file is given to User; Spool is root then
	Kinds []file.Kind // of locks to take
	Tries file.Tries

	// LockMayFail says that a lock file which cannot be created for lack of
	// rights is done without: not all directories are mail spools.
	LockMayFail bool

	// Status is the code for trouble of no special kind; 5.2.0 when empty.
	Status dsn.Status

	// Check, when not nil, may refuse the file once it is open.
	Check func(fs.FileInfo) *Trouble
}

// Append writes a message to the end of the mailbox, under all its locks, and
// returns when it is on disk. It returns the size that the file had before.
// What was written is taken back when writing fails. The error is a *Trouble,
// or a *SourceError.
func (b Box) Append(write func(w io.Writer) error) (offset int64, err error) {
	offset, err = b.append(write)
	var t *Trouble
	var s *SourceError
	switch {
	case err == nil || errors.As(err, &s):
		return offset, err
	case !errors.As(err, &t):
		t = trouble(err, "%s", Words(err))
	}
	t.orElse(b.Status)
	return offset, t
}

func (b Box) append(write func(w io.Writer) error) (offset int64, err error) {
	unlock, err := b.dotLock()
	if err != nil {
		return 0, err
	}
	defer unlock()
	f, created, err := b.open()
	if err != nil {
		return 0, err
	}
	err = asuser.Do(b.User, func() error {
		defer f.Close()
		offset, err = b.writeTo(f, write)
		return err
	})
	if err == nil && created {
		b.syncDirectory()
	}
	return offset, err
}

// dotLock creates the lock file, when one is wanted and the mailbox is or will
// be a regular file.
func (b Box) dotLock() (unlock func(), err error) {
	none := func() {}
	if !b.wants(file.Dotlock) {
		return none, nil
	}
	var release func() error
	err = asuser.Do(b.Spool, func() error {
		if info, err := os.Stat(b.Path); err == nil && !info.Mode().IsRegular() {
			return nil
		}
		var err error
		release, err = file.DotLock(b.Path, b.Tries)
		return err
	})
	lock := b.Path + ".lock"
	switch {
	case err == nil && release == nil:
		return none, nil
	case err == nil:
		return func() { asuser.Do(b.Spool, release) }, nil
	case errors.Is(err, file.ErrLocked):
		return none, &Trouble{"4.2.0", fmt.Sprintf("unable to create lock file %s: File exists", lock), err}
	case b.LockMayFail:
		msg.Warn("unable to create lock file %s: %s", lock, Words(err))
		return none, nil
	}
	return none, trouble(err, "unable to create lock file %s: %s", lock, Words(err))
}

func (b Box) wants(kind file.Kind) bool {
	for _, k := range b.Kinds {
		if k == kind {
			return true
		}
	}
	return false
}

// open opens the mailbox, and creates it when it is not there.
func (b Box) open() (f *os.File, created bool, err error) {
	err = asuser.Do(b.Spool, func() error {
		_, err := os.Lstat(b.Path)
		created = errors.Is(err, fs.ErrNotExist)
		f, err = file.Open(b.Path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err == nil && created && b.Chown {
			err = f.Chown(b.User.UID, b.User.GID)
		}
		return err
	})
	var unsafe *file.UnsafeError
	switch {
	case err == nil:
		return f, created, nil
	case errors.As(err, &unsafe):
		err = &Trouble{general, unsafe.Reason, err}
	case created:
		err = trouble(err, "cannot create file exclusively: %s", Words(err))
	default:
		err = trouble(err, "cannot open file: %s", Words(err))
	}
	if f != nil {
		f.Close()
	}
	return nil, false, err
}

// writeTo appends to an open file. Only regular files can be locked, checked
// and cut back.
func (b Box) writeTo(f *os.File, write func(io.Writer) error) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, trouble(err, "%s", Words(err))
	}
	if b.Check != nil {
		if t := b.Check(info); t != nil {
			return 0, t
		}
	}
	if !info.Mode().IsRegular() {
		return 0, failed(write(f))
	}
	for _, kind := range b.Kinds {
		if kind == file.Dotlock {
			continue
		}
		if err := file.LockTries(f, kind, file.Exclusive, b.Tries); err != nil {
			return 0, lockTrouble(err)
		}
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, trouble(err, "seek mailbox file %s: %s", b.Path, Words(err))
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		if e := f.Truncate(end); e != nil {
			msg.Warn("%s: cannot take back a part of a message: %v", b.Path, e)
		}
		return end, failed(err)
	}
	return end, nil
}

func lockTrouble(err error) error {
	if errors.Is(err, file.ErrLocked) {
		return &Trouble{"4.2.0", "unable to lock for exclusive access: Resource temporarily unavailable", err}
	}
	return trouble(err, "unable to lock for exclusive access: %s", Words(err))
}

// failed tells trouble with the queue file from trouble with the destination.
func failed(err error) error {
	var s *SourceError
	if err == nil || errors.As(err, &s) {
		return err
	}
	return trouble(err, "error writing message: %s", Words(err))
}

// syncDirectory makes the name of a new mailbox last. A spool directory that
// cannot be opened for reading is no reason to deliver twice.
func (b Box) syncDirectory() {
	err := asuser.Do(b.Spool, func() error { return file.SyncDir(filepath.Dir(b.Path)) })
	if err != nil && !errors.Is(err, syscall.EACCES) && !errors.Is(err, syscall.EPERM) {
		msg.Warn("%s: %v", filepath.Dir(b.Path), err)
	}
}
