package main

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/mail/queue"
)

// Directories are queue directories that are kept open, so that the system
// looks up only the last part of each name: with many thousands of files that
// is a good part of the work.
type directories struct {
	fds map[string]int
}

// mostOpen is how many directories are kept open; there are more only with
// unusual hash_queue_depth.
const mostOpen = 300

// of returns the directory of a file and its name in there.
func (d *directories) of(name queue.Name, id string) (fd int, file string) {
	path := queue.Path(name, id)
	dir := path[:strings.LastIndexByte(path, '/')]
	if fd, ok := d.fds[dir]; ok {
		return fd, id
	}
	if len(d.fds) >= mostOpen {
		return unix.AT_FDCWD, path
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return unix.AT_FDCWD, path
	}
	if d.fds == nil {
		d.fds = map[string]int{}
	}
	d.fds[dir] = fd
	return fd, id
}

func (d *directories) stat(name queue.Name, id string) (st unix.Stat_t, err error) {
	fd, file := d.of(name, id)
	return st, unix.Fstatat(fd, file, &st, unix.AT_SYMLINK_NOFOLLOW)
}

func (d *directories) remove(name queue.Name, id string) error {
	fd, file := d.of(name, id)
	if err := unix.Unlinkat(fd, file, 0); err != nil {
		return &os.PathError{Op: "remove file", Path: queue.Path(name, id), Err: err}
	}
	return nil
}

func (d *directories) close() {
	for _, fd := range d.fds {
		unix.Close(fd)
	}
	d.fds = nil
}

// logs are the directories of logs about messages.
var logs = []queue.Name{queue.Bounce, queue.Defer, queue.Trace}

// LogNames are the logs that there were at a time. Most messages have at most
// one of the three, and a file that is not there costs as much to remove as one
// that is.
type logNames struct {
	taken time.Time
	names map[queue.Name]map[string]bool
}

func takeLogs() (*logNames, error) {
	l := &logNames{taken: time.Now(), names: map[queue.Name]map[string]bool{}}
	for _, log := range logs {
		ids, err := scan(log)
		if err != nil {
			return nil, err
		}
		set := make(map[string]bool, len(ids))
		for _, id := range ids {
			set[id] = true
		}
		l.names[log] = set
	}
	return l, nil
}

// stale reports whether the message may have got another log since: its file
// was moved or changed about then or later.
func (l *logNames) stale(st unix.Stat_t) bool {
	behind := 50 * time.Millisecond // what the clock of a file system may be behind
	if st.Ctim.Nsec == 0 {
		behind = time.Second // it may count whole seconds only
	}
	return time.Unix(st.Ctim.Unix()).Add(behind).After(l.taken)
}
