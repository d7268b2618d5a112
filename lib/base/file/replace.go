package file

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Rename gives an open file a new name, in place of what had that name before,
// and makes both the contents and the name survive a crash: file to disk,
// rename, directory to disk. The file stays open.
func Rename(f *os.File, name string) error {
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(name))
}

// SyncDir makes changes of names in a directory survive a crash.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems cannot sync a directory and need not.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}

// Replace writes a file anew: readers see the old contents or the new, even
// after a crash. A file that exists keeps its owner and mode, a new one gets
// perm. When write fails the old file stays. The link is kept when name is a
// symbolic link to a file.
func Replace(name string, perm fs.FileMode, write func(w io.Writer) error) (err error) {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
		f.Close()
	}()
	w := bufio.NewWriter(f)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := sameRights(f, name, perm); err != nil {
		return err
	}
	return Rename(f, name)
}

// sameRights gives f owner, group and mode of the file name, or perm when there
// is no such file.
func sameRights(f *os.File, name string, perm fs.FileMode) error {
	old, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.Chmod(perm)
	case err != nil:
		return err
	}
	now, err := f.Stat()
	if err != nil {
		return err
	}
	if Owner(old) != Owner(now) || Group(old) != Group(now) {
		if err := f.Chown(Owner(old), Group(old)); err != nil {
			return fmt.Errorf("keep the owner of %s: %w", name, err)
		}
	}
	return f.Chmod(old.Mode().Perm())
}
