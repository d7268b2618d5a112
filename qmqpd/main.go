// Qmqpd takes mail with QMQP, the protocol of ezmlm and other programs that come
// from qmail.
//
// # DESCRIPTION
//
// A client sends one message for each connection: its text, the sender, and all
// recipients. Qmqpd gives it to cleanup(8) and answers in one word for all of it:
// it was taken, it may be tried again, or it was refused. Only the clients of
// qmqpd_authorized_clients may do so; by default there are none, and the service
// is not in master.cf. It would be there like this:
//
//	628  inet  n  -  n  -  -  qmqpd
//
// A sender such as "list-@example.com-@[]" asks for notices that tell which
// recipient they are about (VERP): the message comes from list@example.com, with
// "-" and "=" as delimiters.
//
// # SECURITY
//
// Qmqpd talks with the clients that the administrator has named, and with name
// servers. It needs no privileges and can run in a chroot jail. What a client
// announces takes no memory before it is there, and message_size_limit bounds it.
//
// # DIAGNOSTICS
//
// Problems and transactions are logged.
//
// # BUGS
//
// With one answer for a message, single recipients cannot be refused.
package main

import (
	"postrider/lib/base/match"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	_ "postrider/lib/base/table/all"
	"postrider/lib/daemon/server"
	"postrider/lib/net/dns"
)

// daemon is what all clients of this process have in common.
var daemon struct {
	authorized *match.List
	names      resolver
}

func main() {
	server.Main(server.Daemon{
		Name:    "qmqpd",
		Params:  &conf,
		PreJail: func(*server.Process) { prepare() },
		Serve:   server.Single(func(s *stream.Stream, c server.Client) { serve(s, c.FD) }),
	})
}

func prepare() {
	const name = "qmqpd_authorized_clients"
	var err error
	if daemon.authorized, err = match.Clients(name, conf.AuthorizedClients, conf.Domains.Parents.Include(name)); err == nil {
		daemon.names, err = dns.New(dns.Options{})
	}
	if err == nil {
		_, unknown := conf.Intake.Override(0)
		for _, word := range unknown {
			msg.Warn("receive_override_options: unknown option %q", word)
		}
	}
	if err != nil {
		msg.Fatal("%v", err)
	}
}
