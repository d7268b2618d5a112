// Trivial-rewrite brings addresses into standard form, and finds the way for
// mail to an address: which transport, and which next hop.
//
// # STANDARD FORM
//
// A client names one of two rules. With "local", for mail from this machine
// and from clients in local_header_rewrite_clients, addresses without a domain
// get @$myorigin, and domains without a dot get .$mydomain. With "remote", for
// all other mail, remote_header_rewrite_domain takes the place of both. Both
// rules take source routes away, turn site!user and user%domain into
// user@site, and remove a dot at the end.
//
// # FINDING THE WAY
//
// Domains of this machine are taken off an address, and what routing operators
// are left in its local part is looked at again. What remains belongs to one
// of five address classes: local, virtual alias, virtual mailbox, relay, and
// default. Each has its transport; transport_maps goes over all but the
// virtual alias class. Mail for addresses in relocated_maps goes back to the
// sender with the new address.
//
// # SECURITY
//
// Trivial-rewrite needs no privileges and talks only to daemons of the mail
// system. It can run chrooted when its tables can be opened there.
//
// # DIAGNOSTICS
//
// Problems are logged. When a table does not answer, clients are told to try
// again later; when a table has changed, the process ends and a new one takes
// its place.
package main

import (
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/base/table"
	_ "postrider/lib/base/table/all"
	"postrider/lib/daemon/server"
	"postrider/lib/service/ipc"
	"postrider/lib/service/rewrite"
)

func main() {
	server.Main(server.Daemon{
		Name:     "trivial-rewrite",
		Params:   &conf,
		PreJail:  open,
		PostJail: watchTables,
		Serve:    server.Multi(serve),
	})
}

// Two ways: for mail, and for probes of address verification.
var mail, probe *resolver

func open(*server.Process) {
	var err error
	if mail, err = newResolver(conf.Ways); err == nil {
		probe, err = newResolver(conf.probeWays())
	}
	if err != nil {
		msg.Fatal("%v", err)
	}
}

// tableCheck is how often tables are looked at while clients stay connected.
const tableCheck = 10 * time.Second

// watchTables makes the process retire when a table changed.
func watchTables(p *server.Process) {
	process = p
	time.AfterFunc(tableCheck, func() {
		if name := table.Changed(); name != "" {
			msg.Info("table %s has changed -- restarting", name)
			p.Retire()
			return
		}
		watchTables(p)
	})
}

var process *server.Process

// reconnect is the flag that makes clients come back on a new connection.
func reconnect() int {
	if process.Retired() {
		return 1
	}
	return 0
}

// serve answers one client until it goes.
func serve(s *stream.Stream, c server.Client) {
	s.SetTimeout(conf.IPCTimeout)
	ipc.Announce(s, rewrite.Protocol)
	for {
		list, err := attr.ReadList(s, 0)
		if err != nil {
			return
		}
		if err := answer(s, list); err != nil {
			msg.Warn("request to service %s: %v", c.Service, err)
			return
		}
	}
}

func answer(s *stream.Stream, list attr.List) error {
	if list.Get("request") == "rewrite" {
		var q rewrite.RewriteRequest
		if err := list.Into(&q); err != nil {
			return err
		}
		return attr.Write(s, rewrite.RewriteReply{Reconnect: reconnect(), Address: standardForm(q.Rule, q.Address)})
	}
	var q rewrite.ResolveRequest
	if err := list.Into(&q); err != nil {
		return err
	}
	r := mail
	if q.Request == "verify" {
		r = probe
	}
	reply := r.resolve(q.Sender, q.Address)
	reply.Reconnect = reconnect()
	msg.Debug("%s: <%s> -> %s:%s <%s> %d", q.Request, q.Address, reply.Transport, reply.NextHop, reply.Recipient, reply.Flags)
	return attr.Write(s, reply)
}
