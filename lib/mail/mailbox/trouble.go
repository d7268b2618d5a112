package mailbox

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"postrider/lib/base/file"
	"postrider/lib/mail/dsn"
)

// A Trouble says why a delivery failed, in a way that the sender and the log
// can be told. Class '4' of the status means that trying again may help.
type Trouble struct {
	Status dsn.Status
	Reason string
	Err    error // what the system said, or nil
}

func (t *Trouble) Error() string { return t.Reason }
func (t *Trouble) Unwrap() error { return t.Err }

// general is the code for trouble of no special kind.
const general dsn.Status = "5.2.0"

// orElse gives trouble of no special kind another code.
func (t *Trouble) orElse(status dsn.Status) {
	if t.Status == general && status != "" {
		t.Status = status
	}
}

// trouble builds a Trouble from an error of the system.
func trouble(err error, format string, args ...any) *Trouble {
	return &Trouble{Status: status(err, general), Reason: fmt.Sprintf(format, args...), Err: err}
}

// status is the code for an error of the system: a full mailbox is the user's
// affair, and what others hold now may be free later.
func status(err error, otherwise dsn.Status) dsn.Status {
	switch {
	case isOne(err, syscall.EAGAIN, syscall.ESTALE, file.ErrLocked):
		return "4.2.0"
	case isOne(err, syscall.EDQUOT, syscall.EFBIG):
		return "5.2.2"
	case isOne(err, syscall.ENOSPC, syscall.EIO, syscall.EROFS, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE,
		syscall.EINTR, syscall.ETIMEDOUT):
		return "4.3.0"
	}
	return otherwise
}

func isOne(err error, list ...error) bool {
	for _, e := range list {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Words returns what an error of the system is called in the manuals of the C
// library, which log readers know: "Permission denied".
func Words(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err.Error()
	}
	text := errno.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}
