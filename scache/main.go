// Scache keeps connections with mail servers that several processes may use, one
// after the other.
//
// # DESCRIPTION
//
// A process of smtp(8) that has delivered a message, and whose queue manager has
// more for the same destination, leaves the conversation with the server where it
// is, and gives the connection to scache. The next process that has mail for the
// destination, or for another one with the same server, takes the connection and
// goes on.
//
// A connection is known by an endpoint, which stands for a server, and is found by
// it, or by a destination, which stands for a domain and may have several
// endpoints. Both are texts that the owner of the connection makes up, and so are
// the properties that are kept with them: what the next one must know to go on.
//
// Nothing is kept for longer than connection_cache_ttl_limit: servers wait for
// clients, but not for ever. What nobody has taken is closed, without a word to
// the server.
//
// The requests are:
//
//	save_endp ttl endpoint property    and the connection
//	find_endp endpoint
//	save_dest ttl destination property endpoint
//	find_dest destination
//
// # SECURITY
//
// Scache does not look into connections. It talks with the daemons of the mail
// system only, needs no privileges, and can run in a chroot jail. Those who
// can connect to its socket can speak in the name of this system with the servers
// that it has connections with, but only with these.
//
// # DIAGNOSTICS
//
// Every connection_cache_status_update_time, and when the program ends, the log
// says how many connections were found and missed, and how many there were at a
// time.
package main

import (
	"time"

	"postrider/lib/base/stream"
	"postrider/lib/daemon/server"
)

// all are the connections of this process.
var all = newStore(time.Now)

func main() {
	server.Main(server.Daemon{
		Name:      "scache",
		Params:    &conf,
		Limit:     server.OneProcess,
		UseAlways: true,
		PostJail: func(*server.Process) {
			go func() {
				for range time.Tick(conf.StatusUpdateTime) {
					all.logStatistics()
				}
			}()
		},
		Serve: server.Multi(func(s *stream.Stream, c server.Client) { serve(s, all) }),
		Leave: all.logStatistics,
	})
}
