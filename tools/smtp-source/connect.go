package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"postrider/lib/base/poll"
)

// A target is where to connect to.
type target struct {
	addr   unix.Sockaddr
	family int
}

// lookup finds the address of a server, "host", "host:port", "[address]:port" or
// "unix:path".
func lookup(family, text string) (target, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return target{&unix.SockaddrUnix{Name: path}, unix.AF_UNIX}, nil
	}
	text = strings.TrimPrefix(text, "inet:")
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.Trim(text, "[]"), "smtp"
	}
	if host == "" {
		return target{}, fmt.Errorf("%s: missing host information", text)
	}
	n, err := net.LookupPort(family, port)
	if err != nil {
		return target{}, fmt.Errorf("%s: Servname not supported for ai_socktype", text)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(context.Background(), strings.Replace(family, "tcp", "ip", 1), host)
	if err != nil {
		return target{}, fmt.Errorf("%s: %s", text, poll.Trouble(err))
	}
	to, kind := poll.Sockaddr(netip.AddrPortFrom(addrs[0], uint16(n)))
	return target{to, kind}, nil
}

// connect begins a connection.
func (t target) connect(window int) (int, error) {
	fd, err := unix.Socket(t.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if window > 0 {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, window)
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, window)
	}
	if err = unix.Connect(fd, t.addr); err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return -1, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}
