package maptool

import (
	"io/fs"
	"os"
	"syscall"

	"postrider/lib/base/file"
	"postrider/lib/base/msg"
)

// become makes the process act for the owner of a file, when it runs as root. It
// can act for one user after the other: it stays root at heart.
func become(info fs.FileInfo) {
	uid, gid := file.Owner(info), file.Group(info)
	if os.Getuid() != 0 || !info.Mode().IsRegular() {
		return
	}
	err := syscall.Seteuid(0)
	if err == nil {
		err = syscall.Setgroups([]int{gid})
	}
	if err == nil {
		err = syscall.Setegid(gid)
	}
	if err == nil {
		err = syscall.Seteuid(uid)
	}
	if err != nil {
		msg.Fatal("become user %d, group %d: %v", uid, gid, err)
	}
}
