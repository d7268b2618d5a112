package queue

import (
	"iter"
	"os"
	"syscall"
)

// A Scanner walks through a queue directory and all its hash directories, at
// whatever depth they are. It reads a portion at a time, so a scan of a large
// queue can be spread over other work.
type Scanner struct {
	stack   []openDirectory
	buf     []byte
	entries []entry
}

type openDirectory struct {
	fd   int
	path string
}

type entry struct {
	name      string
	directory bool
	unknown   bool // the file system does not tell types
}

// direntSize is the size of one portion of a directory.
const direntSize = 8 * 1024

// NewScanner opens the directory of a queue.
func NewScanner(name Name) (*Scanner, error) {
	s := &Scanner{buf: make([]byte, direntSize)}
	return s, s.push(string(name))
}

func (s *Scanner) push(path string) error {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "scan", Path: path, Err: err}
	}
	s.stack = append(s.stack, openDirectory{fd, path})
	return nil
}

// Next returns the next file name that can be a queue file. Hash directories
// are entered when they are met; id is "" at the end of the scan.
func (s *Scanner) Next() (id string, err error) {
	for len(s.stack) > 0 {
		for len(s.entries) > 0 {
			e := s.entries[0]
			s.entries = s.entries[1:]
			top := s.stack[len(s.stack)-1]
			if len(e.name) == 1 && ValidID(e.name) && (e.directory || e.unknown && isDirectory(top.path+"/"+e.name)) {
				s.descend(top.path + "/" + e.name)
				continue
			}
			if !e.directory && ValidID(e.name) {
				return e.name, nil
			}
		}
		if err := s.refill(); err != nil {
			return "", err
		}
	}
	return "", nil
}

// descend reads a hash directory next and puts the entries that are left of
// its parent behind it.
func (s *Scanner) descend(path string) {
	rest := s.entries
	s.entries = nil
	sub := &Scanner{buf: s.buf}
	if sub.push(path) != nil {
		s.entries = rest
		return
	}
	for {
		// Entries of a hash directory are read whole: an open portion
		// for each level would make the state of a scan hard to follow.
		id, err := sub.Next()
		if id == "" || err != nil {
			break
		}
		s.entries = append(s.entries, entry{name: id})
	}
	sub.Close()
	s.entries = append(s.entries, rest...)
}

func (s *Scanner) refill() error {
	top := s.stack[len(s.stack)-1]
	n, err := syscall.ReadDirent(top.fd, s.buf)
	if err == syscall.EINTR {
		return nil
	}
	if n <= 0 || err != nil {
		syscall.Close(top.fd)
		s.stack = s.stack[:len(s.stack)-1]
		if err != nil {
			return &os.PathError{Op: "scan", Path: top.path, Err: err}
		}
		return nil
	}
	s.entries = parseDirents(s.entries[:0], s.buf[:n])
	return nil
}

// parseDirents takes the entries of getdents64 apart: inode 8 bytes, offset 8,
// length 2, type 1, name with NUL.
func parseDirents(list []entry, b []byte) []entry {
	const header = 19
	for len(b) >= header {
		length := int(b[16]) | int(b[17])<<8
		if length < header || length > len(b) {
			break
		}
		name := b[header:length]
		for i, c := range name {
			if c == 0 {
				name = name[:i]
				break
			}
		}
		kind := b[18]
		if text := string(name); text != "." && text != ".." {
			list = append(list, entry{text, kind == syscall.DT_DIR, kind == syscall.DT_UNKNOWN})
		}
		b = b[length:]
	}
	return list
}

func isDirectory(path string) bool {
	var st syscall.Stat_t
	return syscall.Lstat(path, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFDIR
}

// Close ends a scan early.
func (s *Scanner) Close() {
	for _, d := range s.stack {
		syscall.Close(d.fd)
	}
	s.stack, s.entries = nil, nil
}

// Scan ranges over the names of all files in the queue that can be queue
// files.
func (n Name) Scan() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		s, err := NewScanner(n)
		if err != nil {
			yield("", err)
			return
		}
		defer s.Close()
		for {
			id, err := s.Next()
			if err != nil {
				yield("", err)
				return
			}
			if id == "" || !yield(id, nil) {
				return
			}
		}
	}
}
