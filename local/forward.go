package main

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"postrider/lib/base/account"
	"postrider/lib/base/asuser"
	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/mail/mailbox"
)

// expandForward delivers to what the .forward file of the user lists. Handled is
// false when there is no file that counts, or when it lists the user.
func (t task) expandForward() (done, handled bool) {
	if t.owner != "" && strings.EqualFold(t.owner, t.user) {
		return false, false
	}
	u, found, failed := t.lookupUser()
	switch {
	case failed:
		return false, true
	case !found:
		return false, false
	}
	t.rights = rights{known: true, User: u}
	if conf.RequireHomeDirectory {
		err := asuser.Do(t.rights.self(), func() error { _, err := os.Stat(u.Home); return err })
		if err != nil {
			return t.failed("4.3.0", "cannot access home directory %s: %s", u.Home, mailbox.Words(err)), true
		}
	}
	path, whole := t.findForward()
	if path == "" {
		return false, false
	}
	return t.readForward(path, whole)
}

// findForward finds the first file of forward_path. Whole says that its name
// has the extension of the address in it.
func (t task) findForward() (path string, whole bool) {
	var patterns, paths []string
	for _, pattern := range text.SplitBraces(string(conf.ForwardPath)) {
		path, complete, err := t.expand(pattern, string(conf.ForwardExpansionFilter))
		if err != nil {
			msg.Warn("bad parameter value syntax for forward_path: %s", pattern)
		} else if complete && path != "" {
			patterns, paths = append(patterns, pattern), append(paths, path)
		}
	}
	found, info := -1, fs.FileInfo(nil)
	err := asuser.Do(t.rights.self(), func() error {
		for i, path := range paths {
			var err error
			if info, err = os.Lstat(path); err == nil {
				found = i
				break
			}
		}
		return nil
	})
	if err != nil || found < 0 || !t.trusted(paths[found], info) {
		return "", false
	}
	return paths[found], t.extension != "" && strings.Contains(patterns[found], "extension")
}

// trusted looks at a .forward file: somebody else could have put it there.
func (t task) trusted(path string, info fs.FileInfo) bool {
	switch owner := ownerOf(info); {
	case !info.Mode().IsRegular():
		msg.Warn("file %s is not a regular file", path)
	case owner != 0 && owner != t.rights.UID:
		msg.Warn("file %s has bad owner uid %d", path, owner)
	case worldWritable(info):
		msg.Warn("file %s is world writable", path)
	default:
		return true
	}
	return false
}

func (t task) readForward(path string, whole bool) (done, handled bool) {
	if t.seen.before("forward %s", path) {
		// While the file is being expanded, the user's own address in it
		// means the mailbox.
		return true, t.seen.has("forward-done %s", path)
	}
	f, err := openAs(t.rights.self(), path)
	if err != nil {
		msg.Warn("cannot open file %s: %s", path, mailbox.Words(err))
		return false, false
	}
	defer f.Close()
	t.origin, t.owner, t.alias = fromForward, t.user, t.user
	if whole {
		t.unmatched = ""
	}
	done, count := t.deliverLines(f)
	if count == 0 && done {
		return false, false
	}
	t.seen.before("forward-done %s", path)
	return done, true
}

// deliverLines delivers to the destinations in a file, line by line. Lines are
// cut into pieces of line_length_limit.
func (t task) deliverLines(r io.Reader) (done bool, count int) {
	done = true
	in := bufio.NewReaderSize(r, max(16, conf.LineLengthLimit))
	for !t.corrupt {
		line, err := in.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			msg.Warn("error reading forwarding file: %s", mailbox.Words(err))
			return t.failed("4.3.0", "error reading forwarding file: %s", mailbox.Words(err)), count
		}
		if len(line) > 0 && line[0] != '#' {
			values := parseValues(string(line))
			count += len(values)
			done = t.deliverValues(values) && done
		}
		if err == io.EOF {
			break
		}
	}
	return done && !t.corrupt, count
}

// openAs opens a list of destinations with the rights of a user. What was a
// regular file a moment ago may be something else now.
func openAs(u asuser.User, path string) (f *os.File, err error) {
	err = asuser.Do(u, func() (err error) {
		f, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = syscall.EINVAL
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// expandInclude delivers to what an :include: file lists.
func (t task) expandInclude(path string) bool {
	const bad = "5.3.5"
	if t.seen.before("include %d %s", t.rights.self().UID, path) {
		return true
	}
	if !strings.HasPrefix(path, "/") {
		msg.Warn(":include:%s uses a relative path", path)
		return t.misconfigured(bad)
	}
	var info fs.FileInfo
	err := asuser.Do(t.rights.self(), func() (err error) { info, err = os.Stat(path); return err })
	switch {
	case err != nil:
		msg.Warn("unable to lookup :include: file %s: %s", path, mailbox.Words(err))
		return t.misconfigured(bad)
	case !info.Mode().IsRegular():
		msg.Warn(":include: file %s is not a regular file", path)
		return t.misconfigured(bad)
	case worldWritable(info):
		msg.Warn(":include: file %s is world writable", path)
		return t.misconfigured(bad)
	}
	if owner := ownerOf(info); !t.rights.known && owner != 0 {
		u, found, err := account.ByID(owner)
		if err == nil && !found {
			err = errors.New("no such user")
		}
		if err != nil {
			msg.Warn("%s: cannot find :include: file owner username: %v", path, err)
			return t.misconfigured("4.3.5")
		}
		t.rights = rights{known: true, User: u}
	}
	f, err := openAs(t.rights.self(), path)
	if err != nil {
		msg.Warn("cannot open include file %s: %s", path, mailbox.Words(err))
		return t.misconfigured(bad)
	}
	defer f.Close()
	t.origin, t.alias = fromInclude, path
	done, _ := t.deliverLines(f)
	return done
}
