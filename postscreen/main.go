// Postscreen keeps bots away from the SMTP server.
//
// # DESCRIPTION
//
// Most of those that connect to a mail server are bots that send junk. Postscreen
// is one process in front of all processes of smtpd(8): it has many clients at a
// time, finds out which of them may go on, and hands these over. The others do not
// take the place of somebody who has mail.
//
// A client of postscreen_access_list goes on, or is denied, at once. One that has
// passed all tests is in a cache for some time, and goes on at once too. All others
// are tested:
//
// Before the greeting, a client must wait for postscreen_greet_wait. Meanwhile it
// gets one line of a greeting with two: bots often take that for all, and talk. At
// the same time dnsblog(8) asks the lists of postscreen_dnsbl_sites, whose weights
// are added up. A good score lets a client skip the other tests.
//
// After the greeting come the tests that must be turned on: a client must not send
// commands ahead (postscreen_pipelining_enable), nor what is no SMTP
// (postscreen_non_smtp_command_enable), nor newlines without carriage return
// (postscreen_bare_newline_enable). It talks with a part of postscreen that looks
// like an SMTP server, takes no mail, and tells a good client to come again later;
// it can then go on at once. Leave these tests off when that delay is not worth it.
//
// What happens to a client that fails a test is up to the parameters that end in
// _action. With "ignore", the default of most, it is only logged. With "enforce",
// mail is refused after the log has learned who wanted to send what to whom. With
// "drop", the connection ends. The log of some days with "ignore" tells which clients
// an action would meet.
//
// When nine tenths of postscreen_pre_queue_limit connections are tested at a time,
// times are shorter: those whose defaults depend on "stress". Above the limit, new
// clients that must be tested are told to come later.
//
// Use postscreen on port 25 only, never where users submit mail.
//
// # SECURITY
//
// Postscreen talks with strangers. It needs no privileges and can run in a chroot
// jail. All input has limits: the length of a line, the number of commands, time, and
// connections of one address. Text from clients is made printable before it reaches
// the log.
//
// # STANDARDS
//
// RFC 5321 (SMTP, with greetings of more than one line), 1870 (SIZE), 1985 (ETRN),
// 2034 (status codes), 3030 (CHUNKING), 3207 (STARTTLS), 3461 (DSN), 6152 (8BITMIME),
// 6531 (SMTPUTF8); the PROXY protocol, versions 1 and 2.
//
// # DIAGNOSTICS
//
// Problems and the way of each client are logged: CONNECT at its beginning, PASS NEW
// or PASS OLD when it goes on, and otherwise what it has done and DISCONNECT. A test
// of which the log says nothing was passed, or not in use.
//
// # BUGS
//
// A client that is tested after the greeting is never offered AUTH, XCLIENT or
// XFORWARD.
//
// When the process has to end, because a table has changed or after "postfix reload",
// it finishes the tests before the greeting of those that are here; new clients wait
// that long for the next process. Those that are tested after the greeting are then
// told to come again.
package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"postrider/lib/base/msg"
	_ "postrider/lib/base/table/all"
	"postrider/lib/daemon/server"
)

func main() {
	var s *screen
	server.Main(server.Daemon{
		Name:      "postscreen",
		Params:    &conf,
		Limit:     server.OneProcess,
		UseAlways: true,
		PreJail:   func(p *server.Process) { s = open(p) },
		PostJail:  func(p *server.Process) { leaveGroup(p) },
		Serve:     server.Own(func(p *server.Process) { s.serve(p) }),
	})
}

// leaveGroup makes sure that the process ends in order: "postfix stop" reaches all
// processes of the mail system's group at once.
func leaveGroup(p *server.Process) {
	if p.Alone {
		msg.Fatal("this program does not serve one client on standard input")
	}
	if _, err := syscall.Setsid(); err != nil {
		msg.Debug("setsid: %v", err)
	}
}

// endSignal tells the loop that the process is to end.
func endSignal(fd int) {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	go func() {
		<-end
		syscall.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}()
}

// watchdog ends a process whose loop does not come around any more.
func watchdog(alive func() (steps uint64, waiting bool)) {
	const looks = 3
	last, still := uint64(0), 0
	for {
		time.Sleep(conf.WatchdogTimeout / looks)
		steps, waiting := alive()
		if waiting || steps != last {
			last, still = steps, 0
			continue
		}
		if still++; still > looks {
			msg.Fatal("watchdog timeout")
		}
	}
}
