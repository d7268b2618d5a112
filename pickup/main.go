// Pickup moves mail from the maildrop queue, where postdrop(1) leaves it, into
// cleanup(8).
//
// It looks at the maildrop directory when master(8) or postdrop(1) wakes it
// up, and takes each complete file to the cleanup(8) service. A file is
// removed when cleanup has the message on disk.
//
// # SECURITY
//
// The maildrop directory is written by a setgid program on behalf of any
// user, so pickup trusts nothing in it: it takes only regular files with one
// name that are owned by who they say, and checks each record. It has no
// write access to anything but the files that it removes, and looks at
// nothing that a client of its socket sends.
//
// # DIAGNOSTICS
//
// Problems are logged. A file that makes no sense is removed with a warning;
// one that cannot be taken now is tried again at the next wake-up.
package main

import (
	"postrider/lib/daemon/server"
)

func main() {
	server.Main(server.Daemon{
		Name:   "pickup",
		Params: &conf,
		Limit:  server.OneProcess,
		PostJail: func(p *server.Process) {
			process = p
		},
		Serve: server.Trigger(func([]byte) { collect() }),
	})
}

// process gives the copier access to time limits.
var process *server.Process
