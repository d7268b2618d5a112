package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"postrider/lib/base/asuser"
	"postrider/lib/base/file"
	"postrider/lib/base/msg"
)

// Two files are locked as long as master runs: one in the queue directory, one
// in the data directory. The lock, not the file, says that a master is there.
var lockFiles []*os.File

func pidFile() string { return filepath.Join(conf.ProcessIDDirectory, "master.pid") }

// takeLocks makes this process the only master.
func takeLocks(owner asuser.User) {
	f, err := openLock(pidFile())
	if err != nil {
		msg.Fatal("open lock file %s: %v", pidFile(), err)
	}
	writePID(f)
	path := filepath.Join(conf.DataDirectory, "master.lock")
	err = asOwner(owner, func() error {
		f, err = openLock(path)
		return err
	})
	if err != nil {
		msg.Fatal("open lock file %s: %v", path, err)
	}
	writePID(f)
}

func openLock(path string) (*os.File, error) {
	f, err := file.Open(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := file.TryLock(f, file.Flock, file.Exclusive); err != nil {
		f.Close()
		if errors.Is(err, file.ErrLocked) {
			return nil, errLocked
		}
		return nil, err
	}
	lockFiles = append(lockFiles, f)
	return f, nil
}

var errLocked = errors.New("unable to set exclusive lock: Resource temporarily unavailable")

// writePID writes the process ID in the form that scripts read.
func writePID(f *os.File) {
	_, err := f.WriteAt(pidText(os.Getpid()), 0)
	if err == nil {
		err = f.Truncate(int64(len(pidText(0))))
	}
	if err != nil {
		msg.Fatal("cannot update lock file %s: %v", f.Name(), err)
	}
}

func pidText(pid int) []byte { return fmt.Appendf(nil, "%32d\n", pid) }

// testLock ends the program: status 0 when no master is running.
func testLock() {
	if _, err := os.Stat(pidFile()); os.IsNotExist(err) {
		os.Exit(0)
	}
	_, err := openLock(pidFile())
	switch {
	case err == nil:
		os.Exit(0)
	case err == errLocked:
		msg.Debug("open lock file %s: %v", pidFile(), err)
		os.Exit(1)
	}
	msg.Fatal("open lock file %s: %v", pidFile(), err)
}
