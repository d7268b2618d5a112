package main

import (
	"errors"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/daemon/agent"
)

// A conn is a blocking socket that makes few system calls: the limits are set
// only when they differ from what the kernel has and when the call may wait.
type conn struct {
	fd         stream.FD
	limit      time.Duration
	recv, send time.Duration // what the kernel knows
	sent       int           // bytes since the last answer
	noDelay    bool
}

// window is what a socket takes without waiting: less than the smallest buffer
// that systems give to a connection.
const window = 16 * 1024

func (c *conn) Read(p []byte) (int, error) {
	c.sent = 0
	if c.recv != c.limit {
		c.recv = c.limit
		tv := unix.NsecToTimeval(int64(c.limit))
		if err := unix.SetsockoptTimeval(int(c.fd), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
			return 0, err
		}
	}
	return c.fd.Read(p)
}

func (c *conn) Write(p []byte) (int, error) {
	if c.sent > 0 && !c.noDelay {
		// A second packet without an answer to the first one would wait for
		// the peer's delayed acknowledgement. Sockets of other kinds refuse.
		c.noDelay = true
		unix.SetsockoptInt(int(c.fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	c.sent += len(p)
	if c.sent > window && c.send != c.limit {
		c.send = c.limit
		tv := unix.NsecToTimeval(int64(c.limit))
		if err := unix.SetsockoptTimeval(int(c.fd), unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv); err != nil {
			return 0, err
		}
	}
	return c.fd.Write(p)
}

func (c *conn) Close() error { return c.fd.Close() }

// SetTimeout limits what comes, when it comes.
func (c *conn) SetTimeout(d time.Duration) error {
	c.limit = max(d, time.Microsecond)
	return nil
}

// connect opens a connection to a target, or says why there is none.
func (r *router) connect(t target) (stream.Conn, *agent.Outcome) {
	if t.path != "" {
		return dial(t, unix.AF_UNIX, &unix.SockaddrUnix{Name: t.path}, nil)
	}
	if t.addr.Is4() {
		from, why := r.bindAddress(t, conf.BindAddress, "smtp_bind_address")
		if why != nil {
			return nil, why
		}
		return dial(t, unix.AF_INET, &unix.SockaddrInet4{Port: t.port, Addr: t.addr.As4()}, from)
	}
	from, why := r.bindAddress(t, conf.BindAddress6, "smtp_bind_address6")
	if why != nil {
		return nil, why
	}
	return dial(t, unix.AF_INET6, &unix.SockaddrInet6{Port: t.port, Addr: t.addr.As16()}, from)
}

// bindAddress is where to connect from: what main.cf says or, for a system that
// receives mail on one address only, this address, so that mail comes from the
// machine that it claims to be.
func (r *router) bindAddress(t target, text, name string) (unix.Sockaddr, *agent.Outcome) {
	if text == "" {
		if own, ok := r.onlyAddress(t.addr.Is4()); ok {
			return sockaddr(own), nil
		}
		return nil, nil
	}
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err == nil && addr.Is4() != t.addr.Is4() {
		err = errors.New("the address is of another family")
	}
	if err == nil {
		return sockaddr(addr), nil
	}
	msg.Warn("bad %s parameter: %s: %v", paramName(name), text, err)
	if conf.BindAddressEnforce {
		return nil, failure("4.4.0", "server configuration error")
	}
	return nil, nil
}

// onlyAddress gives the address of $inet_interfaces when it has one of the
// family that is not the loopback address.
func (r *router) onlyAddress(four bool) (netip.Addr, bool) {
	if strings.EqualFold(strings.TrimSpace(conf.Domains.InetInterfaces), "all") {
		return netip.Addr{}, false
	}
	list, err := conf.Domains.Addresses()
	if err != nil {
		return netip.Addr{}, false
	}
	var only netip.Addr
	for _, a := range list {
		if a.Is4() != four {
			continue
		}
		if only.IsValid() {
			return netip.Addr{}, false
		}
		only = a
	}
	return only, only.IsValid() && !only.IsLoopback()
}

func sockaddr(a netip.Addr) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Addr: a.As16()}
}

// dial makes the socket. The send limit of a socket also bounds its connect.
func dial(t target, family int, to, from unix.Sockaddr) (stream.Conn, *agent.Outcome) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, failure("4.3.0", "socket: %s", reason(err))
	}
	c := &conn{fd: stream.FD(fd), send: conf.ConnectTimeout}
	if why := prepare(fd, from); why != nil {
		c.Close()
		return nil, why
	}
	err = ignoringEINTR(func() error { return unix.Connect(fd, to) })
	if err == nil {
		return c, nil
	}
	c.Close()
	if err == unix.EINPROGRESS || err == unix.EAGAIN {
		err = unix.ETIMEDOUT
	}
	if t.path != "" {
		return nil, failure("4.4.1", "connect to %s: %s", t.name(), reason(err))
	}
	return nil, failure("4.4.1", "connect to %s: %s", t.relay(), reason(err))
}

// prepare sets what must be set before a connection is made.
func prepare(fd int, from unix.Sockaddr) *agent.Outcome {
	if conf.ConnectTimeout > 0 {
		tv := unix.NsecToTimeval(int64(conf.ConnectTimeout))
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv); err != nil {
			return failure("4.3.0", "setsockopt: %s", reason(err))
		}
	}
	if conf.TCPWindowsize > 0 {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, conf.TCPWindowsize)
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, conf.TCPWindowsize)
	}
	if from == nil {
		return nil
	}
	if err := unix.Bind(fd, from); err != nil {
		msg.Warn("bind %s: %s", sockaddrText(from), reason(err))
		if conf.BindAddressEnforce {
			return failure("4.4.0", "server configuration error")
		}
	}
	return nil
}

func sockaddrText(a unix.Sockaddr) string {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(a.Addr).String()
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(a.Addr).String()
	}
	return "unknown"
}

func ignoringEINTR(do func() error) error {
	for {
		if err := do(); err != unix.EINTR {
			return err
		}
	}
}

// reason is the text of a system error as it has always been in mail logs:
// "Connection refused".
func reason(err error) string {
	var errno syscall.Errno
	text := err.Error()
	if errors.As(err, &errno) {
		text = errno.Error()
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
