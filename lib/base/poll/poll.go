// Package poll waits for many descriptors in one goroutine.
//
// Its reads and writes are for descriptors that never block. They do not tell
// the scheduler that the thread is in the kernel, which makes them cheaper.
package poll

import (
	"fmt"
	"io"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Poller is a set of descriptors. Each is reported once when something new
// happened to it: its user reads, or writes, until there is no more.
type Poller struct {
	fd     int
	events [256]unix.EpollEvent
}

// An Event says what happened to a descriptor.
type Event struct {
	FD       int
	Readable bool // input, the end of it, or trouble
	Writable bool
}

// New makes an empty set.
func New() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &Poller{fd: fd}, nil
}

// Add adds a connection. Closing it removes it.
func (p *Poller) Add(fd int) error {
	return p.add(fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLET)
}

// AddListener adds a descriptor that is reported as long as it is readable.
func (p *Poller) AddListener(fd int) error { return p.add(fd, unix.EPOLLIN) }

func (p *Poller) add(fd int, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd)}
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

// Remove takes a descriptor out without closing it.
func (p *Poller) Remove(fd int) { unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, fd, nil) }

// Wait waits until something happens, at most for the limit; a negative limit
// means forever. It calls do for each event.
func (p *Poller) Wait(limit time.Duration, do func(Event)) error {
	timeout := -1
	if limit >= 0 {
		timeout = int((limit + time.Millisecond - 1) / time.Millisecond)
	}
	n, err := unix.EpollWait(p.fd, p.events[:], timeout)
	if err == unix.EINTR {
		return nil
	}
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	for _, e := range p.events[:n] {
		const trouble = unix.EPOLLERR | unix.EPOLLHUP
		do(Event{FD: int(e.Fd), Readable: e.Events&(unix.EPOLLIN|trouble) != 0,
			Writable: e.Events&(unix.EPOLLOUT|trouble) != 0})
	}
	return nil
}

// ErrAgain says that there is nothing to read, or no room to write, for now.
var ErrAgain = syscall.EAGAIN

// Read reads from a non-blocking descriptor. The end of the input is io.EOF.
func Read(fd int, p []byte) (int, error) {
	n, err := call(syscall.SYS_READ, fd, p)
	if err == nil && n == 0 && len(p) > 0 {
		err = io.EOF
	}
	return n, err
}

// Write writes some of p to a non-blocking descriptor.
func Write(fd int, p []byte) (int, error) { return call(syscall.SYS_WRITE, fd, p) }

func call(number uintptr, fd int, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, _, errno := syscall.RawSyscall(number, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
			continue
		}
		return 0, errno
	}
}

// Sockaddr is the kernel's form of an address, with its family.
func Sockaddr(a netip.AddrPort) (unix.Sockaddr, int) {
	if addr := a.Addr().Unmap(); addr.Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: addr.As4()}, unix.AF_INET
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}, unix.AF_INET6
}
