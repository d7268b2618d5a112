package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/net/starttls"
	"postrider/lib/service/ipc"
	"postrider/lib/service/tlsproxy"
)

// serve does TLS with one client, for the program at the other end of s.
func serve(s *stream.Stream) {
	s.SetTimeout(conf.IPCTimeout)
	ipc.Announce(s, tlsproxy.Protocol)
	var q tlsproxy.Request
	if err := attr.Read(s, &q); err != nil {
		msg.Debug("request: %v", err)
		return
	}
	reply := tlsproxy.Reply{Status: tlsproxy.Agreed}
	if engine == nil || q.Role != tlsproxy.Server {
		reply.Status = tlsproxy.Refused
	}
	if reply.Status != tlsproxy.Agreed && engine != nil {
		msg.Warn("request for %s: only TLS with clients of postscreen(8) is possible", q.Remote)
	}
	attr.Write(s, reply)
	if s.Flush() != nil || reply.Status != tlsproxy.Agreed {
		return
	}
	fd, err := receive(s)
	if err != nil {
		msg.Warn("receive the connection of %s: %v", q.Remote, err)
		return
	}
	client := &clientConn{os.NewFile(uintptr(fd), q.Remote)}
	defer client.Close()
	inside := stream.New(client)
	session, err := engine.Start(inside, q.Remote, time.Duration(q.Handshake)*time.Second)
	if err != nil {
		return // that was logged
	}
	session.SetTimeout(0) // postscreen(8) has a limit
	join(s, client, session)
}

// receive takes the descriptor of a connection.
func receive(s *stream.Stream) (int, error) {
	c, ok := s.Conn().(syscall.Conn)
	if !ok || s.Buffered() > 0 {
		return -1, errors.New("the other side has sent something else")
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	var b [1]byte
	oob := make([]byte, unix.CmsgSpace(4))
	size := 0
	failed := raw.Read(func(fd uintptr) bool {
		_, size, _, _, err = unix.Recvmsg(int(fd), b[:], oob, unix.MSG_CMSG_CLOEXEC)
		return err != unix.EAGAIN
	})
	if err = errors.Join(failed, err); err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:size])
	if err != nil || len(messages) != 1 {
		return -1, fmt.Errorf("no descriptor came (%v)", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, fmt.Errorf("no descriptor came (%v)", err)
	}
	return fds[0], unix.SetNonblock(fds[0], true)
}

// join copies between both until one of them ends.
func join(s *stream.Stream, client *clientConn, session *starttls.ServerSession) {
	plain := s.Conn()
	plain.SetTimeout(0)
	done := make(chan bool, 2)
	go func() {
		io.Copy(struct{ io.Writer }{plain}, struct{ io.Reader }{session})
		done <- true
	}()
	go func() {
		io.Copy(struct{ io.Writer }{session}, struct{ io.Reader }{plain})
		done <- true
	}()
	<-done
	plain.Close()
	client.endInput()
	<-done
	session.Close()
}

// A clientConn is the connection of a client, in the runtime's poller.
type clientConn struct{ *os.File }

// SetTimeout limits what comes next; 0: no limit.
func (c *clientConn) SetTimeout(d time.Duration) error {
	if d <= 0 {
		return c.SetDeadline(time.Time{})
	}
	return c.SetDeadline(time.Now().Add(d))
}

// Read reads; the end is io.EOF.
func (c *clientConn) Read(p []byte) (int, error) {
	n, err := c.File.Read(p)
	if n == 0 && err == nil && len(p) > 0 {
		err = io.EOF
	}
	return n, err
}

// endInput makes a read that waits end.
func (c *clientConn) endInput() {
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_RD) })
	}
}
