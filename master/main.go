// Master runs the mail system: it starts the daemons of Postfix when they are
// needed, as master.cf says, and looks after them.
//
// # SYNOPSIS
//
//	master [-Dditvw] [-c config_dir] [-e exit_time]
//
// # DESCRIPTION
//
// The master(8) daemon listens on the network and on local sockets for all
// services of the mail system. When a client comes and no process of the
// service is free, it starts one; that process serves clients until it has
// been idle for $max_idle or has served $max_use of them. The processes are
// children of master, and of nobody else: they talk with each other over the
// sockets, and none depends on the life of another. How many may serve at the
// same time is set for each service, so the number of processes does not grow
// with the number of messages in the queue.
//
// Master itself touches no mail and reads nothing that a client sends.
//
// Options:
//
//   - -c config_dir: the directory with main.cf and master.cf, for master and for
//     all daemons. The default is $MAIL_CONFIG, or /etc/postfix.
//   - -D: after initialization, run the command in $debugger_command on the master
//     process.
//   - -d: stay on the terminal, with all standard streams. For debugging.
//   - -e exit_time: end after this many seconds. The daemons end when they have
//     finished what they do.
//   - -i: be process 1 of a container: stay in the given session, keep standard
//     output, and take leave of all orphans. Allowed for process 1 only.
//   - -s: keep standard output, so that "maillog_file = /dev/stdout" works.
//   - -t: test whether a master is running: exit status 0 when none is.
//   - -v: log more for debugging, here and in the daemons. May be repeated.
//   - -w: wait until the daemon that goes to the background is initialized; exit
//     status 0 only if that worked.
//
// Signals:
//
//   - SIGHUP ("postfix reload"): read main.cf and master.cf again. Services that
//     are no longer in master.cf end at once; other processes end when they are
//     done with what they do, so that no session is lost. When a file has an error,
//     that is logged and everything goes on as before.
//   - SIGTERM ("postfix stop"): end, and pass the signal on to all daemons.
//
// # SECURITY
//
// Master runs with the rights of root, because it binds network ports below
// 1024 and starts programs that need different rights. Daemons get rid of
// theirs as soon as they have opened what needs them.
//
// # DIAGNOSTICS
//
// Trouble is reported to the mail log. The exit status is not 0 when master
// cannot run, also in the background with -w.
//
// A daemon that fails before it has served its first client is not started
// again for $service_throttle_time. When all processes that a network service
// may have are in use, new ones are started with "-o stress=yes" for the next
// 1000 seconds.
//
// # ENVIRONMENT
//
// MAIL_CONFIG is the directory with the configuration files. MAIL_DEBUG starts
// the debugger, like -D.
//
// # FILES
//
//   - /etc/postfix/main.cf, parameters
//   - /etc/postfix/master.cf, services
//   - $queue_directory/pid/master.pid, lock file with the process ID
//   - $data_directory/master.lock, a second lock: no two masters share a data directory
package main

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
)

func main() {
	o := readOptions(os.Args[1:])
	logBeforeParameters()
	if err := checkOptions(&o); err != nil {
		msg.Fatal("%v", err)
	}
	hideDescriptors()
	if o.wait {
		os.Exit(startInBackground(os.Args))
	}
	runtime.LockOSThread()
	unix.Umask(0o077)
	m, err := newMaster(o, os.Environ())
	if err != nil {
		msg.Fatal("%v", err)
	}
	p, err := m.parameters()
	if err == nil {
		err = m.adopt(p)
	}
	if err != nil {
		msg.Fatal("%v", err)
	}
	if err := os.Chdir(conf.QueueDirectory); err != nil {
		msg.Fatal("%v", err)
	}
	if o.test {
		testLock()
	}
	specs, err := m.read(p)
	if err != nil {
		msg.Fatal("%v", err)
	}
	begin(m, specs)
	m.run()
}

// begin takes the steps from which on this is the one master of the system.
func begin(m *master, specs []spec) {
	if err := m.leaveTerminal(); err != nil {
		msg.Fatal("%v", err)
	}
	takeLocks(m.owner)
	raiseFileLimit()
	if err := m.start(specs); err != nil {
		msg.Fatal("%v", err)
	}
	m.closeStreams()
	msg.Info("daemon started -- version %s, configuration %s", conf.MailVersion, m.dir)
	tellReady()
	if m.options.debugger {
		m.debug()
	}
	if m.options.exitTime > 0 {
		m.loop.after(m.options.exitTime, func() {
			msg.Info("master exit time has arrived")
			os.Exit(0)
		})
	}
}

// logBeforeParameters makes sure that trouble with main.cf reaches the log, and
// the person who starts the system.
func logBeforeParameters() {
	name := os.Getenv("MAIL_LOGTAG")
	if name == "" {
		name = "postfix"
	}
	msg.Open(msg.Options{Program: "master", Name: name, Stderr: true, Postlog: os.Getenv("POSTLOG_SERVICE"),
		Host: os.Getenv("POSTLOG_HOSTNAME")})
}
