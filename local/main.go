// Local delivers mail to the users of this machine.
//
// # SYNOPSIS
//
//	local [generic daemon options]
//
// # DESCRIPTION
//
// Each request of the queue manager names a message and recipients in domains
// of this machine. The part before the @, in lower case, decides what happens:
//
//  1. an alias is replaced by what alias_maps says
//  2. a user's ~/.forward file says where the user's mail goes
//  3. mailbox_transport_maps, mailbox_transport
//  4. mailbox_command_maps, mailbox_command
//  5. home_mailbox, mail_spool_directory
//  6. for names that are neither alias nor user: fallback_transport_maps,
//     fallback_transport, luser_relay
//
// Mail for all others goes back to its sender.
//
// # SYSTEM-WIDE AND USER-LEVEL ALIASING
//
// An alias, a line of a .forward file and a line of an included file have the
// same form. They list, separated by commas or blanks:
//
//	address            mail is sent there
//	\name              the mailbox of name, whatever its aliases are
//	/file/name         mail is appended to the file; with / at the end it is
//	                   a maildir
//	"|command"         the command gets the mail as its input
//	:include:/file     the file lists more of these
//
// When an alias is found in its own expansion, or a user in the own .forward
// file, the mail goes to the mailbox. An empty .forward file means that there is
// none. With an alias owner-NAME mail for the alias NAME is sent anew, and trouble
// with it is told to owner-NAME, not to the sender.
//
// A user's name may be followed by recipient_delimiter and an extension. The
// alias name+extension is preferred to the alias name, and ~/.forward+extension
// to ~/.forward.
//
// Each destination gets the message once, however often it is named.
//
// # MAIL FORWARDING
//
// What goes to another machine, and what comes out of an included file or a
// .forward file, is a new message, so that each recipient has a record of its
// own in the queue. A Delivered-To header tells that mail has been here before;
// such mail is returned.
//
// # DELIVERY RIGHTS
//
// Files and commands are written and run with the rights of the user whose mail
// it is. For an alias these are the rights of the owner of the alias table, or of
// the included file; when that is root, those of default_privs.
//
// # EXTERNAL COMMAND DELIVERY
//
// A command is executed without a shell if it has no characters that need one.
// It finds in its environment PATH, what export_environment names, and SHELL
// HOME USER LOGNAME EXTENSION DOMAIN LOCAL RECIPIENT ORIGINAL_RECIPIENT SENDER ENVID
// CLIENT_ADDRESS CLIENT_HELO CLIENT_HOSTNAME CLIENT_PROTOCOL SASL_METHOD
// SASL_SENDER SASL_USERNAME, with unsafe characters replaced by underscores. Its
// exit status is one of sysexits.h; a status code such as 5.7.1 at the start of
// its output is used instead when it fails. It is killed when it takes longer
// than command_time_limit.
//
// # MAILBOX DELIVERY
//
// Before the message stand a "From sender date" line, and the headers
// Return-Path, X-Original-To and Delivered-To. In mailbox files "From " at the
// start of a line becomes ">From ", and an empty line ends the message. Maildirs
// and commands get neither of these, and maildirs no "From " line. A mailbox file
// is locked as mailbox_delivery_lock says; when something goes wrong it is cut to
// the length that it had.
//
// # SECURITY
//
// Local runs with real user ID 0 and works with the rights of the mail system.
// It takes those of a user only for the file or command at hand. Results of
// alias tables with $1 from patterns, and tables behind proxymap(8), are not
// used.
//
// # BUGS
//
// Deliveries to files and commands are not recorded one by one. When one of
// several destinations of an alias fails, the others get the message again at
// the next try.
package main

import (
	_ "postrider/lib/base/table/all"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/mailbox"
	"postrider/lib/service/deliver"
)

func main() {
	agent.Main(agent.Agent{
		Name:         "local",
		Params:       &conf,
		Privileged:   true,
		PreJail:      prepare,
		StatusFilter: &conf.StatusFilter,
		Deliver:      deliverAll,
	})
}

// deliverAll delivers to each recipient of a request. A recipient is done when
// all that it stands for has the mail, and then the messages that were forwarded
// are in the queue.
func deliverAll(r *agent.Request) deliver.Report {
	loops, err := mailbox.DeliveredTo(r.File, r.Offset)
	if err != nil {
		r.Corrupt(err)
		return deliver.Report{}
	}
	for _, recipient := range r.Recipients {
		d := &delivery{Request: r, top: *recipient, seen: newSeen(conf.Address.DuplicateFilterLimit), loops: loops}
		done := task{delivery: d, to: *recipient, sender: r.Sender, envelopeID: r.EnvelopeID, ret: r.Return}.deliver()
		if done = d.forward(done); d.corrupt {
			break
		}
		if done {
			r.Done(recipient)
		}
	}
	return deliver.Report{}
}
