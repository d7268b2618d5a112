package queue

import (
	"fmt"
	"os"
	"syscall"

	"postrider/lib/base/file"
)

// OpenLog opens and locks a log about a message or destination: a file in bounce,
// defer, trace or flush. One that was removed while we waited for the lock is not
// the one that others write to; then there is a new one to be made.
func OpenLog(name Name, id string, flags int, lock func(*os.File) error) (*os.File, error) {
	path := Path(name, id)
	open := func() (*os.File, error) {
		f, err := os.OpenFile(path, flags|syscall.O_NOFOLLOW, 0o600)
		if os.IsNotExist(err) && flags&os.O_CREATE != 0 && MakeDirectories(name, id) == nil {
			f, err = os.OpenFile(path, flags|syscall.O_NOFOLLOW, 0o600)
		}
		return f, err
	}
	f, err := file.Claim(open, func() (os.FileInfo, error) { return os.Lstat(path) }, lock)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("log %s: %w", path, err)
	}
	return f, err
}
