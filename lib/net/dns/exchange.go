package dns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// udpSize is what we say we can take over UDP: it passes everywhere without
// fragments. DNS flag day 2020; RFC 6891, section 6.2.5.
const udpSize = 1232

var errTimeout = errors.New("no answer in time")

// A link is a connection with a name server. The calls block, with a time limit,
// so that a daemon with one goroutine needs no other threads.
type link struct {
	fd       int
	stream   bool // TCP: messages with a length in front
	deadline time.Time
}

// connect opens a link. Connecting a datagram socket makes the kernel drop
// packets from other senders, and report a closed port at once.
func connect(server netip.AddrPort, stream bool, limit time.Duration) (*link, error) {
	kind := unix.SOCK_DGRAM
	if stream {
		kind = unix.SOCK_STREAM
	}
	addr, family := sockaddr(server)
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	l := &link{fd, stream, time.Now().Add(limit)}
	tv := unix.NsecToTimeval(int64(limit))
	// The send limit also bounds the connect of TCP.
	if err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv); err == nil {
		err = ignoringEINTR(func() error { return unix.Connect(fd, addr) })
	}
	if err != nil {
		l.close()
		return nil, fmt.Errorf("connect to %s: %w", server, err)
	}
	return l, nil
}

func sockaddr(ap netip.AddrPort) (unix.Sockaddr, int) {
	a := ap.Addr().Unmap()
	if a.Is4() {
		return &unix.SockaddrInet4{Port: int(ap.Port()), Addr: a.As4()}, unix.AF_INET
	}
	to := &unix.SockaddrInet6{Port: int(ap.Port()), Addr: a.As16()}
	if zone := a.Zone(); zone != "" {
		if i, err := net.InterfaceByName(zone); err == nil {
			to.ZoneId = uint32(i.Index)
		}
	}
	return to, unix.AF_INET6
}

func (l *link) close() { unix.Close(l.fd) }

// send writes one message.
func (l *link) send(message []byte) error {
	if l.stream {
		message = append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
	}
	for len(message) > 0 {
		n, err := unix.Write(l.fd, message)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
		message = message[n:]
	}
	return nil
}

// receive reads the next message.
func (l *link) receive() ([]byte, error) {
	if !l.stream {
		buf := make([]byte, 4096)
		n, err := l.read(buf)
		return buf[:n], err
	}
	var size [2]byte
	if err := l.readFull(size[:]); err != nil {
		return nil, err
	}
	buf := make([]byte, binary.BigEndian.Uint16(size[:]))
	return buf, l.readFull(buf)
}

func (l *link) readFull(buf []byte) error {
	for len(buf) > 0 {
		n, err := l.read(buf)
		if err != nil {
			return err
		}
		if n == 0 {
			return errors.New("receive: connection closed")
		}
		buf = buf[n:]
	}
	return nil
}

// read waits until there is something, at most until the deadline.
func (l *link) read(buf []byte) (int, error) {
	for {
		left := time.Until(l.deadline)
		if left <= 0 {
			return 0, errTimeout
		}
		tv := unix.NsecToTimeval(max(int64(left), 1000)) // 0 would mean: no limit
		if err := unix.SetsockoptTimeval(l.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
			return 0, fmt.Errorf("receive: %w", err)
		}
		n, err := unix.Read(l.fd, buf)
		switch err {
		case nil:
			return n, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, errTimeout
		default:
			return 0, fmt.Errorf("receive: %w", err)
		}
	}
}

func ignoringEINTR(do func() error) error {
	for {
		if err := do(); err != unix.EINTR {
			return err
		}
	}
}
