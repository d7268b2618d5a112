// Error refuses mail: it returns it to the sender or holds it back, for a
// reason that is configured.
//
// # SYNOPSIS
//
//	error [generic daemon options]
//
// # DESCRIPTION
//
// The queue manager, the transport table, or a relocated table sends mail here
// that shall not be delivered. Each request names a message, its recipients,
// and a next hop, which is the reason. Nothing of the message is read.
//
// What happens depends on the name of the service in master.cf:
//
//	error  all recipients bounce
//	retry  all recipients are deferred
//
// The reason may begin with an enhanced status code, such as "5.7.1 Mail from
// here is not wanted". Without one the code is 5.0.0 or 4.0.0. A code of
// another class than that of the service is not used.
//
// # SECURITY
//
// Error does not talk to the network and writes no files. It can run chrooted
// with the rights of the mail system.
//
// # DIAGNOSTICS
//
// Each recipient is logged, and recorded by bounce(8), defer(8) or trace(8).
package main

import (
	"postrider/lib/base/msg"
	"postrider/lib/daemon/agent"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/dsn"
	"postrider/lib/service/deliver"
)

func main() {
	agent.Main(agent.Agent{
		Name:    "error",
		Params:  &conf,
		PreJail: checkName,
		Deliver: refuse,
	})
}

// statuses are the services that this program can be, and their codes.
var statuses = map[string]dsn.Status{"error": "5.0.0", "retry": "4.0.0"}

func checkName(p *server.Process) {
	if statuses[p.Service] == "" {
		msg.Fatal("bad error service name: %s: must be \"error\" or \"retry\"", p.Service)
	}
	if len(p.Args) > 0 {
		msg.Fatal("unexpected command-line argument: %s", p.Args[0])
	}
}

func refuse(r *agent.Request) deliver.Report {
	o := outcome(r.Service, r.NextHop)
	for _, recipient := range r.Recipients {
		r.Report(recipient, "none", o)
	}
	return deliver.Report{}
}

// outcome reads the reason.
func outcome(service, reason string) agent.Outcome {
	otherwise := statuses[service]
	status, text := dsn.Split(reason, otherwise)
	if status.Class() != otherwise.Class() {
		msg.Warn("service %s: ignoring status code %s in %q", service, status, reason)
		status = otherwise
	}
	return agent.Outcome{Status: status, Reason: text}
}
