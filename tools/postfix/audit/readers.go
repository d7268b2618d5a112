package audit

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"postrider/lib/base/account"
	"postrider/lib/base/table"
	"postrider/lib/mail/param"
)

// A reader is somebody who opens files without the rights of root.
type reader struct {
	name   string
	uid    int
	groups []int
}

// anybody is a user of the machine who has no rights at all.
var anybody = reader{name: "all users", uid: -1}

// readerNamed is an account; one that does not exist has no rights.
func readerNamed(name string) reader {
	r := reader{name: name, uid: -1}
	if u, found, err := account.ByName(name); err == nil && found {
		r.uid = u.UID
		r.groups, _ = account.Groups(u)
	}
	return r
}

// blocked returns the file or directory that keeps a reader from a file; "" when
// nothing does.
func (r reader) blocked(path string) string {
	for dir, need := path, os.FileMode(4); ; dir, need = filepath.Dir(dir), 1 {
		info, err := os.Stat(dir)
		if err != nil || !r.may(info, need) {
			return dir
		}
		if dir == "/" {
			return ""
		}
	}
}

// may reports whether the mode of a file gives the reader a right.
func (r reader) may(info os.FileInfo, need os.FileMode) bool {
	st := info.Sys().(*syscall.Stat_t)
	mode := info.Mode().Perm()
	switch {
	case r.uid == 0:
		return true
	case int(st.Uid) == r.uid:
		mode >>= 6
	case slices.Contains(r.groups, int(st.Gid)):
		mode >>= 3
	}
	return mode&need == need
}

// checkAccess makes sure that those who open a table without the rights of root
// can do so: proxymap(8) for others, and the commands of users.
func (a *audit) checkAccess(s *param.Settings, name string, t table.Table, proxied bool) {
	source := sourceOf(t)
	if source == nil {
		return
	}
	who, program := a.owner, "proxymap(8)"
	switch {
	case strings.HasPrefix(name, "authorized_"), name == "local_login_sender_maps":
		who, program = anybody, "a command"
	case !proxied:
		return // opened by root
	}
	path := table.Absolute(source.Name())
	if place := who.blocked(path); place != "" {
		a.reportAt(s, name, "%s, which %s opens, cannot be read by %s: mode of %s", path, program, who.name, place)
	}
}

// checkReaders makes sure that users can send mail: sendmail(1) and postdrop(1)
// read main.cf with their rights.
func (a *audit) checkReaders() {
	path := filepath.Join(param.Dir(), "main.cf")
	if place := anybody.blocked(path); place != "" {
		a.report("", 0, "%s cannot be read by all users, who then cannot send mail: mode of %s", path, place)
	}
}
