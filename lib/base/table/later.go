package table

import (
	"io"
	"sync"
	"time"

	"postrider/lib/base/msg"
)

// OpenLater is Open for a daemon: when the table cannot be opened, that is logged
// and the result is a table that fails at each lookup, so that mail which needs
// it waits until somebody has repaired it. It tries again from time to time.
func OpenLater(spec string, flags Flags) (Table, error) {
	t, err := Open(spec, flags)
	if err == nil {
		return t, nil
	}
	if _, _, bad := Split(spec); bad != nil {
		return nil, bad
	}
	if params.OpenErrorIsFatal {
		return nil, err
	}
	msg.Error("%v", err)
	return &unavailable{spec: spec, flags: flags, reason: err, tried: time.Now()}, nil
}

// retry is how long a table that could not be opened is left alone.
const retry = 10 * time.Second

// unavailable stands for a table that could not be opened.
type unavailable struct {
	spec  string
	flags Flags

	mu     sync.Mutex
	tried  time.Time
	reason error
	table  Table // not nil when it could be opened in the end
}

func (u *unavailable) Name() string { return u.spec }

func (u *unavailable) Lookup(key string) (string, bool, error) {
	t, err := u.open()
	if err != nil {
		msg.Warn("%s is unavailable. %v", u.spec, err)
		return "", false, failed(u.spec, key, err)
	}
	return t.Lookup(key)
}

// open returns the table, when it is there by now.
func (u *unavailable) open() (Table, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.table == nil && time.Since(u.tried) >= retry {
		u.tried = time.Now()
		if t, err := Open(u.spec, u.flags); err == nil {
			msg.Info("%s is available now", u.spec)
			u.table = t
		} else {
			u.reason = err
		}
	}
	if u.table == nil {
		return nil, u.reason
	}
	return u.table, nil
}

// Pattern says what is known: before the table is open it may be of either kind.
func (u *unavailable) Pattern() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.table != nil && IsPattern(u.table)
}

func (u *unavailable) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if c, ok := u.table.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
