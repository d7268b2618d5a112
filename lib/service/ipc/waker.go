package ipc

import (
	"os"
	"syscall"
)

// Keep, in a wake-up request, asks a queue manager of ours to leave the
// connection open for more of them. Others ignore it, as they ignore all
// requests that they do not know, and close.
const Keep = "K"

// A Waker wakes one service again and again: once with a connection for each
// request, then, when the service offers it, with one byte.
type Waker struct {
	path  string
	fd    int // -1: no connection
	kept  bool
	alone bool // the service wants a connection for each request
}

// NewWaker returns a Waker for the service at path.
func NewWaker(path string) *Waker { return &Waker{path: path, fd: -1} }

// Wake sends a wake-up request.
func (w *Waker) Wake() error {
	if w.alone {
		return Trigger(w.path, Wakeup)
	}
	if w.fd >= 0 && !w.kept {
		w.offered()
	}
	if w.kept {
		if _, err := syscall.Write(w.fd, []byte(Wakeup)); err == nil {
			return nil
		}
		w.close() // the service was restarted
	}
	return w.connect()
}

// offered looks for the answer to the first request.
func (w *Waker) offered() {
	var b [1]byte
	n, _, err := syscall.Recvfrom(w.fd, b[:], syscall.MSG_DONTWAIT)
	switch {
	case n == 1:
		w.kept = true
		return
	case err == nil: // closed: a stock service
		w.alone = true
	}
	w.close()
}

func (w *Waker) connect() error {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	if err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: w.path}); err != nil {
		syscall.Close(fd)
		return Trigger(w.path, Wakeup) // a FIFO, a crowd, or nobody there
	}
	if _, err := syscall.Write(fd, []byte(Wakeup+Keep)); err != nil {
		syscall.Close(fd)
		return &os.PathError{Op: "trigger", Path: w.path, Err: err}
	}
	w.fd = fd
	return nil
}

func (w *Waker) close() {
	syscall.Close(w.fd)
	w.fd, w.kept = -1, false
}
