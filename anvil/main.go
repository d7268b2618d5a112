// Anvil counts how often and how many at a time clients connect, send mail, name
// recipients, start TLS and log in. The SMTP server asks it in order to limit
// clients that would use up the service for others.
//
// Clients are known by the service that they use and their network address, such
// as "smtp:192.0.2.1". Rates are numbers of events in one anvil_rate_time_unit,
// which begins with the first event of a client; then they begin anew.
//
// # SECURITY
//
// Anvil keeps all in memory, and forgets a client that has no connection when its
// time unit is over. It talks with the daemons of the mail system only, needs no
// privileges, and can run in a chroot jail. The memory that it needs grows with the
// number of clients in one time unit.
//
// # DIAGNOSTICS
//
// The highest counts and rates are logged every anvil_status_update_time, and
// when the program ends.
package main

import (
	"postrider/lib/base/stream"
	"postrider/lib/daemon/server"
)

func main() {
	server.Main(server.Daemon{
		Name:      "anvil",
		Params:    &conf,
		Limit:     server.OneProcess,
		UseAlways: true,
		PostJail:  begin,
		Serve:     server.Multi(func(s *stream.Stream, c server.Client) { serve(s) }),
		Leave:     func() { all.do(func(c *counters) { c.logMaxima() }) },
	})
}
