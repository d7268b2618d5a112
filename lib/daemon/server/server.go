// Package server is what it takes to be a child of master(8).
//
// A daemon is one value, given to Main, which does the rest in a fixed order:
// options, log, parameters, what needs privileges, giving up privileges, then
// clients until it is idle for too long, has served enough, or master is gone.
package server

import (
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/slack"
	"postrider/lib/base/table"
	"postrider/lib/mail/param"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/site"
	"postrider/lib/service/reindex"
)

// Params are the parameters of every daemon.
type Params struct {
	site.Params

	// How long a daemon waits for a client before it ends. Commands of the
	// -i option in master.cf go over it.
	MaxIdle time.Duration `param:"max_idle" default:"100s" min:"1s"`

	// How many clients a daemon serves before it ends, so that nothing that
	// piles up in a process lasts.
	MaxUse int `param:"max_use" default:"100" min:"1"`

	// How long a daemon may work on one request before it is taken for stuck
	// and ends itself.
	DaemonTimeout time.Duration `param:"daemon_timeout" default:"18000s" min:"1s"`

	// The time limit for sending or receiving over a connection between
	// daemons.
	IPCTimeout time.Duration `param:"ipc_timeout" default:"3600s" min:"1s"`

	// A connection between daemons that was not used for this long is closed.
	IPCIdle time.Duration `param:"ipc_idle" default:"5s" min:"1s"`

	// A connection between daemons is closed when it is this old.
	IPCTTL time.Duration `param:"ipc_ttl" default:"1000s" min:"1s"`

	Tables table.Params
}

// daemonParams lets Main find the embedded Params in a program's own struct.
func (p *Params) daemonParams() *Params { return p }

// A Limit says which process limit the daemon needs in master.cf.
type Limit int

// Limits.
const (
	AnyLimit   Limit = iota
	OneProcess       // maxproc must be 1
	NoLimit          // maxproc must be 0
)

// A Daemon is a program that master(8) runs.
type Daemon struct {
	Name       string
	Params     any // pointer to the program's parameters; embeds Params
	Limit      Limit
	Privileged bool // keeps real user ID 0; master.cf must say unprivileged = n

	// PreJail runs with all privileges and outside the chroot jail: tables
	// and key files are opened here.
	PreJail func(*Process)
	// PostJail runs after all privileges are gone.
	PostJail func(*Process)
	// Serve is one of the styles: Single, Multi, Trigger, Datagram, Own.
	Serve Style

	Endless   bool // neither idle limit nor use limit
	UseAlways bool // no use limit

	// Leave runs when the daemon ends in good order.
	Leave func()

	// LoadParams replaces the plain loading of Params, for programs that
	// read them under another name.
	LoadParams func(*param.Settings) error
}

// A Process is the running daemon, as its hooks see it.
type Process struct {
	*Params
	Settings *param.Settings
	Service  string   // name in master.cf
	Type     string   // "inet", "unix", "unix-dgram", "fifo", "pass"
	Args     []string // what follows the options: arguments of pipe(8), spawn(8)
	Alone    bool     // -S: one client on standard input and output
	Listen   []int    // listen sockets, non-blocking

	daemon     *Daemon
	options    options
	generation uint32
	progress   progress
	used       int // clients so far
	acceptor   *acceptor
	retired    atomic.Bool
	retireFD   int
}

// Descriptors that master(8) hands to its children.
const (
	flowRead    = 3
	flowWrite   = 4
	statusFD    = 5
	firstListen = 6
)

// A Style is how clients meet code.
type Style interface {
	run(p *Process)
	single() bool // one busy goroutine: worth a processor of its own and slack
}

// Main runs the daemon and never returns.
func Main(d Daemon) {
	signal.Ignore(syscall.SIGPIPE, syscall.SIGXFSZ)
	p := &Process{daemon: &d}
	leave = d.Leave
	p.logBeforeParameters()
	p.readOptions(os.Args[1:])
	p.closeOnExec()
	p.loadParameters()
	p.refuseHands()
	p.enterQueue()
	if d.Serve.single() {
		slack.Set()
		debug.SetGCPercent(20)
	}
	if d.PreJail != nil {
		d.PreJail(p)
	}
	p.leavePrivileges()
	if d.PostJail != nil {
		d.PostJail(p)
	}
	p.startWatchdog()
	d.Serve.run(p)
	Exit()
}

// leave is the Leave of the running daemon.
var leave func()

// Exit ends the daemon in good order.
func Exit() {
	if leave != nil {
		leave()
	}
	os.Exit(0)
}

// logBeforeParameters makes sure that trouble with main.cf reaches the log.
func (p *Process) logBeforeParameters() {
	name := os.Getenv("MAIL_LOGTAG")
	if name == "" {
		name = "postfix"
	}
	msg.Open(msg.Options{Program: programName(), Name: name, Postlog: os.Getenv("POSTLOG_SERVICE"),
		Host: os.Getenv("POSTLOG_HOSTNAME")})
}

func programName() string { return filepath.Base(os.Args[0]) }

func (p *Process) loadParameters() {
	settings, err := param.Read(param.Dir())
	if err != nil {
		msg.Fatal("%v", err)
	}
	p.Settings = settings
	settings.Override("service_name", p.Service)
	for _, text := range p.options.overrides {
		if err := settings.OverrideText(text); err != nil {
			msg.Fatal("option -o: %v", err)
		}
	}
	load := p.daemon.LoadParams
	if load == nil {
		load = func(s *param.Settings) error { return s.Load(p.daemon.Params) }
	}
	if err := load(settings); err != nil {
		msg.Fatal("%v", err)
	}
	family, ok := p.daemon.Params.(interface{ daemonParams() *Params })
	if !ok {
		msg.Panic("parameters of %s do not embed server.Params", p.daemon.Name)
	}
	p.Params = family.daemonParams()
	table.Use(p.Params.Tables)
	around := table.Environment{Programs: p.Params.DaemonDirectory, Owner: p.Params.MailOwner, Parameters: settings.Prefixed}
	reindex.Surround(settings, &around, true)
	table.Surround(around)
	if p.options.maxIdle > 0 {
		p.MaxIdle = p.options.maxIdle
	}
	if p.options.maxUse > 0 {
		p.MaxUse = p.options.maxUse
	}
	os.Setenv("MAIL_LOGTAG", p.SyslogName)
	p.OpenLog(programName(), p.options.stderr)
	for _, warning := range settings.Warnings() {
		msg.Warn("%s", warning)
	}
}

// refuseHands keeps people from starting a daemon without its master.
func (p *Process) refuseHands() {
	if p.Alone {
		return
	}
	var st syscall.Stat_t
	if isTerminal(0) && !p.options.keepStreams || syscall.Fstat(statusFD, &st) != nil {
		msg.Fatal("do not run this command by hand")
	}
	d := p.daemon
	switch {
	case d.Limit == OneProcess && !p.options.one:
		msg.Fatal("service %s needs process limit 1 in master.cf", p.Service)
	case d.Limit == NoLimit && !p.options.unlimited:
		msg.Fatal("service %s needs process limit 0 in master.cf", p.Service)
	case d.Privileged && p.options.unprivileged:
		msg.Fatal("service %s needs \"unprivileged\" n in master.cf", p.Service)
	}
}

func (p *Process) enterQueue() {
	queue.Configure(p.Site().Params)
	if err := os.Chdir(p.QueueDirectory); err != nil {
		msg.Fatal("parameter queue_directory: %v", err)
	}
	syscall.Umask(0o077)
	time.Now().Zone() // reads the time zone file while it can be reached
}
