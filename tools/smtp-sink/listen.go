package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"postrider/lib/base/poll"
)

// listen opens the sockets for "[host]:port" or "unix:path".
func listen(o *settings, text string, backlog int) ([]int, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		os.Remove(path)
		fd, err := bind(o, &unix.SockaddrUnix{Name: path}, unix.AF_UNIX, backlog)
		if err == nil {
			err = os.Chmod(path, 0o666)
		} else {
			err = fmt.Errorf("bind: %s: %w", path, err)
		}
		return []int{fd}, err
	}
	text = strings.TrimPrefix(text, "inet:")
	host, port, err := net.SplitHostPort(text)
	if err != nil { // without a host there is no colon either
		host, port = "", text
	}
	n, err := net.LookupPort(o.network, port)
	if err != nil {
		return nil, fmt.Errorf("%s: Servname not supported for ai_socktype", text)
	}
	addrs, err := addresses(o.network, host)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", text, poll.Trouble(err))
	}
	var fds []int
	for _, a := range addrs {
		to, family := poll.Sockaddr(netip.AddrPortFrom(a, uint16(n)))
		fd, err := bind(o, to, family, backlog)
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w", a, err)
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

func addresses(family, host string) ([]netip.Addr, error) {
	if host != "" {
		return net.DefaultResolver.LookupNetIP(context.Background(), strings.Replace(family, "tcp", "ip", 1), host)
	}
	four, six := netip.IPv4Unspecified(), netip.IPv6Unspecified()
	switch family {
	case "tcp4":
		return []netip.Addr{four}, nil
	case "tcp6":
		return []netip.Addr{six}, nil
	}
	if fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM, 0); err == nil {
		unix.Close(fd)
		return []netip.Addr{four, six}, nil
	}
	return []netip.Addr{four}, nil
}

func bind(o *settings, addr unix.Sockaddr, family, backlog int) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if family == unix.AF_INET6 {
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if o.window > 0 {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, o.window)
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, o.window)
	}
	if err = unix.Bind(fd, addr); err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
