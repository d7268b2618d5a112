package server

import (
	"encoding/binary"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
)

// What a process tells master(8).
const (
	taken     = 0 // busy: start another process if a client waits
	available = 1
)

var ownPid = uint32(os.Getpid())

// Taken tells master that this process is busy.
func (p *Process) Taken() { p.report(taken) }

// Available tells master that this process can take a client.
func (p *Process) Available() { p.report(available) }

// report sends one message: process ID, generation, status. When master does
// not listen any more the process ends.
func (p *Process) report(status uint32) {
	if p.Alone {
		return
	}
	var b [12]byte
	binary.NativeEndian.PutUint32(b[0:], ownPid)
	binary.NativeEndian.PutUint32(b[4:], p.generation)
	binary.NativeEndian.PutUint32(b[8:], status)
	for {
		_, err := syscall.Write(statusFD, b[:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			if status == available {
				Exit()
			}
			msg.Debug("status to master: %v", err)
		}
		return
	}
}

// MasterFD is the descriptor that becomes readable when master is gone or has
// read its configuration again; the process must then end soon.
func (p *Process) MasterFD() int { return statusFD }

// MasterGone reports whether it is time to end.
func (p *Process) MasterGone() bool {
	var b [1]byte
	n, _, err := syscall.Recvfrom(statusFD, b[:], syscall.MSG_DONTWAIT|syscall.MSG_PEEK)
	return n == 0 && err == nil
}

// WatchMaster ends the process as soon as master(8) is gone or has read its
// configuration again, even while clients keep their connections: for daemons
// that know something which the next process must not miss, or must not know
// differently.
func (p *Process) WatchMaster() {
	if p.Alone {
		return
	}
	go func() {
		for {
			poll := []unix.PollFd{{Fd: statusFD, Events: unix.POLLIN}}
			n, err := unix.Poll(poll, -1)
			if err == unix.EINTR {
				continue
			}
			if err != nil || n > 0 && p.MasterGone() {
				Exit()
			}
		}
	}()
}

// FlowTake takes one token of the flow control between cleanup(8), which makes
// files, and qmgr(8), which empties the incoming queue. False: there is none.
func FlowTake() bool {
	var b [1]byte
	n, err := syscall.Read(flowRead, b[:])
	return n == 1 && err == nil
}

// FlowPut gives n tokens back. What does not fit into the pipe is dropped.
func FlowPut(n int) {
	b := make([]byte, n)
	syscall.Write(flowWrite, b)
}

// FlowCount is how many tokens there are.
func FlowCount() int {
	n, err := unix.IoctlGetInt(flowRead, unix.TIOCINQ)
	if err != nil {
		return 0
	}
	return n
}

// FlowDrain takes up to n tokens and returns how many there were.
func FlowDrain(n int) int {
	b := make([]byte, n)
	got, err := syscall.Read(flowRead, b)
	if err != nil {
		return 0
	}
	return got
}

// progress lets the watchdog see whether a process moves.
type progress struct {
	steps int
	seen  int
	since time.Time
	busy  bool
}

// Pat tells the watchdog that the process is not stuck.
func (p *Process) Pat() { p.progress.steps++ }

// watchdogSteps is how often the watchdog looks in one daemon_timeout.
const watchdogSteps = 3

func (p *Process) startWatchdog() {
	if p.Alone {
		return
	}
	p.progress.since = time.Now()
	time.AfterFunc(p.DaemonTimeout/watchdogSteps, p.watch)
}

func (p *Process) watch() {
	w := &p.progress
	if !w.busy || w.steps != w.seen {
		w.seen, w.since = w.steps, time.Now()
	} else if time.Since(w.since) >= p.DaemonTimeout {
		msg.Fatal("watchdog timeout")
	}
	time.AfterFunc(p.DaemonTimeout/watchdogSteps, p.watch)
}
