package main

import (
	"fmt"
	"os"
	"syscall"

	"postrider/lib/base/file"
	"postrider/lib/mail/dsnlog"
	"postrider/lib/mail/queue"
)

// appendEntry adds an entry to the log of a message, and waits until it is on
// disk: the caller will forget the recipient.
func appendEntry(name queue.Name, id string, e dsnlog.Entry) error {
	f, err := openLog(name, id)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	_, err = f.Write(e.AppendTo(nil, conf.BackwardsLogfileCompatibility))
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		f.Truncate(info.Size())
		return fmt.Errorf("append to %s: %w", f.Name(), err)
	}
	return nil
}

// openLog opens and locks a log. Somebody may mail and remove the log while we
// wait for the lock; then there is a new one to be made.
func openLog(name queue.Name, id string) (*os.File, error) {
	path := queue.Path(name, id)
	tries := file.Tries{Attempts: conf.DeliverLockAttempts, Delay: conf.DeliverLockDelay}
	for {
		const flags = os.O_WRONLY | os.O_APPEND | os.O_CREATE | syscall.O_NOFOLLOW
		f, err := os.OpenFile(path, flags, 0o600)
		if os.IsNotExist(err) && queue.MakeDirectories(name, id) == nil {
			f, err = os.OpenFile(path, flags, 0o600)
		}
		if err != nil {
			return nil, err
		}
		if err := file.LockTries(f, file.Flock, file.Exclusive, tries); err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		opened, err1 := f.Stat()
		named, err2 := os.Lstat(path)
		if err1 == nil && err2 == nil && os.SameFile(opened, named) {
			return f, nil
		}
		f.Close()
	}
}

// removeLog deletes a log. One that is not there is no trouble.
func removeLog(name queue.Name, id string) error {
	err := queue.Remove(name, id)
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
