// Discard throws mail away, and says that it was delivered.
//
// # SYNOPSIS
//
//	discard [generic daemon options]
//
// # DESCRIPTION
//
// A request names a message, its recipients, and a next hop, which is the
// reason for throwing the mail away. It is logged for each recipient as if the
// mail had been delivered, and the recipients are marked as done. Nothing of
// the message is read.
//
// The reason may begin with an enhanced status code of success, such as
// "2.1.5 Not wanted here"; 2.0.0 stands for any other.
//
// # SECURITY
//
// Discard does not talk to the network and writes no files but the marks in
// the queue. It can run chrooted with the rights of the mail system.
//
// # DIAGNOSTICS
//
// Each recipient is logged, and recorded by trace(8) when the sender asked for
// it.
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
		Name:    "discard",
		Params:  &conf,
		PreJail: checkArguments,
		Deliver: discard,
	})
}

func checkArguments(p *server.Process) {
	if len(p.Args) > 0 {
		msg.Fatal("unexpected command-line argument: %s", p.Args[0])
	}
}

func discard(r *agent.Request) deliver.Report {
	o := outcome(r.NextHop)
	for _, recipient := range r.Recipients {
		r.Report(recipient, "none", o)
	}
	return deliver.Report{}
}

// outcome reads the reason.
func outcome(reason string) agent.Outcome {
	status, text := dsn.Split(reason, "2.0.0")
	if status.Class() != '2' {
		msg.Warn("ignoring status code %s in %q", status, reason)
		status = "2.0.0"
	}
	return agent.Outcome{Status: status, Reason: text}
}
