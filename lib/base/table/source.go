package table

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"postrider/lib/base/msg"
)

// A Source is the file of an open table, as it was when it was opened.
type Source struct {
	*os.File
	// Live says that lookups see what others write to the file. Then only a
	// file that is replaced is a change.
	Live     bool
	modified time.Time
}

// Sourced is a table that may have a file: Source is nil when it has none.
type Sourced interface {
	Source() *Source
}

// OpenSource opens the file of a table for reading. It must stay open as long as
// the table, so that Changed can tell when the file is written or replaced.
func OpenSource(path string) (*Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return NewSource(f)
}

// NewSource is OpenSource for a file that is open.
func NewSource(f *os.File) (*Source, error) {
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = &os.PathError{Op: "open", Path: f.Name(), Err: syscall.EISDIR}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Source{File: f, modified: info.ModTime()}, nil
}

// Close closes the file, if there is one.
func (s *Source) Close() error {
	if s == nil {
		return nil
	}
	return s.File.Close()
}

// Modified returns when the file was written last before it was opened.
func (s *Source) Modified() time.Time { return s.modified }

// Changed returns the name of an open table whose file was written to or
// replaced since it was opened, and "" when there is none. A daemon that sees
// one ends when it has nothing to do; its successor opens the table anew.
func Changed() string {
	registry.Lock()
	defer registry.Unlock()
	for _, h := range registry.open {
		if h.changed() {
			return h.name
		}
	}
	return ""
}

// changed looks at the file that is open, not at the one that has its name now.
// A table that this process writes does change.
func (h *handle) changed() bool {
	if h.source == nil || h.flags&Writable != 0 {
		return false
	}
	info, err := h.source.Stat()
	if err != nil {
		return false
	}
	if info.Sys().(*syscall.Stat_t).Nlink == 0 {
		return true
	}
	return !h.source.Live && !info.ModTime().Equal(h.source.modified)
}

// Source returns the file of the table, or nil when it has none.
func (h *handle) Source() *Source { return h.source }

// WarnWhenOlder warns when a database file is older than the text that it was
// made from: somebody forgot to run postmap(1). A source that changed in this
// moment is not yet worth a warning.
func WarnWhenOlder(database *Source, source string) {
	info, err := os.Stat(source)
	if err != nil || !info.ModTime().After(database.modified) {
		return
	}
	if time.Since(info.ModTime()) > 100*time.Second {
		msg.Warn("database %s is older than source file %s", database.Name(), source)
	}
}

// Absolute returns a name of a table's file that does not depend on the current
// directory.
func Absolute(name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	if full, err := filepath.Abs(name); err == nil {
		return full
	}
	return name
}

// NotOpened is the error of a type whose file cannot be opened.
func NotOpened(path string, err error) error {
	var e *os.PathError
	if errors.As(err, &e) {
		err = e.Err
	}
	return &notOpened{path, err}
}

type notOpened struct {
	path string
	err  error
}

// Error has the words of the system in the way that other programs write them,
// because people and scripts look for them.
func (n *notOpened) Error() string {
	reason := n.err.Error()
	if reason != "" {
		reason = strings.ToUpper(reason[:1]) + reason[1:]
	}
	return "open database " + n.path + ": " + reason
}

func (n *notOpened) Unwrap() error { return n.err }
