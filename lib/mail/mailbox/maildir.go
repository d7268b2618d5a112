package mailbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"postrider/lib/base/asuser"
	"postrider/lib/base/file"
	"postrider/lib/base/msg"
	"postrider/lib/mail/dsn"
)

// A Dir is a maildir: a folder with one file per message. No locks are needed,
// for a file appears in new/ only when it is complete.
type Dir struct {
	Path string // ends in "/"
	User asuser.User
	Host string    // of this machine, as the system calls it
	Time time.Time // of the start of this delivery

	// Status is the code for trouble of no special kind; 5.2.0 when empty.
	Status dsn.Status
}

// Add writes a message to the maildir and returns when it is on disk. The
// error is a *Trouble, or a *SourceError.
func (d Dir) Add(write func(w io.Writer) error) error {
	err := asuser.Do(d.User, func() error { return d.add(write) })
	var t *Trouble
	var s *SourceError
	switch {
	case err == nil || errors.As(err, &s):
		return err
	case !errors.As(err, &t):
		t = trouble(err, "%s", Words(err))
	}
	if errors.Is(t, syscall.EACCES) {
		msg.Warn("maildir access problem for %v: %s", d.User, t.Reason)
		msg.Warn("perhaps you need to create the maildirs in advance")
	}
	t.orElse(d.Status)
	t.Reason = "maildir delivery failed: " + t.Reason
	return t
}

func (d Dir) add(write func(w io.Writer) error) error {
	tmp := fmt.Sprintf("%stmp/%d.P%d.%s", d.Path, d.Time.Unix(), os.Getpid(), hostPart(d.Host))
	f, err := d.create(tmp)
	if err != nil {
		return trouble(err, "create maildir file %s: %s", tmp, Words(err))
	}
	defer os.Remove(tmp)
	defer f.Close()
	if err := write(f); err != nil {
		return failed(err)
	}
	if err := f.Sync(); err != nil {
		return failed(err)
	}
	info, err := f.Stat()
	if err != nil {
		return trouble(err, "fstat %s: %s", tmp, Words(err))
	}
	final := d.Path + "new/" + d.name(info)
	if err := d.link(tmp, final); err != nil {
		return trouble(err, "create maildir file %s: %s", final, Words(err))
	}
	if err := f.Close(); err != nil {
		os.Remove(final)
		return failed(err)
	}
	if err := d.sync(); err != nil {
		os.Remove(final)
		return err
	}
	return nil
}

// name is unique among all machines that share the folder: the device and
// inode of a file that exists, and the microsecond.
func (d Dir) name(info fs.FileInfo) string {
	st := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%d.V%xI%xM%d.%s", d.Time.Unix(), st.Dev, st.Ino, time.Now().Nanosecond()/1000, hostPart(d.Host))
}

// hostPart writes the characters of a host name that a maildir name cannot
// have as their octal codes. Source: https://cr.yp.to/proto/maildir.html
func hostPart(host string) string {
	return strings.NewReplacer("/", `\057`, ":", `\072`).Replace(host)
}

// create makes the file, and the directories when they are not there yet. A
// name that a crash left behind is taken over: nobody else can have it, for it
// has our process number.
func (d Dir) create(tmp string) (*os.File, error) {
	const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL
	f, err := os.OpenFile(tmp, flags, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.make(); err != nil {
			return nil, err
		}
		f, err = os.OpenFile(tmp, flags, 0o600)
	}
	if errors.Is(err, fs.ErrExist) && os.Remove(tmp) == nil {
		f, err = os.OpenFile(tmp, flags, 0o600)
	}
	return f, err
}

func (d Dir) make() error {
	for _, name := range []string{"tmp", "new", "cur"} {
		if err := d.makeAll(d.Path + name); err != nil {
			return err
		}
	}
	return nil
}

// makeAll makes a folder, and those above it. They belong to the user's group
// even where the system would give them the group of the folder above.
func (d Dir) makeAll(path string) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.makeAll(filepath.Dir(path)); err != nil {
			return err
		}
		err = os.Mkdir(path, 0o700)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = os.Chown(path, -1, d.User.GID)
	}
	return err
}

func (d Dir) link(tmp, final string) error {
	err := os.Link(tmp, final)
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.make(); err != nil {
			return err
		}
		err = os.Link(tmp, final)
	}
	return err
}

// sync makes the name last. A user may keep others, and himself, from listing
// the folder; mail is delivered all the same.
func (d Dir) sync() error {
	err := file.SyncDir(d.Path + "new")
	if err == nil || errors.Is(err, syscall.EACCES) {
		return nil
	}
	return trouble(err, "%snew: %s", d.Path, Words(err))
}
