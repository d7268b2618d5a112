package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"postrider/lib/base/file"
	"postrider/lib/base/msg"
)

// mayGo ends the program when the instance runs or has mail.
func (i *instance) mayGo() {
	if i.running() {
		msg.Fatal("Instance '%s' is not stopped", i.dir)
	}
	for _, queue := range []string{"maildrop", "incoming", "active", "deferred", "hold", "corrupt"} {
		err := filepath.WalkDir(filepath.Join(i.QueueDirectory, queue), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				msg.Fatal("Instance '%s' has mail in its queue: %s", i.dir, path)
			}
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
			return err
		})
		if err != nil {
			msg.Fatal("Instance '%s': %v", i.dir, err)
		}
	}
}

// running reports whether master(8) of the instance holds its lock.
func (i *instance) running() bool {
	f, err := os.OpenFile(filepath.Join(i.QueueDirectory, i.settings.Value("process_id_directory"), "master.pid"), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(file.TryLock(f, file.Flock, file.Exclusive), file.ErrLocked)
}

// made are the directories of a queue; what they hold while the instance is
// stopped and has no mail are sockets, locks and logs of mail that is gone.
var made = []string{
	"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "pid", "private", "public", "saved", "trace",
}

// clear removes what the mail system has made for the instance. Whatever else
// is there stays.
func (i *instance) clear() {
	for _, dir := range made {
		clearDirectory(filepath.Join(i.QueueDirectory, dir), dir == "saved")
	}
	os.Remove(filepath.Join(i.QueueDirectory, "quick-start"))
	for _, name := range []string{"master.lock", "prng_exch"} {
		os.Remove(filepath.Join(i.DataDirectory, name))
	}
	for _, name := range []string{"main.cf", "master.cf"} {
		if err := os.Remove(filepath.Join(i.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			msg.Warn("%v", err)
		}
	}
	for _, dir := range []string{i.QueueDirectory, i.DataDirectory, i.dir} {
		removeEmpty(dir)
	}
}

// clearDirectory removes a directory of the queue. Files of a kind that is not
// the mail system's own stay, and with keep all.
func clearDirectory(dir string, keep bool) {
	var dirs []string
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case d.IsDir():
			dirs = append(dirs, path)
		case keep:
		case d.Type().IsRegular() || d.Type()&(fs.ModeSocket|fs.ModeNamedPipe) != 0:
			os.Remove(path)
		}
		return nil
	})
	slices.Reverse(dirs)
	for _, path := range dirs {
		removeEmpty(path)
	}
}

// removeEmpty removes a directory, or says that something else is in it.
func removeEmpty(dir string) {
	err := syscall.Rmdir(dir)
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, fs.ErrExist):
		msg.Warn("%s: please verify contents and remove by hand", dir)
	default:
		msg.Warn("remove %s: %v", dir, err)
	}
}
