package ipc

import (
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"postrider/lib/base/stream"
)

// SendDescriptor passes an open file to the process at the other end of a
// connection, with one byte of data. What was written before must be flushed.
func SendDescriptor(c stream.Conn, fd int) error {
	err := onSocket(c, func(socket int) error {
		return unix.Sendmsg(socket, []byte{0}, unix.UnixRights(fd), nil, 0)
	})
	if err != nil {
		return fmt.Errorf("pass a descriptor: %w", err)
	}
	return nil
}

// ReceiveDescriptor takes an open file from the process at the other end of a
// connection. What came before must be read; nothing must have come behind.
func ReceiveDescriptor(c stream.Conn) (fd int, err error) {
	err = onSocket(c, func(socket int) (err error) {
		fd, err = receive(socket)
		return err
	})
	if err != nil {
		return -1, fmt.Errorf("receive a descriptor: %w", err)
	}
	return fd, nil
}

func receive(socket int) (int, error) {
	var b [1]byte
	oob := make([]byte, unix.CmsgSpace(4))
	n, size, _, _, err := unix.Recvmsg(socket, b[:], oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	if n == 0 && size == 0 {
		return -1, io.ErrUnexpectedEOF
	}
	var fds []int
	messages, err := unix.ParseSocketControlMessage(oob[:size])
	for i := range messages {
		if list, err := unix.ParseUnixRights(&messages[i]); err == nil {
			fds = append(fds, list...)
		}
	}
	if err == nil && len(fds) == 1 {
		return fds[0], nil
	}
	for _, fd := range fds {
		syscall.Close(fd)
	}
	return -1, fmt.Errorf("%d of them came (%v)", len(fds), err)
}

// onSocket calls f with the descriptor of a connection, again when it must wait.
func onSocket(c stream.Conn, f func(socket int) error) error {
	switch c := c.(type) {
	case stream.Local:
		return blocking(int(c.FD), f)
	case stream.FD:
		return blocking(int(c), f)
	case syscall.Conn:
		raw, err := c.SyscallConn()
		if err != nil {
			return err
		}
		var result error
		err = raw.Read(func(fd uintptr) bool {
			result = f(int(fd))
			return result != unix.EAGAIN && result != unix.EINTR
		})
		if err != nil {
			return err
		}
		return result
	}
	return fmt.Errorf("no socket: %T", c)
}

func blocking(fd int, f func(socket int) error) error {
	for {
		switch err := f(fd); err {
		case unix.EINTR:
		case unix.EAGAIN:
			return os.ErrDeadlineExceeded
		default:
			return err
		}
	}
}
