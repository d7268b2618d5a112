package server

import (
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
)

// Multi serves many clients, each in a goroutine of its own. The function
// returns when its client is gone.
func Multi(serve func(*stream.Stream, Client)) Style { return &multi{serve: serve} }

type multi struct {
	serve   func(*stream.Stream, Client)
	clients atomic.Int64
	done    chan struct{}
}

func (*multi) single() bool { return false }

// drainTime is how long a process that must end waits for its clients.
const drainTime = 10 * time.Second

func (m *multi) run(p *Process) {
	if p.Alone {
		st := stream.New(stream.Pair(0, 1))
		m.serve(st, Client{FD: -1, Process: p})
		st.Flush()
		return
	}
	m.done = make(chan struct{}, 1)
	a := newAcceptor(p)
	a.busy = true // master hears once that requests get done, then always "free"
	var err error
	p.retireFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	must("eventfd", err)
	a.add(p.retireFD, unix.EPOLLIN)
	used := 0
	for p.daemon.Endless || p.daemon.UseAlways || used < p.MaxUse {
		fd := m.next(a)
		if fd < 0 {
			break
		}
		if used == 0 {
			p.Taken()
			p.Available()
		}
		used++
		m.start(p, fd)
	}
	if !p.MasterGone() {
		p.Taken() // no more clients here, please
	}
	m.drain(p)
}

// Retire makes a Multi daemon take no more clients and end when those that it
// has are gone: for tables that changed under it.
func (p *Process) Retire() {
	if p.retired.CompareAndSwap(false, true) {
		syscall.Write(p.retireFD, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

// Retired reports whether Retire was called.
func (p *Process) Retired() bool { return p.retired.Load() }

// next waits for a client; the idle limit counts only while there is none.
func (m *multi) next(a *acceptor) int {
	for {
		fd, ok := a.wait(time.Now().Add(a.p.MaxIdle))
		if !ok {
			if a.p.Retired() || a.p.MasterGone() || m.clients.Load() == 0 {
				return -1
			}
			continue
		}
		if client := a.accept(fd); client >= 0 {
			a.p.progress.busy = false
			return client
		}
	}
}

func (m *multi) start(p *Process, fd int) {
	syscall.SetNonblock(fd, true)
	c := &fileConn{File: os.NewFile(uintptr(fd), "client")}
	m.clients.Add(1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				reportPanic(r)
			}
			m.clients.Add(-1)
			select {
			case m.done <- struct{}{}:
			default:
			}
		}()
		st := stream.New(c)
		m.serve(st, Client{FD: fd, Process: p})
		st.Close()
	}()
}

// drain waits for the clients that are left.
func (m *multi) drain(p *Process) {
	limit := time.After(drainTime)
	if !p.MasterGone() {
		limit = time.After(p.IPCTTL)
	}
	for m.clients.Load() > 0 {
		select {
		case <-m.done:
		case <-limit:
			return
		}
	}
}

// A fileConn is a socket in the runtime's poller, without package net.
type fileConn struct {
	*os.File
	timeout time.Duration
}

func (c *fileConn) SetTimeout(d time.Duration) error {
	c.timeout = d
	return nil
}

func (c *fileConn) limit() time.Time {
	if c.timeout <= 0 {
		return time.Time{}
	}
	return time.Now().Add(c.timeout)
}

func (c *fileConn) Read(p []byte) (int, error) {
	if c.timeout > 0 {
		c.SetReadDeadline(c.limit())
	}
	n, err := c.File.Read(p)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

func (c *fileConn) Write(p []byte) (int, error) {
	if c.timeout > 0 {
		c.SetWriteDeadline(c.limit())
	}
	return c.File.Write(p)
}

// Trigger serves wake-up requests: a few bytes, without a reply.
func Trigger(wakeup func(requests []byte)) Style { return trigger{wakeup} }

type trigger struct{ wakeup func([]byte) }

func (trigger) single() bool { return true }

// Limits of a wake-up request.
const (
	triggerSize = 1024
	triggerWait = 10 * time.Second
)

func (t trigger) run(p *Process) {
	if p.Type == "fifo" {
		t.fifo(p)
		return
	}
	a := newAcceptor(p)
	for used := 0; p.daemon.Endless || p.daemon.UseAlways || used < p.MaxUse; used++ {
		fd := a.next(used > 0)
		if fd < 0 {
			return
		}
		requests := ReadTrigger(fd)
		t.wakeup(requests)
	}
}

// ReadTrigger reads the requests of one client and closes the connection.
func ReadTrigger(fd int) []byte {
	defer syscall.Close(fd)
	c := stream.FD(fd)
	c.SetTimeout(triggerWait)
	b := make([]byte, triggerSize)
	n, err := c.Read(b)
	if err != nil && err != io.EOF {
		msg.Debug("read a wake-up request: %v", err)
	}
	return b[:n]
}

func (t trigger) fifo(p *Process) {
	a := newAcceptor(p)
	for used := 0; p.daemon.Endless || used < p.MaxUse; used++ {
		fd, ok := a.wait(time.Now().Add(p.MaxIdle))
		if !ok {
			return
		}
		b := make([]byte, triggerSize)
		n, err := syscall.Read(fd, b)
		if n <= 0 || err != nil {
			continue
		}
		p.Taken()
		t.wakeup(b[:n])
		p.Available()
	}
}

// Datagram serves datagrams, one call each. The slice is used again after the
// call. After a batch, when nothing waits, idle is called.
func Datagram(packet func([]byte), idle func()) Style { return datagram{packet, idle} }

type datagram struct {
	packet func([]byte)
	idle   func()
}

func (datagram) single() bool { return true }

// datagramSize is the largest datagram that is read.
const datagramSize = 4096

// datagramBatch is how many datagrams one call reads.
const datagramBatch = 16

// A batch reads many datagrams with one system call: recvmmsg(2).
type batch struct {
	headers [datagramBatch]struct {
		unix.Msghdr
		length uint32
	}
	vectors [datagramBatch]unix.Iovec
	buffers [datagramBatch][datagramSize]byte
}

func newBatch() *batch {
	b := &batch{}
	for i := range b.headers {
		b.vectors[i].Base = &b.buffers[i][0]
		b.vectors[i].SetLen(datagramSize)
		b.headers[i].Iov = &b.vectors[i]
		b.headers[i].SetIovlen(1)
	}
	return b
}

// read gives each waiting datagram to packet, and returns how many there were.
func (b *batch) read(fd int, packet func([]byte)) int {
	n, _, err := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[0])), datagramBatch,
		unix.MSG_DONTWAIT, 0, 0)
	if err != 0 {
		return 0
	}
	for i := range int(n) {
		packet(b.buffers[i][:b.headers[i].length])
	}
	return int(n)
}

func (d datagram) run(p *Process) {
	a := newAcceptor(p)
	b := newBatch()
	told := false
	for {
		fd, ok := a.wait(time.Now().Add(p.MaxIdle))
		if !ok {
			d.idle()
			return
		}
		if !told {
			p.Taken()
		}
		for b.read(fd, d.packet) == datagramBatch {
		}
		d.idle()
		if !told {
			p.Available()
			told = true
		}
	}
}

// Own lets a program run a loop of its own over p.Listen and p.MasterFD.
func Own(run func(*Process)) Style { return own{run} }

type own struct{ loop func(*Process) }

func (own) single() bool     { return true }
func (o own) run(p *Process) { o.loop(p) }
