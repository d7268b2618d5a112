package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"postrider/lib/base/account"
)

// An item is one line of the list of everything that belongs to the mail
// system. The list is used for installing, checking and removing; its comments
// say what the columns mean.
type item struct {
	path  string
	kind  string // "d" directory, "p" program, "f" other file, "l" link
	owner string // name, "-" for any
	group string
	mode  fs.FileMode // permissions with setgid and sticky bits; for links 0
	flags string
	goal  string // of a link
	line  int
}

func (i *item) has(flag string) bool { return strings.Contains(i.flags, flag) }

// listFile is the list of what is installed.
func listFile() string { return filepath.Join(conf.DaemonDirectory, "postfix-files") }

// readList reads the list, with parameters in it replaced.
func readList(path string, expand func(string) string) ([]item, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []item
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0][0] == '#' {
			continue
		}
		i, err := parseItem(fields, expand)
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, n, err)
		}
		i.line = n
		list = append(list, i)
	}
	return list, lines.Err()
}

func parseItem(fields []string, expand func(string) string) (item, error) {
	for n := range fields {
		fields[n] = expand(fields[n])
	}
	i := item{path: fields[0]}
	if len(fields) > 1 {
		i.kind = fields[1]
	}
	switch {
	case i.kind == "l" && len(fields) == 3:
		i.goal = fields[2]
		return i, nil
	case len(fields) != 6 || !strings.Contains("dpf", i.kind):
		return i, fmt.Errorf("want path, type d, p or f, owner, group, mode, flags; or path, l, target")
	}
	mode, err := strconv.ParseUint(fields[4], 8, 12)
	if err != nil {
		return i, fmt.Errorf("mode %q is not an octal number", fields[4])
	}
	i.owner, i.group, i.flags = fields[2], fields[3], fields[5]
	i.mode = fileMode(uint32(mode))
	return i, nil
}

// fileMode turns the number that chmod(1) uses into Go's kind of mode.
func fileMode(n uint32) fs.FileMode {
	mode := fs.FileMode(n & 0o777)
	for bit, flag := range map[uint32]fs.FileMode{
		syscall.S_ISUID: fs.ModeSetuid, syscall.S_ISGID: fs.ModeSetgid, syscall.S_ISVTX: fs.ModeSticky,
	} {
		if n&bit != 0 {
			mode |= flag
		}
	}
	return mode
}

// modeBits are those that the list speaks about.
const modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// octal is the number for people.
func octal(mode fs.FileMode) string {
	n := uint32(mode.Perm())
	for bit, flag := range map[uint32]fs.FileMode{
		syscall.S_ISUID: fs.ModeSetuid, syscall.S_ISGID: fs.ModeSetgid, syscall.S_ISVTX: fs.ModeSticky,
	} {
		if mode&flag != 0 {
			n |= bit
		}
	}
	return fmt.Sprintf("%04o", n)
}

// ids gives the numbers of owner and group, -1 for "-".
func (i *item) ids() (uid, gid int, err error) {
	uid, gid = -1, -1
	if i.owner != "-" {
		if uid, err = userID(i.owner); err != nil {
			return
		}
	}
	if i.group != "-" {
		gid, err = groupID(i.group)
	}
	return
}

func userID(name string) (int, error) {
	if name == "root" {
		return 0, nil
	}
	u, found, err := account.ByName(name)
	if err == nil && !found {
		err = fmt.Errorf("there is no user %s", name)
	}
	return u.UID, err
}

func groupID(name string) (int, error) {
	if name == "root" {
		return 0, nil
	}
	g, found, err := account.GroupByName(name)
	if err == nil && !found {
		err = fmt.Errorf("there is no group %s", name)
	}
	return g.GID, err
}

// places are the files that an item of the list is about: those that a pattern
// matches. A directory among them has a line of its own.
func (i *item) places() []string {
	if !strings.ContainsRune(i.path, '*') {
		return []string{i.path}
	}
	names, _ := filepath.Glob(i.path)
	return slices.DeleteFunc(names, func(name string) bool {
		info, err := os.Lstat(name)
		return err == nil && info.IsDir() && i.kind != "d"
	})
}
