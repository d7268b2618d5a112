package main

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/asuser"
)

// An address is where clients come in: on the network, or at a path below the
// queue directory. Equal addresses are the same place, so a service keeps its
// sockets when master.cf is read again.
type address struct {
	kind string // as in master.cf: inet, unix, unix-dgram, fifo, pass
	path string // "private/rewrite"
	inet netip.AddrPort
}

func (a address) String() string {
	if a.kind == "inet" {
		return fmt.Sprintf("%s port %d", a.inet.Addr(), a.inet.Port())
	}
	return a.path
}

// A socket is an address with a descriptor. The descriptor does not block: the
// children share it, and the one that comes too late must not wait in accept.
type socket struct {
	address
	fd   int
	port int // TCP port, 0 for other kinds
}

// listen makes the socket. Names in the file system belong to owner, and are
// made with that user's rights.
func listen(a address, backlog int, owner asuser.User) (socket, error) {
	k := socket{address: a, fd: -1}
	var err error
	switch a.kind {
	case "inet":
		k.port = int(a.inet.Port())
		k.fd, err = listenInet(a.inet, backlog)
	case "unix", "pass":
		k.fd, err = listenUnix(a.path, unix.SOCK_STREAM, backlog, owner)
	case "unix-dgram":
		k.fd, err = listenUnix(a.path, unix.SOCK_DGRAM, 0, owner)
	case "fifo":
		k.fd, err = openFIFO(a.path, owner)
	default:
		err = fmt.Errorf("unknown service type %q", a.kind)
	}
	if err != nil {
		return k, fmt.Errorf("bind %v: %w", a, err)
	}
	return k, nil
}

// close leaves names in the file system where they are: a client then learns
// "connection refused", which says more than "no such file".
func (k socket) close() { unix.Close(k.fd) }

// setBacklog changes how many clients may wait.
func (k socket) setBacklog(backlog int) {
	if k.kind != "fifo" && k.kind != "unix-dgram" {
		unix.Listen(k.fd, backlog)
	}
}

const socketFlags = unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK

func listenInet(addr netip.AddrPort, backlog int) (fd int, err error) {
	family, where := socketAddress(addr)
	if fd, err = unix.Socket(family, unix.SOCK_STREAM|socketFlags, 0); err != nil {
		return -1, err
	}
	defer closeUnless(&err, fd)
	// Processes of the past may hold the address for a while after a reload
	// that changed inet_interfaces; reusing the port too gets past them.
	for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1); err != nil {
			return -1, err
		}
	}
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return -1, err
		}
	}
	if err := unix.Bind(fd, where); err != nil {
		return -1, err
	}
	return fd, unix.Listen(fd, backlog)
}

func socketAddress(addr netip.AddrPort) (family int, where unix.Sockaddr) {
	if addr.Addr().Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
}

// hasIPv6 reports whether the kernel knows the protocol.
func hasIPv6() bool {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err == nil
}

// listenUnix replaces what is left from an earlier run. The right to connect is
// decided by the directory: all users may write to the socket itself. The mode
// comes from the umask, because changing it later would follow a link that
// somebody put there meanwhile.
func listenUnix(path string, kind, backlog int, owner asuser.User) (fd int, err error) {
	err = asOwner(owner, func() error {
		if err := unix.Unlink(path); err != nil && err != unix.ENOENT {
			return fmt.Errorf("remove %s: %w", path, err)
		}
		if fd, err = unix.Socket(unix.AF_UNIX, kind|socketFlags, 0); err != nil {
			return err
		}
		defer unix.Umask(unix.Umask(0o111))
		return unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	})
	defer closeUnless(&err, fd)
	if err == nil && kind == unix.SOCK_STREAM {
		err = unix.Listen(fd, backlog)
	}
	return fd, err
}

// openFIFO opens both ends, so that readers never see the end of file that
// comes when the last writer leaves.
func openFIFO(path string, owner asuser.User) (fd int, err error) {
	err = asOwner(owner, func() error {
		if err := unix.Unlink(path); err != nil && err != unix.ENOENT {
			return fmt.Errorf("remove %s: %w", path, err)
		}
		defer unix.Umask(unix.Umask(0))
		if err := unix.Mkfifo(path, 0o622); err != nil {
			return err
		}
		fd, err = unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

// asOwner calls f with the rights of owner. A master without privileges, as in
// tests, has only its own.
func asOwner(owner asuser.User, f func() error) error {
	if !asuser.Possible() {
		return f()
	}
	return asuser.Do(owner, f)
}

func closeUnless(err *error, fd int) {
	if *err != nil && fd > 0 {
		unix.Close(fd)
	}
}

// dial connects to the socket as a client would. A service that has so many
// clients waiting that no more fit is surely awake: that is errBusy.
func (k socket) dial() (fd int, err error) {
	switch k.kind {
	case "fifo":
		return unix.Open(k.path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	case "unix-dgram":
		fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|socketFlags, 0)
	case "inet":
		return k.dialInet()
	default:
		fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|socketFlags, 0)
	}
	if err != nil {
		return -1, err
	}
	defer closeUnless(&err, fd)
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: k.path})
	if err == unix.EAGAIN {
		err = errBusy
	}
	return fd, err
}

var errBusy = errors.New("many clients are waiting")

// dialInet waits for the connection, but not for long.
func (k socket) dialInet() (fd int, err error) {
	family, where := socketAddress(k.inet)
	if fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, err
	}
	defer closeUnless(&err, fd)
	limit := unix.NsecToTimeval(int64(wakeupTimeout / time.Nanosecond))
	if err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
		return -1, err
	}
	err = unix.Connect(fd, where)
	if err == syscall.EINPROGRESS { // what a time-out looks like here
		err = syscall.ETIMEDOUT
	}
	return fd, err
}
