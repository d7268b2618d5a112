package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/mail/queue"
)

// known are all queues that have names on the command line.
var known = []queue.Name{queue.Defer, queue.Bounce, queue.Trace, queue.Maildrop, queue.Incoming,
	queue.Active, queue.Deferred, queue.Hold, queue.Flush, queue.Corrupt}

// usual are those that are repaired. Logs come first, so that they are at their
// places when a message takes them along to another name.
var usual = []queue.Name{queue.Defer, queue.Bounce, queue.Trace, queue.Maildrop, queue.Incoming,
	queue.Active, queue.Deferred, queue.Hold, queue.Flush}

// withMessages are queues of messages; other directories hold logs.
var withMessages = []queue.Name{queue.Maildrop, queue.Incoming, queue.Active, queue.Deferred, queue.Hold}

// oldAge is when an unfinished file is taken for one whose writer died.
const oldAge = 7 * 24 * time.Hour

// newName is what a file with a new name has behind it until all files have
// got theirs: two files may trade names.
const newName = "#FIX"

// repairs say what to repair.
type repairs struct {
	purge     bool // unfinished files
	structure bool
	redundant bool // inodes of long IDs too
	renamed   int
}

func (r *repairs) any() bool { return r.purge || r.structure }

// run repairs the queues, in two passes: in the first one files get new names
// with a mark, in the second the mark goes away. A run that was interrupted is
// finished by the next one.
func (r *repairs) run(queues []queue.Name) error {
	if len(queues) == 0 {
		queues = usual
	}
	now := time.Now()
	for _, name := range queues {
		msg.Debug("queue: %s", name)
		if err := r.directory(name, string(name), now); err != nil {
			return err
		}
	}
	if !r.structure {
		return nil
	}
	finished := false
	for _, name := range queues {
		done, err := finish(name)
		if err != nil {
			return err
		}
		finished = finished || done
	}
	if r.renamed > 0 {
		msg.Info("Renamed to match inode number: %s", messages(r.renamed))
	}
	if r.renamed > 0 || finished {
		msg.Warn("QUEUE FILE NAMES WERE CHANGED TO MATCH INODE NUMBERS")
	}
	return nil
}

// directory repairs a directory and those below it.
func (r *repairs) directory(name queue.Name, path string, now time.Time) error {
	dir, entries, err := readDirectory(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	for _, e := range entries {
		below := path + "/" + e.Name()
		if !e.IsDir() {
			var st unix.Stat_t
			if unix.Fstatat(int(dir.Fd()), e.Name(), &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
				continue // gone meanwhile
			}
			if err := r.file(name, below, e.Name(), &st, now); err != nil {
				return err
			}
			continue
		}
		if len(e.Name()) == 1 {
			if err := r.directory(name, below, now); err != nil {
				return err
			}
		}
		if r.structure && !hashDirectory(name, below) {
			if err := syscall.Rmdir(below); err != nil && err != syscall.ENOENT {
				msg.Warn("remove subdirectory %s: %v", below, err)
			}
		}
	}
	return nil
}

// hashDirectory reports whether files of the queue can be in a directory: its
// names have one character each and are not more than the depth.
func hashDirectory(name queue.Name, path string) bool {
	if !queue.Hashed(name) {
		return false
	}
	levels := strings.Split(path, "/")[1:]
	return len(levels) <= conf.HashQueueDepth && !slices.ContainsFunc(levels, func(l string) bool { return len(l) != 1 })
}

// file repairs one file.
func (r *repairs) file(name queue.Name, path, id string, st *unix.Stat_t, now time.Time) error {
	messages := slices.Contains(withMessages, name)
	switch {
	case st.Mode&syscall.S_IFMT != syscall.S_IFREG:
		msg.Debug("remove file %s", path)
		return remove(path)
	case messages && r.purge && !queue.Ready(st.Mode) && now.Sub(time.Unix(st.Mtim.Unix())) > oldAge:
		msg.Debug("remove file %s", path)
		return remove(path)
	case !r.structure || strings.HasSuffix(id, newName):
		return nil
	case temporary(id):
		return nil // somebody is making it
	case !queue.ValidID(id):
		msg.Warn("bogus file name: %s", path)
		return nil
	case !messages:
		return place(name, path, id)
	}
	return r.message(name, path, id, st)
}

func remove(path string) error {
	if err := syscall.Unlink(path); err != nil && err != syscall.ENOENT {
		return fmt.Errorf("remove file %s: %w", path, err)
	}
	return nil
}

// temporary reports whether a name is that of a file in the first moment of its
// life: two numbers.
func temporary(name string) bool {
	a, b, ok := strings.Cut(name, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	return ok && digits(a) && digits(b)
}

// message gives a file the name that goes with its inode, and its logs too.
func (r *repairs) message(name queue.Name, path, id string, st *unix.Stat_t) error {
	long := queue.LongID(id)
	inode, ok := queue.Inode(id)
	created, ok2 := queue.Created(id)
	if !ok || !ok2 {
		msg.Warn("bogus file name: %s", path)
		return nil
	}
	keep := inode == st.Ino
	if long {
		keep = queue.LongIDs() && (keep || !r.redundant)
	}
	if keep {
		return place(name, path, id)
	}
	right := queue.MakeID(created, st.Ino, long && queue.LongIDs())
	for _, log := range logs {
		if err := move(queue.Path(log, id), marked(log, right)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := move(path, marked(name, right)); err != nil {
		return err
	}
	r.renamed++
	return nil
}

// marked is where a file waits for its final name: at its place.
func marked(name queue.Name, id string) string { return queue.Path(name, id) + newName }

// place moves a file to the directory where it belongs.
func place(name queue.Name, path, id string) error {
	right := queue.Path(name, id)
	if path == right {
		return nil
	}
	if _, err := os.Lstat(right); err == nil {
		msg.Warn("cannot move file %s: there is a file %s", path, right)
		return nil
	}
	if err := move(path, right); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// move renames a file and makes the directories above its new name.
func move(from, to string) error {
	if _, err := os.Lstat(from); err != nil {
		return os.ErrNotExist
	}
	err := syscall.Rename(from, to)
	if err == syscall.ENOENT {
		if err := os.MkdirAll(to[:strings.LastIndexByte(to, '/')], 0o700); err != nil {
			return err
		}
		err = syscall.Rename(from, to)
	}
	if err != nil {
		return fmt.Errorf("rename file %s as %s: %w", from, to, err)
	}
	msg.Debug("rename file %s as %s", from, to)
	return nil
}

// finish takes the marks of a queue away. The logs of a message go first, so
// that an interrupted run finds the message still marked.
func finish(name queue.Name) (found bool, err error) {
	err = walk(string(name), func(path, file string) error {
		id, isMarked := strings.CutSuffix(file, newName)
		if !isMarked || !queue.ValidID(id) {
			return nil
		}
		if slices.Contains(withMessages, name) {
			var st syscall.Stat_t
			if inode, ok := queue.Inode(id); syscall.Lstat(path, &st) != nil || !ok || inode != st.Ino {
				msg.Warn("name/inode mismatch: %s", path)
				return nil
			}
			for _, log := range logs {
				if err := move(marked(log, id), queue.Path(log, id)); err != nil && !errors.Is(err, os.ErrNotExist) {
					return err
				}
			}
		}
		found = true
		return move(path, queue.Path(name, id))
	})
	return found, err
}

// walk calls f for all files in a directory and in those with names of one
// character below it.
func walk(path string, f func(path, name string) error) error {
	dir, entries, err := readDirectory(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	for _, e := range entries {
		below := path + "/" + e.Name()
		switch {
		case !e.IsDir():
			err = f(below, e.Name())
		case len(e.Name()) == 1:
			err = walk(below, f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readDirectory returns what is in a directory; nothing when there is none.
func readDirectory(path string) (*os.File, []os.DirEntry, error) {
	dir, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	entries, err := dir.ReadDir(-1)
	return dir, entries, err
}
