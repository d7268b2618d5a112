// Package queue knows the queue directories: where a file is, how one comes
// into being, and the few changes that are allowed to one that exists.
//
// Paths are relative to the queue directory, which is the current directory
// of every daemon.
package queue

import (
	"errors"
	"os"
	"strings"
	"syscall"
)

// A Name is the name of a queue, and of its directory.
type Name string

// Queues, and the directories of logs about queued messages.
const (
	Maildrop Name = "maildrop"
	Incoming Name = "incoming"
	Active   Name = "active"
	Deferred Name = "deferred"
	Hold     Name = "hold"
	Corrupt  Name = "corrupt"
	Bounce   Name = "bounce"
	Defer    Name = "defer"
	Trace    Name = "trace"
	Flush    Name = "flush"
)

// Params are the parameters that say how queue directories are laid out.
type Params struct {
	// The queues that are split into sub-directories, so that no directory
	// becomes slow by its size.
	HashQueueNames string `param:"hash_queue_names" default:"deferred, defer"`

	// The number of sub-directory levels of the queues in $hash_queue_names.
	HashQueueDepth int `param:"hash_queue_depth" default:"1" min:"1" max:"32"`

	// Use queue file names that are not used again for many years. The short
	// form may come back as soon as the file is gone.
	EnableLongQueueIDs bool `param:"enable_long_queue_ids" default:"no"`

	// The longest piece of a line in queue files; longer lines are stored in
	// pieces and are whole again when they are delivered.
	LineLengthLimit int `param:"line_length_limit" default:"2048" min:"512" max:"1048576"`

	// The largest message, in bytes with envelope, that the system takes. 0
	// means no limit.
	MessageSizeLimit int64 `param:"message_size_limit" default:"10240000" min:"0"`
}

var layout = struct {
	hashed map[Name]bool
	depth  int
	long   bool
}{hashed: map[Name]bool{Deferred: true, Defer: true}, depth: 1}

// Configure sets the layout from main.cf. A process calls it once, before it
// touches a queue.
func Configure(p Params) {
	layout.hashed = map[Name]bool{}
	for _, name := range strings.FieldsFunc(p.HashQueueNames, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' }) {
		layout.hashed[Name(strings.ToLower(name))] = true
	}
	layout.depth, layout.long = p.HashQueueDepth, p.EnableLongQueueIDs
}

// Hashed reports whether the queue is split into sub-directories.
func Hashed(name Name) bool { return layout.hashed[name] }

// LongIDs reports whether new files get long IDs.
func LongIDs() bool { return layout.long }

// Path is where the file id of a queue is.
func Path(name Name, id string) string {
	if !layout.hashed[name] {
		return string(name) + "/" + id
	}
	return directory(name, id) + id
}

func directory(name Name, id string) string {
	key := hashKey(id)
	dir := make([]byte, 0, len(name)+1+2*layout.depth)
	dir = append(append(dir, name...), '/')
	for i := range layout.depth {
		c := byte('_')
		if i < len(key) {
			c = key[i]
		}
		dir = append(dir, c, '/')
	}
	return string(dir)
}

// Ready reports whether the permission bits say that a file is complete.
func Ready(mode uint32) bool { return mode&0o700 == 0o700 }

// Rename moves a message from one queue to another. The file is in exactly one
// of them at any time.
func Rename(id string, from, to Name) error {
	return RenamePath(Path(from, id), to, id)
}

// RenamePath moves any file to its place in a queue.
func RenamePath(old string, to Name, id string) error {
	err := syscall.Rename(old, Path(to, id))
	if err == syscall.ENOENT && layout.hashed[to] {
		if MakeDirectories(to, id) == nil {
			err = syscall.Rename(old, Path(to, id))
		}
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: old, New: Path(to, id), Err: err}
	}
	return nil
}

// MakeDirectories makes the hash directories above a file.
func MakeDirectories(name Name, id string) error {
	if !layout.hashed[name] {
		return nil
	}
	return os.MkdirAll(strings.TrimSuffix(directory(name, id), "/"), 0o700)
}

// Remove deletes a file; ErrNotExist says that there was none.
func Remove(name Name, id string) error {
	if err := syscall.Unlink(Path(name, id)); err != nil {
		return &os.PathError{Op: "remove", Path: Path(name, id), Err: err}
	}
	return nil
}

// ErrNotReady says that a file is not complete, or is no regular file: it is
// none of the reader's business.
var ErrNotReady = errors.New("queue file is not ready")

// Stat looks at a message before it is opened. Only complete regular files
// pass; the error is ErrNotReady for others.
func Stat(name Name, id string) (syscall.Stat_t, error) {
	var st syscall.Stat_t
	path := Path(name, id)
	if err := syscall.Lstat(path, &st); err != nil {
		return st, &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFREG || !Ready(st.Mode) {
		return st, ErrNotReady
	}
	return st, nil
}

// Messages are the queues that hold messages, in the order in which a message
// is looked for.
var Messages = []Name{Maildrop, Incoming, Active, Deferred, Hold}

// Find returns the queue in which the message is.
func Find(id string, in ...Name) (Name, syscall.Stat_t, error) {
	if len(in) == 0 {
		in = Messages
	}
	// A message may move while we look; a second round finds it.
	for range 2 {
		for _, name := range in {
			if st, err := Stat(name, id); err == nil {
				return name, st, nil
			}
		}
	}
	return "", syscall.Stat_t{}, &os.PathError{Op: "find", Path: id, Err: os.ErrNotExist}
}
