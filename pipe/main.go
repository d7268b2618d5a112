// Pipe delivers mail to external commands: UUCP, BSMTP, fax and pager gateways,
// content filters, delivery programs of mailing list managers.
//
// # SYNOPSIS
//
//	pipe [generic daemon options] attributes...
//
// # DESCRIPTION
//
// Each request of the queue manager names a message, a next hop, and
// recipients. Pipe starts a command with these on its command line, and the
// message as its standard input.
//
// # SINGLE-RECIPIENT DELIVERY
//
// A destination that takes only one recipient at a time needs
//
//	TRANSPORT_destination_recipient_limit = 1
//
// in main.cf, where TRANSPORT is the name of the service in master.cf. So do
// the flags D and O, since the headers that they add name one recipient.
//
// # COMMAND ATTRIBUTES
//
// They stand at the end of the entry in master.cf.
//
// user=NAME or user=NAME:GROUP. The rights of the command. Required. The
// superuser, the owner of the mail system, and its groups are refused.
//
// argv=COMMAND ARGUMENTS... Required, and the last. The command is executed
// without a shell. An argument with spaces stands between { and }.
//
// chroot=PATH. The root directory of the command.
//
// directory=PATH. The working directory of the command, which its user must be
// able to enter. The default is $queue_directory.
//
// eol=TEXT. What ends the lines of the message, \n if nothing is said. The
// escapes of C are known: \a \b \f \n \r \t \v \\ and \ with up to three octal
// digits.
//
// null_sender=TEXT. What stands for the empty sender, in $sender and in the
// headers; MAILER-DAEMON if nothing is said. It may be empty; then give $sender
// an argument of its own, so that "-f$sender" does not swallow its neighbour.
//
// size=BYTES. Larger messages are returned to their sender.
//
// flags=LETTERS. How the message is changed:
//
//	B  add an empty line at the end
//	D  add a Delivered-To: header, and return mail that has one already
//	F  add a "From sender date" line at the top
//	O  add an X-Original-To: header
//	R  add a Return-Path: header
//	X  the command is the final destination: notices say "delivered"
//	h  lower case for $nexthop, $domain and the domains of recipients
//	q  quote odd characters in $sender and recipients
//	u  lower case for the local parts of recipients
//	.  a "." at the start of a line becomes ".."
//	>  "From " at the start of a line becomes ">From "
//
// # COMMAND LINE MACROS
//
// Written as $name, ${name} or $(name); $$ is one $.
//
//	recipient, original_recipient     the whole address
//	user, extension, mailbox, domain  its parts: user+extension@domain,
//	                                  user+extension is the mailbox
//	sender nexthop queue_id size envid
//	client_address client_helo client_hostname client_port client_protocol
//	sasl_method sasl_sender sasl_username
//
// An argument with a macro of the first two lines is repeated for each
// recipient.
//
// # DIAGNOSTICS
//
// Commands end with a status of sysexits.h. When one fails, the beginning of
// what it printed is logged and goes into the notice to the sender; a status
// code such as 4.7.1 at its start is used instead of the exit status. After
// success up to 100 bytes of it are logged.
//
// # SECURITY
//
// Pipe runs with real user ID 0 and works with the rights of the mail system.
// Commands have those of their user for good. Their environment has a standard
// PATH and what export_environment names.
package main

import (
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/run"
	"postrider/lib/daemon/agent"
	"postrider/lib/daemon/external"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/address"
	"postrider/lib/mail/mailbox"
	"postrider/lib/service/deliver"
)

func main() {
	agent.Main(agent.Agent{
		Name:         "pipe",
		Params:       &conf,
		Privileged:   true,
		PreJail:      prepare,
		StatusFilter: &conf.StatusFilter,
		Deliver:      deliverAll,
	})
}

// service is the entry in master.cf.
var service attributes

func prepare(p *server.Process) {
	if err := p.Settings.LoadTransport(&perTransport, p.Service); err != nil {
		msg.Fatal("%v", err)
	}
	a, err := parse(p.Args)
	if err == nil {
		err = a.findUser(p.Site())
	}
	if err != nil {
		msg.Fatal("%v", err)
	}
	service = a
}

func deliverAll(r *agent.Request) deliver.Report {
	o, corrupt := outcome(r)
	if corrupt {
		return deliver.Report{}
	}
	for _, recipient := range r.Recipients {
		r.Report(recipient, r.Service, o)
	}
	return deliver.Report{}
}

// outcome delivers to all recipients, with one command.
func outcome(r *agent.Request) (o agent.Outcome, corrupt bool) {
	if service.size > 0 && r.Size > service.size {
		return agent.Bounced("5.2.3", "message too large"), false
	}
	args, err := arguments(r)
	if err != nil {
		msg.Warn("file %s/master.cf: service %s: %v", conf.ConfigDirectory, r.Service, err)
		return agent.Deferred("4.3.5", "mail system configuration error"), false
	}
	if flag := service.single(); flag != "" && len(r.Recipients) > 1 {
		msg.Warn("pipe flag `%s' requires %s_destination_recipient_limit = 1", flag, r.Service)
		return agent.Deferred("4.3.5", "mail system configuration error"), false
	}
	if service.flag('D') {
		seen, err := mailbox.DeliveredTo(r.File, r.Offset)
		if err != nil {
			r.Corrupt(err)
			return o, true
		}
		for _, to := range r.Recipients {
			if seen.Has(to.Address) {
				return agent.Bounced("5.4.6", "mail forwarding loop for %s", address.Quote(to.Address)), false
			}
		}
	}
	if r.TraceOnly() {
		return agent.Outcome{Status: "2.0.0", Reason: "delivers to command: " + service.argv[0]}, false
	}
	return execute(r, args)
}

func execute(r *agent.Request, args []string) (agent.Outcome, bool) {
	c := run.Command{Args: args, User: &service.user, Env: conf.Command.Environment(), Dir: service.directory,
		Chroot: service.chroot, Limit: perTransport.TimeLimit}
	o, corrupt := external.Deliver(r, c, service.argv[0], message(r), service.form())
	if !corrupt && o.Status.Class() == '2' {
		printed := ""
		if text := strings.TrimRight(o.Reason, " "); text != "" {
			printed = " (" + text[:min(len(text), 100)] + ")"
		}
		o.Reason = "delivered via " + r.Service + " service" + printed
		if !service.flag('X') {
			o.Action = "relayed"
		}
	}
	return o, corrupt
}

// message says what is copied, and what is written above it.
func message(r *agent.Request) mailbox.Message {
	m := mailbox.Message{Source: r.File, Offset: r.Offset, Sender: service.sender(r.Sender), Time: time.Now()}
	if service.flag('D') {
		m.Delivered = r.Recipients[0].Address
	}
	if service.flag('O') && conf.Address.EnableOriginalRecipient {
		m.Original = r.Recipients[0].Original
	}
	return m
}
