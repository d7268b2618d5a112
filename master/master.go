package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/asuser"
	"postrider/lib/base/msg"
	"postrider/lib/mail/param"
)

// master is all that the supervisor knows. Only the goroutine of the loop
// touches it.
type master struct {
	options  options
	loop     *loop
	settings *param.Settings
	dir      string   // configuration directory
	inherits []string // environment
	quiet    bool     // standard error is closed
	log      func()   // opens the log again, where main.cf says
	exit     func(status int)

	owner        asuser.User
	environ      []string // for children, without GENERATION
	throttleTime time.Duration
	flow         [2]int // the pipe with the tokens of cleanup and qmgr
	generation   uint32

	services   map[string]*service
	processes  map[int]*process
	statusSeen bool // a status message came in this turn of the loop
	hurry      bool // a service has lost its last free process
}

// newMaster prepares everything that does not come from master.cf.
func newMaster(o options, inherits []string) (*master, error) {
	m := &master{
		options: o, dir: param.Dir(), inherits: inherits,
		services: map[string]*service{}, processes: map[int]*process{},
		exit: os.Exit,
	}
	m.log = m.openLog
	var err error
	if m.loop, err = newLoop(); err != nil {
		return nil, err
	}
	if err := unix.Pipe2(m.flow[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make the flow control pipe: %w", err)
	}
	return m, m.catchSignals()
}

// catchSignals makes the loop see signals as readable bytes. Ends of children
// have a channel of their own, so that a mass of them cannot hide a request to
// stop.
func (m *master) catchSignals() error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("make the signal pipe: %w", err)
	}
	children := make(chan os.Signal, 1)
	requests := make(chan os.Signal, 16)
	signal.Notify(children, unix.SIGCHLD)
	signal.Notify(requests, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM)
	go func() {
		for {
			var sig os.Signal
			select {
			case sig = <-requests:
			case sig = <-children:
			}
			unix.Write(pipe[1], []byte{byte(sig.(unix.Signal))})
		}
	}()
	return m.loop.watch(pipe[0], func() { m.signals(pipe[0]) })
}

// signals does what the signals since the last turn ask for.
func (m *master) signals(fd int) {
	var buf [256]byte
	n, _ := unix.Read(fd, buf[:])
	seen := map[unix.Signal]bool{}
	for i := 0; i < n; i++ {
		seen[unix.Signal(buf[i])] = true
	}
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGQUIT} {
		if seen[sig] {
			m.terminate(sig)
		}
	}
	m.reap()
	if seen[unix.SIGHUP] {
		m.reload()
	}
}

// terminateGrace is how long process 1 of a container waits for the others to
// end; its own end is theirs at once.
const terminateGrace = 5 * time.Second

// terminate ends the mail system: all processes of the group get the signal
// to end. Those that must finish something first have left the group.
func (m *master) terminate(sig unix.Signal) {
	conf.logParams.OpenFile(&conf.siteParams, "master", !m.quiet)
	msg.Info("terminating on signal %d", int(sig))
	pid := os.Getpid()
	switch {
	case m.options.init:
		unix.Kill(-1, unix.SIGTERM)
		time.AfterFunc(terminateGrace, func() { unix.Kill(-1, unix.SIGKILL) })
		for {
			if _, err := unix.Wait4(-1, nil, 0, nil); err != nil && err != unix.EINTR {
				break
			}
		}
	case unix.Getpgrp() == pid:
		if err := unix.Kill(-pid, unix.SIGTERM); err != nil {
			msg.Warn("kill process group: %v", err)
		}
	default:
		for child := range m.processes {
			m.kill(child)
		}
	}
	m.exit(0)
}

// run serves until a signal ends it.
func (m *master) run() {
	m.loop.run(func() { msg.Fatal("watchdog timeout") }, m.rest)
}

// nap is how long master lets status messages gather. Under load it then reads
// many at a time. It does not nap when the next client would need a new process.
const nap = 2 * time.Millisecond

func (m *master) rest() {
	gather := m.statusSeen && !m.hurry
	m.statusSeen, m.hurry = false, false
	if gather {
		unix.Nanosleep(&unix.Timespec{Nsec: int64(nap)}, nil)
	}
}

// parameters reads main.cf.
func (m *master) parameters() (*parameters, error) {
	settings, err := param.Read(m.dir)
	if err != nil {
		return nil, err
	}
	for _, warning := range settings.Warnings() {
		msg.Warn("%s", warning)
	}
	var p parameters
	if err := settings.Load(&p); err != nil {
		return nil, err
	}
	m.settings = settings
	return &p, nil
}

// read reads master.cf.
func (m *master) read(p *parameters) ([]spec, error) {
	if v4, v6 := p.Protocols(); !v4 && !v6 {
		msg.Warn("all network protocols are disabled (inet_protocols = %s)", p.InetProtocols)
		msg.Warn("disabling all type \"inet\" services in master.cf")
	}
	r := &reader{conf: p, settings: m.settings, detached: !m.options.debug}
	return r.read(filepath.Join(m.dir, "master.cf"))
}
