package milter

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/mail/port"
)

func number(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// An address is where a filter listens.
type address struct {
	path string // of a local socket
	host string
	port uint16
}

// ports knows the numbers of services.
var ports port.Params

// parseAddress reads "inet:host:port", "inet:[address]:port", or "unix:path".
func parseAddress(name string) (address, error) {
	transport, rest, ok := strings.Cut(name, ":")
	switch {
	case !ok:
		return address{}, fmt.Errorf("Milter service needs transport:endpoint instead of %q", name)
	case transport == "unix" || transport == "local":
		return address{path: rest}, nil
	case transport != "inet":
		return address{}, fmt.Errorf("invalid transport name: %s in Milter service: %s", transport, name)
	}
	i := strings.LastIndexByte(rest, ':')
	if i < 0 {
		return address{}, fmt.Errorf("Milter service %s: want inet:host:port", name)
	}
	n, err := ports.Number(rest[i+1:])
	if err != nil {
		return address{}, fmt.Errorf("Milter service %s: %w", name, err)
	}
	host := strings.TrimSuffix(strings.TrimPrefix(rest[:i], "["), "]")
	return address{host: host, port: uint16(n)}, nil
}

// dial connects within the time limit.
func (a address) dial(resolve Resolver, limit time.Duration) (fd int, err error) {
	if a.path != "" {
		return connect(unix.AF_UNIX, &unix.SockaddrUnix{Name: a.path}, limit)
	}
	addrs, err := a.resolve(resolve)
	if err != nil {
		return -1, err
	}
	deadline := time.Now().Add(limit)
	for _, ip := range addrs {
		left := time.Until(deadline)
		if left <= 0 {
			break
		}
		family, sa := socketAddress(netip.AddrPortFrom(ip.Unmap(), a.port))
		if fd, err = connect(family, sa, left); err == nil {
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
			return fd, nil
		}
	}
	if err == nil {
		err = unix.ETIMEDOUT
	}
	return -1, err
}

func (a address) resolve(resolve Resolver) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(a.host); err == nil {
		return []netip.Addr{ip}, nil
	}
	return resolve(a.host)
}

func socketAddress(ap netip.AddrPort) (family int, sa unix.Sockaddr) {
	if ap.Addr().Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(ap.Port()), Addr: ap.Addr().As16()}
}

// connect makes a blocking socket; the time limit for sending is also the one for
// connecting.
func connect(family int, sa unix.Sockaddr, limit time.Duration) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	tv := unix.NsecToTimeval(int64(limit))
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv)
	for {
		err = unix.Connect(fd, sa)
		if err != unix.EINTR {
			break
		}
	}
	switch err {
	case nil, unix.EISCONN:
		return fd, nil
	case unix.EINPROGRESS, unix.EAGAIN, unix.EALREADY:
		err = unix.ETIMEDOUT
	}
	unix.Close(fd)
	return -1, err
}
