package main

import (
	"fmt"
	"os"

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

// openLog opens and locks a log.
func openLog(name queue.Name, id string) (*os.File, error) {
	tries := file.Tries{Attempts: conf.DeliverLockAttempts, Delay: conf.DeliverLockDelay}
	return queue.OpenLog(name, id, os.O_WRONLY|os.O_APPEND|os.O_CREATE, func(f *os.File) error {
		return file.LockTries(f, file.Flock, file.Exclusive, tries)
	})
}

// removeLog deletes a log. One that is not there is no trouble.
func removeLog(name queue.Name, id string) error {
	err := queue.Remove(name, id)
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
