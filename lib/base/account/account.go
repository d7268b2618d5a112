// Package account looks up users and groups of the system.
//
// The password and group files come first. A name that is not there is
// unknown for sure only if /etc/nsswitch.conf names no other source. When it
// does (sssd, LDAP, NIS), systemd's user database service is asked, if it
// runs: unlike getent(1), it tells "no such user" from "the directory is
// down". Without it getent may still find the name; its "not found" is an
// error here, because mail for a user must not be returned to its sender only
// because a directory server is away.
package account

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A User is one line of the password file.
type User struct {
	Name     string
	UID, GID int
	FullName string
	Home     string
	Shell    string
}

// A Group is one line of the group file.
type Group struct {
	Name    string
	GID     int
	Members []string
}

// ErrUnavailable says that a source of accounts did not answer; asking again
// later may help.
var ErrUnavailable = errors.New("the user database is not available")

// ErrUnknown says that there is no such user.
var ErrUnknown = errors.New("unknown user")

// A Source says where accounts are looked up.
type Source struct {
	Passwd string // "/etc/passwd"
	Group  string // "/etc/group"
	Switch string // "/etc/nsswitch.conf"
	Userdb string // socket of systemd-userdbd
	Getent string // path of getent(1), "" for never
}

// System is the source that the functions of this package use.
var System = Source{
	Passwd: "/etc/passwd",
	Group:  "/etc/group",
	Switch: "/etc/nsswitch.conf",
	Userdb: "/run/systemd/userdb/io.systemd.Multiplexer",
	Getent: "/usr/bin/getent",
}

// ByName finds a user.
func ByName(name string) (u User, found bool, err error) { return System.ByName(name) }

// Lookup is ByName for a user that must exist; the error is ErrUnknown or
// ErrUnavailable.
func Lookup(name string) (User, error) {
	u, found, err := ByName(name)
	if !found && err == nil {
		err = ErrUnknown
	}
	return u, err
}

// ByID finds the first user with a number.
func ByID(uid int) (u User, found bool, err error) { return System.ByID(uid) }

// GroupByName finds a group.
func GroupByName(name string) (g Group, found bool, err error) { return System.GroupByName(name) }

// GroupByID finds the first group with a number.
func GroupByID(gid int) (g Group, found bool, err error) { return System.GroupByID(gid) }

// Groups lists the groups of a user, the primary one first, as far as the
// group file knows.
func Groups(u User) ([]int, error) { return System.Groups(u) }

// ByName finds a user.
func (s Source) ByName(name string) (User, bool, error) {
	if name == "" || strings.ContainsAny(name, ":\n\x00") {
		return User{}, false, nil
	}
	u, found, err := s.user(func(u User) bool { return u.Name == name })
	if found || err != nil || !s.foreign("passwd") {
		return u, found, err
	}
	return s.elsewhere("userName", name, name)
}

// ByID finds the first user with a number.
func (s Source) ByID(uid int) (User, bool, error) {
	u, found, err := s.user(func(u User) bool { return u.UID == uid })
	if found || err != nil || !s.foreign("passwd") {
		return u, found, err
	}
	return s.elsewhere("uid", uid, strconv.Itoa(uid))
}

// GroupByName finds a group.
func (s Source) GroupByName(name string) (Group, bool, error) {
	if name == "" || strings.ContainsAny(name, ":\n\x00") {
		return Group{}, false, nil
	}
	g, found, err := s.group(func(g Group) bool { return g.Name == name })
	if found || err != nil || !s.foreign("group") {
		return g, found, err
	}
	return s.groupElsewhere("groupName", name, name)
}

// GroupByID finds the first group with a number.
func (s Source) GroupByID(gid int) (Group, bool, error) {
	g, found, err := s.group(func(g Group) bool { return g.GID == gid })
	if found || err != nil || !s.foreign("group") {
		return g, found, err
	}
	return s.groupElsewhere("gid", gid, strconv.Itoa(gid))
}

// Groups lists the groups of a user, the primary one first.
func (s Source) Groups(u User) ([]int, error) {
	list := []int{u.GID}
	err := lines(s.Group, func(line string) bool {
		g, ok := parseGroup(line)
		if !ok || g.GID == u.GID {
			return true
		}
		for _, m := range g.Members {
			if m == u.Name {
				list = append(list, g.GID)
				break
			}
		}
		return true
	})
	return list, err
}

func (s Source) user(wanted func(User) bool) (u User, found bool, err error) {
	err = lines(s.Passwd, func(line string) bool {
		var ok bool
		u, ok = ParseUser(line)
		found = ok && wanted(u)
		return !found
	})
	if !found {
		u = User{}
	}
	return u, found, err
}

func (s Source) group(wanted func(Group) bool) (g Group, found bool, err error) {
	err = lines(s.Group, func(line string) bool {
		var ok bool
		g, ok = parseGroup(line)
		found = ok && wanted(g)
		return !found
	})
	if !found {
		g = Group{}
	}
	return g, found, err
}

// lines calls f for each line until f returns false.
func lines(path string, f func(line string) bool) error {
	text, err := contents(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" && !f(line) {
			break
		}
	}
	return nil
}

// A version tells whether a file is still what it was when it was read.
type version struct {
	dev, inode  uint64
	size        int64
	mtim, ctime syscall.Timespec
}

// kept are the files as they were read last: daemons look up users all the time,
// and the files hardly ever change.
var kept struct {
	sync.Mutex
	files map[string]keptFile
}

type keptFile struct {
	version version
	text    string
}

// contents returns the text of a file. A file that changed just now is read each
// time, for it may change again without a trace.
func contents(path string) (string, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return "", &os.PathError{Op: "stat", Path: path, Err: err}
	}
	v := version{st.Dev, st.Ino, st.Size, st.Mtim, st.Ctim}
	kept.Lock()
	defer kept.Unlock()
	if f, ok := kept.files[path]; ok && f.version == v {
		return f.text, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if time.Since(time.Unix(st.Ctim.Unix())) > 2*time.Second {
		if kept.files == nil {
			kept.files = map[string]keptFile{}
		}
		kept.files[path] = keptFile{v, string(data)}
	}
	return string(data), nil
}

// ParseUser reads a line of the password file. Lines of other forms, such as
// the "+" lines of NIS, are not users.
func ParseUser(line string) (User, bool) {
	f := strings.Split(line, ":")
	if len(f) < 7 || f[0] == "" || f[0][0] == '+' || f[0][0] == '-' {
		return User{}, false
	}
	uid, err := number(f[2])
	if err != nil {
		return User{}, false
	}
	gid, err := number(f[3])
	if err != nil {
		return User{}, false
	}
	return User{Name: f[0], UID: uid, GID: gid, FullName: f[4], Home: f[5], Shell: f[6]}, true
}

func parseGroup(line string) (Group, bool) {
	f := strings.Split(line, ":")
	if len(f) < 4 || f[0] == "" || f[0][0] == '+' || f[0][0] == '-' {
		return Group{}, false
	}
	gid, err := number(f[2])
	if err != nil {
		return Group{}, false
	}
	g := Group{Name: f[0], GID: gid}
	if f[3] != "" {
		g.Members = strings.Split(f[3], ",")
	}
	return g, true
}

func number(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	return int(n), err
}
