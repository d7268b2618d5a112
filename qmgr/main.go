// Qmgr is the heart of the mail system: it takes mail from the queue and
// arranges for its delivery by the delivery agents. Where mail goes is decided
// by trivial-rewrite(8).
//
// Mail for the address that must never bounce, $double_bounce_sender, is
// logged and thrown away: it is a notice about a notice, and going on with it
// could have no end.
//
// # MAIL QUEUES
//
//	incoming  mail that cleanup(8) has just finished
//	active    mail that qmgr is working on; the only queue in memory
//	deferred  mail that could not be delivered yet
//	corrupt   damaged files, for inspection
//	hold      mail that waits until an administrator lets it go
//
// What happened to the recipients of a message is in files with the same name
// below bounce, defer and trace, which bounce(8) writes. Qmgr asks for the
// notices that come of them.
//
// # STRATEGIES
//
// The active queue is bounded. When it has room, one message from the incoming
// queue is followed by one from the deferred queue, so that neither holds up
// the other.
//
// Deliveries to a destination start slowly. As long as they succeed there are
// more of them in parallel, and fewer after trouble. A destination that cannot
// be reached is left alone for $minimal_backoff_time; what is for it waits
// without being tried.
//
// Transports take turns, and so do the destinations of a message. Messages
// follow in the order of their arrival, but one with few recipients may pass
// one with many.
//
// Mail that could not be delivered waits as long as it is old, at least
// $minimal_backoff_time and at most $maximal_backoff_time; so the pauses
// double. After $maximal_queue_lifetime it goes back to the sender.
//
// # WAKE-UP REQUESTS
//
// Qmgr reads single characters from its socket. Each of them counts once,
// however often it comes; A and F count before the others.
//
//	D  look into the deferred queue
//	I  look into the incoming queue
//	W  the same; master(8) sends it now and then
//	A  ignore the times at which deferred mail is to be tried again
//	F  forget which transports and destinations do not work
//
// # SECURITY
//
// Qmgr has no privileges, and may run in a chroot jail. It reads characters
// from local users, who can do no more than to make it look into its queue.
//
// # DIAGNOSTICS
//
// Problems and transactions go to the mail log. A damaged file goes to the
// corrupt queue.
//
// # BUGS
//
// Changes of main.cf count after "postfix reload".
package main

import "postrider/lib/daemon/server"

func main() {
	server.Main(server.Daemon{
		Name:    "qmgr",
		Params:  &conf,
		Limit:   server.OneProcess,
		PreJail: check,
		Serve:   server.Own(run),
		Endless: true,
	})
}
