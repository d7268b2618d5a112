// Proxymap looks things up in tables for other programs.
//
// # DESCRIPTION
//
// The proxymap(8) server gives the programs of the mail system access to tables
// that they cannot open themselves: because they run in a chroot jail, or because
// a table is a connection to a database, of which there should not be one for
// each program. A program uses a table in this way when its name is written
// proxy:type:name.
//
// There are two services, which differ in their name:
//
//   - proxymap only looks things up. It may run in any number of processes, which
//     serve many clients each.
//   - proxywrite also writes, removes and lists entries. It must run in one
//     process, so that a table has one writer.
//
// The server answers for the tables that proxy_read_maps or proxy_write_maps name,
// and for no others. When the file of a table changes, the server opens the table
// anew for the next request.
//
// Tables of the proxywrite service are kept in memory, and what changed is written
// to their files a moment later.
//
// # SECURITY
//
// The server does not look at who asks: whoever may use its socket sees what is in
// the approved tables. It must not run in a chroot jail, or the tables must be
// inside. It should run without privileges. Programs that act with the rights of
// other users do not use it.
package main

import (
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	_ "postrider/lib/base/table/all"
	"postrider/lib/daemon/server"
)

func main() {
	server.Main(server.Daemon{
		Name:     "proxymap",
		Params:   &conf,
		PostJail: prepare,
		Serve:    server.Multi(func(s *stream.Stream, c server.Client) { serve(tables, s, conf.IPCTimeout) }),
	})
}

// tables are what the service answers for.
var tables *approved

func prepare(p *server.Process) {
	writer := p.Service == conf.Proxymap.ProxywriteServiceName
	list, name := conf.ReadMaps, "proxy_read_maps"
	if writer {
		list, name = conf.WriteMaps, "proxy_write_maps"
	}
	tables = approve(list, name, writer)
	if len(tables.names) == 0 {
		msg.Debug("no table in %s", name)
	}
}
