// Package asuser runs a function with the rights of another user.
//
// On Linux the rights belong to the thread, not to the process. Do locks the
// goroutine to its thread and changes only that thread, so everything else
// keeps the rights it has. The real and saved user ID of a privileged program
// stay 0; that is what makes the way back possible.
//
// Do not start programs from inside: a child would inherit real user ID 0.
// Package run starts them with all IDs set.
package asuser

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A User is a set of rights. Without Groups the user has no other group than
// GID.
type User struct {
	UID, GID int
	Groups   []int
}

// Root has all rights.
var Root = User{}

// String names the user by number, for messages.
func (u User) String() string { return fmt.Sprintf("UID/GID=%d/%d", u.UID, u.GID) }

// Possible reports whether this process can become other users.
func Possible() bool { return os.Getuid() == 0 }

// Do calls f with the rights of user u and returns what f returns. A process
// that is not privileged can only become itself: EPERM otherwise, and f is not
// called. When the old rights cannot be had back the program panics, for
// nothing that it does later would be safe.
func Do(u User, f func() error) error {
	if !Possible() {
		if u.UID == os.Geteuid() && u.GID == os.Getegid() {
			return f()
		}
		return fmt.Errorf("become %v: %w", u, syscall.EPERM)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := current()
	if err != nil {
		return fmt.Errorf("look up the own rights: %w", err)
	}
	if err := become(u); err != nil {
		if e := become(home); e != nil {
			panic(fmt.Sprintf("cannot return to %v: %v", home, e))
		}
		return fmt.Errorf("become %v: %w", u, err)
	}
	defer func() {
		if err := become(home); err != nil {
			panic(fmt.Sprintf("cannot return from %v to %v: %v", u, home, err))
		}
	}()
	return f()
}

// current finds the effective rights of this thread.
func current() (User, error) {
	uid, _, _ := syscall.RawSyscall(unix.SYS_GETEUID, 0, 0, 0)
	gid, _, _ := syscall.RawSyscall(unix.SYS_GETEGID, 0, 0, 0)
	var list [maxGroups]uint32
	n, _, e := syscall.RawSyscall(unix.SYS_GETGROUPS, maxGroups, uintptr(unsafe.Pointer(&list[0])), 0)
	if e != 0 { // there are more
		groups, err := syscall.Getgroups()
		return User{UID: int(uid), GID: int(gid), Groups: groups}, err
	}
	groups := make([]int, n)
	for i := range groups {
		groups[i] = int(list[i])
	}
	return User{UID: int(uid), GID: int(gid), Groups: groups}, nil
}

// maxGroups is as many groups as a daemon usually has, and some.
const maxGroups = 32

// become changes the effective rights of this thread. Root first, for only
// root may set groups; the user last.
func become(u User) error {
	if err := setuid(0); err != nil {
		return err
	}
	if err := setgroups(u); err != nil {
		return err
	}
	if err := setgid(u.GID); err != nil {
		return err
	}
	return setuid(u.UID)
}

const unchanged = ^uintptr(0)

func setuid(uid int) error {
	return errno(syscall.RawSyscall(unix.SYS_SETRESUID, unchanged, uintptr(uid), unchanged))
}

func setgid(gid int) error {
	return errno(syscall.RawSyscall(unix.SYS_SETRESGID, unchanged, uintptr(gid), unchanged))
}

func setgroups(u User) error {
	list := make([]uint32, 0, len(u.Groups)+1)
	for _, g := range u.Groups {
		list = append(list, uint32(g))
	}
	if len(list) == 0 {
		list = append(list, uint32(u.GID))
	}
	return errno(syscall.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(list)), uintptr(unsafe.Pointer(&list[0])), 0))
}

func errno(_, _ uintptr, e syscall.Errno) error {
	if e != 0 {
		return e
	}
	return nil
}
