package mailbox

import (
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"postrider/lib/base/file"
	"postrider/lib/base/msg"
)

// LockTries say how long to try to get a lock.
type LockTries struct {
	// How often to try to lock a mailbox or a log of bounced mail.
	DeliverLockAttempts int `param:"deliver_lock_attempts" default:"20" min:"1"`

	// The time between two tries to lock a mailbox or a log of bounced mail.
	DeliverLockDelay time.Duration `param:"deliver_lock_delay" default:"1s" min:"1s"`
}

// LockParams are the parameters for locks on mailboxes.
type LockParams struct {
	LockTries

	// The age at which the lock file of a mailbox counts as left behind, and
	// is removed.
	StaleLockTime time.Duration `param:"stale_lock_time" default:"500s" min:"1s"`
}

// Tries is the same in the terms of package file.
func (p LockParams) Tries() file.Tries {
	return file.Tries{Attempts: p.DeliverLockAttempts, Delay: p.DeliverLockDelay, Stale: p.StaleLockTime}
}

// Params are the parameters of programs that write mailboxes.
type Params struct {
	LockParams

	// Deliver only to mailbox files that their recipient owns. Mail for
	// others waits.
	StrictMailboxOwnership bool `param:"strict_mailbox_ownership" default:"yes"`
}

// NotOwned is the trouble with a mailbox that belongs to somebody else.
func NotOwned(path string) *Trouble {
	msg.Warn("specify \"strict_mailbox_ownership = no\" to ignore mailbox ownership mismatch")
	return &Trouble{Status: "4.2.0", Reason: fmt.Sprintf("destination %s is not owned by recipient", path)}
}

// LimitFiles limits the size of all files that the process and its commands
// write, so that a mailbox does not grow beyond the parameter name. A message
// that the system takes must fit.
func LimitFiles(name string, limit, messageLimit int64) error {
	switch {
	case limit <= 0:
		return nil
	case messageLimit <= 0:
		return fmt.Errorf("configuration error: %s is limited but message_size_limit is unlimited", name)
	case limit < messageLimit:
		return fmt.Errorf("configuration error: %s is smaller than message_size_limit", name)
	}
	signal.Ignore(syscall.SIGXFSZ) // writes fail with EFBIG instead
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &r); err != nil {
		return err
	}
	if r.Max < uint64(limit) {
		return nil
	}
	r.Cur = uint64(limit)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &r)
}

// LockStyle says how mailboxes are locked.
type LockStyle struct {
	// How UNIX-style mailbox files are locked: flock, fcntl, dotlock, or
	// several of these. Maildirs need no locks.
	MailboxDeliveryLock string `param:"mailbox_delivery_lock" default:"fcntl, dotlock"`
}
