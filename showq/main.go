// Showq tells what is in the mail queue.
//
// # DESCRIPTION
//
// The program answers each client with a list of all messages in the maildrop,
// active, incoming, deferred and hold queues: queue ID, size, arrival time,
// sender, the recipients that still need delivery and why they wait. Postqueue(1)
// makes a listing of it, for mailq(1) too.
//
// The superuser can run the program by hand with option -S, while the mail
// system is down; the list goes to standard output.
//
// # SECURITY
//
// Showq runs at low privilege and can run in a chroot jail. It reads nothing
// from its client, but any local user can be one and keep it busy. Text from
// queue files is masked.
//
// # FILES
//
//	maildrop, active, incoming, deferred, hold  messages
//	defer                                       why they wait
package main

import (
	"postrider/lib/base/stream"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/address"
	"postrider/lib/service/ipc"
	"postrider/lib/service/showq"
)

// conf holds the main.cf parameters of showq(8).
var conf struct {
	server.Params

	address.Duplicates

	address.NullRecipient
}

func main() {
	server.Main(server.Daemon{Name: "showq", Params: &conf, Serve: server.Single(serve)})
}

func serve(s *stream.Stream, c server.Client) {
	if !c.Alone {
		s.SetTimeout(conf.IPCTimeout)
	}
	ipc.Announce(s, showq.Protocol)
	newLister(s).all()
	s.Flush()
}
