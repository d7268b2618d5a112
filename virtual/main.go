// Virtual delivers mail to the mailboxes of users who have no account on this
// machine.
//
// # SYNOPSIS
//
//	virtual [generic daemon options]
//
// # DESCRIPTION
//
// All that virtual knows of a recipient comes from lookup tables with the full
// address as the key: where the mailbox is, and the numbers of the user and
// group with whose rights it is written. It only delivers; what should be
// forwarded is a matter of virtual_alias_maps.
//
// # MAILBOX LOCATION
//
// The mailbox is the file $virtual_mailbox_base/RESULT, where RESULT comes from
// virtual_mailbox_maps. When it ends in / the mailbox is a maildir, with one
// file per message; else it is a file in mbox format.
//
// Both begin with the headers Return-Path, X-Original-To and Delivered-To. In
// an mbox file a "From sender date" line stands before each message, an empty
// line after it, and lines that begin with "From " get a > in front. The file
// is locked as virtual_mailbox_lock says, and when something goes wrong it is
// cut to the length that it had.
//
// # TABLE SEARCH ORDER
//
// Each table is asked, in lower case, for user+extension@domain, for
// user@domain, and for @domain. Tables of patterns see only the full address.
//
// # SECURITY
//
// Virtual runs with real user ID 0 and works with the rights of the mail
// system; it takes those of the recipient while it writes. User numbers below
// virtual_minimum_uid are refused. The tables must be protected well: results
// with $1 from patterns, and tables behind proxymap(8), are not used.
//
// # DIAGNOSTICS
//
// Mail bounces when the recipient has no mailbox or is over quota. All other
// trouble is logged, and the mail tried again.
package main

import (
	"os"
	"strings"

	"postrider/lib/base/file"
	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	_ "postrider/lib/base/table/all"
	"postrider/lib/daemon/agent"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/mailbox"
	"postrider/lib/service/deliver"
)

func main() {
	agent.Main(agent.Agent{
		Name:         "virtual",
		Params:       &conf,
		Privileged:   true,
		PreJail:      prepare,
		StatusFilter: &conf.StatusFilter,
		Deliver:      deliverAll,
	})
}

// maps are the tables and settings that conf names.
var maps struct {
	mailbox, uid, gid *table.List
	locks             []file.Kind
	host              string
}

func prepare(p *server.Process) {
	if len(p.Args) > 0 {
		msg.Fatal("unexpected command-line argument: %s", p.Args[0])
	}
	if base := conf.MailboxBase; base != "" && !strings.HasPrefix(base, "/") {
		msg.Fatal("do not specify relative pathname: virtual_mailbox_base = %s", base)
	}
	maps.mailbox = open("virtual_mailbox_maps", conf.VirtualMailboxMaps)
	maps.uid = open("virtual_uid_maps", conf.UIDMaps)
	maps.gid = open("virtual_gid_maps", conf.GIDMaps)
	var err error
	if maps.locks, err = file.Kinds(conf.MailboxLock); err != nil {
		msg.Fatal("parameter virtual_mailbox_lock: %v", err)
	}
	if maps.host, err = os.Hostname(); err != nil {
		msg.Fatal("%v", err)
	}
	if err := mailbox.LimitFiles("virtual_mailbox_limit", conf.MailboxLimit, conf.MessageSizeLimit); err != nil {
		msg.Fatal("%v", err)
	}
}

func open(name, tables string) *table.List {
	list, err := table.OpenList(strings.Join(table.Direct(tables), " "), table.FoldKey|table.NoSubstitute|table.NoProxy|table.NoUnauth)
	if err != nil {
		msg.Fatal("parameter %s: %v", name, err)
	}
	return list
}

func deliverAll(r *agent.Request) deliver.Report {
	for _, recipient := range r.Recipients {
		o, corrupt := outcome(r, recipient)
		if corrupt {
			break
		}
		r.Report(recipient, r.Service, o)
	}
	return deliver.Report{}
}
