package queue

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"postrider/lib/base/msg"
)

// A File is an open queue file. It is a plain descriptor: an os.File costs
// three more system calls.
type File struct {
	Name Name
	ID   string
	Time time.Time // of creation, for a file that Create made
	fd   int
}

// Modes of finished files.
const (
	ModeReady    = 0o700 // a message
	ModeMaildrop = 0o744 // a message from postdrop(1)
	ModeCorrupt  = 0o400 // the queue manager will set it aside
	ModeFlush    = 0o040 // added: try its destinations even when they are dead
	ModeExpire   = 0o010 // added: return it to the sender now
)

// temporarySuffix makes the name of a new file the process's own. Its dot keeps
// others from taking it for a queue file.
var temporarySuffix = "." + strconv.Itoa(os.Getpid())

// idAttempts is how many times in a row a name may be taken.
const idAttempts = 1000

// createDelay is the pause after trouble that is not about the name.
const createDelay = 10 * time.Second

// Create makes a new, unfinished file in a queue; others leave it alone until
// Commit. Trouble with the disk is logged and waited for, up to giveUp tries
// (0: forever), because nobody can take mail without a queue.
func Create(name Name, giveUp int) (*File, error) {
	f, err := createTemporary(name, giveUp)
	if err != nil {
		return nil, err
	}
	temporary := string(name) + "/" + f.ID
	var st syscall.Stat_t
	if err := syscall.Fstat(f.fd, &st); err != nil {
		return nil, f.abandon(temporary, err)
	}
	for range idAttempts {
		f.Time = time.Now()
		f.ID = MakeID(f.Time, st.Ino, layout.long)
		err = RenamePath(temporary, name, f.ID)
		if err == nil {
			return f, nil
		}
	}
	return nil, f.abandon(temporary, err)
}

func createTemporary(name Name, giveUp int) (*File, error) {
	for try := 1; ; {
		id := strconv.Itoa(time.Now().Nanosecond()/1000) + temporarySuffix
		path := string(name) + "/" + id
		fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CREAT|syscall.O_EXCL|syscall.O_CLOEXEC, 0o600)
		switch err {
		case nil:
			return &File{Name: name, ID: id, fd: fd}, nil
		case syscall.EEXIST, syscall.EISDIR, syscall.EINTR:
			continue
		}
		msg.Warn("create file %s: %v", path, err)
		if try == giveUp {
			return nil, &os.PathError{Op: "create", Path: path, Err: err}
		}
		try++
		time.Sleep(createDelay)
	}
}

func (f *File) abandon(path string, err error) error {
	syscall.Unlink(path)
	syscall.Close(f.fd)
	return &os.PathError{Op: "create", Path: path, Err: err}
}

// Open opens a file for reading and for marks in place.
func Open(name Name, id string) (*File, error) {
	return open(name, id, syscall.O_RDWR)
}

// OpenRead opens a file for reading only.
func OpenRead(name Name, id string) (*File, error) {
	return open(name, id, syscall.O_RDONLY)
}

func open(name Name, id string, flags int) (*File, error) {
	path := Path(name, id)
	for {
		fd, err := syscall.Open(path, flags|syscall.O_CLOEXEC|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: path, Err: err}
		}
		return &File{Name: name, ID: id, fd: fd}, nil
	}
}

// Path is where the file is.
func (f *File) Path() string { return Path(f.Name, f.ID) }

// Stat asks the system about the open file.
func (f *File) Stat() (st syscall.Stat_t, err error) {
	err = f.wrap("fstat", syscall.Fstat(f.fd, &st))
	return st, err
}

// Lock takes a shared or exclusive lock on the whole file; false means that
// somebody else has one that does not go with it.
func (f *File) Lock(exclusive bool) (bool, error) {
	how := syscall.LOCK_SH
	if exclusive {
		how = syscall.LOCK_EX
	}
	err := ignoringInterrupts(func() error { return syscall.Flock(f.fd, how|syscall.LOCK_NB) })
	if err == syscall.EWOULDBLOCK {
		return false, nil
	}
	return err == nil, f.wrap("lock", err)
}

// ReadAt reads at an offset.
func (f *File) ReadAt(p []byte, offset int64) (int, error) {
	got := 0
	for got < len(p) {
		n, err := syscall.Pread(f.fd, p[got:], offset+int64(got))
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return got, f.wrap("read", err)
		}
		got += n
		// One short read is the end of a regular file; asking again to
		// be sure would cost a call for each message.
		return got, eof(got < len(p))
	}
	return got, nil
}

func eof(yes bool) error {
	if yes {
		return io.EOF
	}
	return nil
}

// Write appends at the end of what was written.
func (f *File) Write(p []byte) (int, error) {
	return f.whole(p, func(p []byte, _ int) (int, error) { return syscall.Write(f.fd, p) })
}

// WriteAt overwrites at an offset.
func (f *File) WriteAt(p []byte, offset int64) (int, error) {
	return f.whole(p, func(p []byte, done int) (int, error) { return syscall.Pwrite(f.fd, p, offset+int64(done)) })
}

// whole writes until all of p is written.
func (f *File) whole(p []byte, write func(p []byte, done int) (int, error)) (int, error) {
	done := 0
	for done < len(p) {
		n, err := write(p[done:], done)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return done, f.wrap("write", err)
		}
		done += n
	}
	return done, nil
}

// MarkDone finishes a recipient: the type byte at the offset of its record
// becomes D. This is one atomic step.
func (f *File) MarkDone(offset int64) error {
	_, err := f.WriteAt([]byte{'D'}, offset)
	return err
}

// Mark overwrites the type byte of a record, such as A by K.
func (f *File) Mark(offset int64, t byte) error {
	_, err := f.WriteAt([]byte{t}, offset)
	return err
}

// Commit makes a new file part of the queue: ready, and on disk together with
// its directory entry. After Commit returns nil the message may be promised.
func (f *File) Commit(mode uint32) error {
	if err := syscall.Fchmod(f.fd, mode); err != nil {
		return f.wrap("chmod", err)
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := syncDirectory(f.Name, f.ID); err != nil {
		return err
	}
	return f.checkClock()
}

// Sync waits until the file is on disk.
func (f *File) Sync() error {
	return f.wrap("fsync", ignoringInterrupts(func() error { return syscall.Fsync(f.fd) }))
}

var (
	clockWarned bool
	clockLooks  int
)

// clockEvery is how many files pass between two looks at the clock of the file
// system; the first file of a process is one of them.
const clockEvery = 25

// checkClock sets a time stamp from a file server back that would make the
// queue manager wait.
func (f *File) checkClock() error {
	clockLooks++
	if !clockWarned && clockLooks%clockEvery != 1 {
		return nil
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	now := time.Now()
	if st.Mtim.Sec <= now.Unix() {
		return nil
	}
	if !clockWarned {
		clockWarned = true
		msg.Warn("the time of the file system is %d seconds ahead of local time; file time stamps are set to local time", st.Mtim.Sec-now.Unix())
	}
	return f.SetTime(now)
}

// SetTime sets the time of the next delivery attempt.
func (f *File) SetTime(t time.Time) error {
	tv := syscall.NsecToTimeval(t.UnixNano())
	return f.wrap("set time", syscall.Futimes(f.fd, []syscall.Timeval{tv, tv}))
}

// SetTime sets the time of the next delivery attempt of a file by name.
func SetTime(name Name, id string, t time.Time) error {
	tv := syscall.NsecToTimeval(t.UnixNano())
	if err := syscall.Utimes(Path(name, id), []syscall.Timeval{tv, tv}); err != nil {
		return &os.PathError{Op: "set time", Path: Path(name, id), Err: err}
	}
	return nil
}

// Chmod changes the mode bits, such as ModeCorrupt.
func (f *File) Chmod(mode uint32) error { return f.wrap("chmod", syscall.Fchmod(f.fd, mode)) }

// Truncate cuts a file of the caller's own.
func (f *File) Truncate(size int64) error { return f.wrap("truncate", syscall.Ftruncate(f.fd, size)) }

// Fd is the descriptor, for locks and limits that this package does not know.
func (f *File) Fd() int { return f.fd }

// Close closes the file and drops its locks.
func (f *File) Close() error {
	if f.fd < 0 {
		return nil
	}
	fd := f.fd
	f.fd = -1
	return f.wrap("close", syscall.Close(fd))
}

// Discard removes an unfinished file and closes it.
func (f *File) Discard() {
	syscall.Unlink(f.Path())
	f.Close()
}

func (f *File) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: f.Path(), Err: err}
}

func ignoringInterrupts(f func() error) error {
	for {
		if err := f(); err != syscall.EINTR {
			return err
		}
	}
}

// directories holds descriptors of queue directories, for fsync.
var directories = map[string]int{}

// syncDirectory puts the directory entry of a new file on disk. The setgid
// postdrop(1) may enter its directory but not read it; there the fsync of the
// new file has to do, which on Linux file systems covers its entry.
func syncDirectory(name Name, id string) error {
	dir := string(name)
	if layout.hashed[name] {
		dir = directory(name, id)
	}
	fd, ok := directories[dir]
	if !ok {
		var err error
		fd, err = syscall.Open(dir, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
		if err == syscall.EACCES && name == Maildrop {
			return nil
		}
		if err != nil {
			return fmt.Errorf("open directory %s: %w", dir, err)
		}
		directories[dir] = fd
	}
	if err := ignoringInterrupts(func() error { return syscall.Fsync(fd) }); err != nil {
		return fmt.Errorf("fsync directory %s: %w", dir, err)
	}
	return nil
}
