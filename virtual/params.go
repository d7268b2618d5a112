package main

import (
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/address"
	"postrider/lib/mail/domains"
	"postrider/lib/mail/mailbox"
)

// conf holds the main.cf parameters of virtual(8).
var conf struct {
	agent.Params
	Address address.Params
	Mailbox mailbox.Params

	// Tables that replace the status code and the text of deliveries; see
	// $default_delivery_status_filter.
	StatusFilter string `param:"virtual_delivery_status_filter" default:"$default_delivery_status_filter"`

	// MAILBOX DELIVERY CONTROLS

	// A folder that is put in front of all results of $virtual_mailbox_maps.
	MailboxBase string `param:"virtual_mailbox_base" default:""`

	domains.Mailboxes

	// The lowest user number that $virtual_uid_maps may give.
	MinimumUID int `param:"virtual_minimum_uid" default:"100" min:"1"`

	// Tables with the user number with which the mailbox of an address is
	// written.
	UIDMaps string `param:"virtual_uid_maps" default:""`

	// Tables with the group number with which the mailbox of an address is
	// written.
	GIDMaps string `param:"virtual_gid_maps" default:""`

	// LOCKING CONTROLS

	// How mailbox files are locked: flock, fcntl, dotlock, or several of
	// these. Maildirs need no locks.
	MailboxLock string `param:"virtual_mailbox_lock" default:"fcntl, dotlock"`

	// RESOURCE AND RATE CONTROLS

	// The largest size of a mailbox file, or of a file in a maildir, in
	// bytes; 0 means no limit. It must not be smaller than
	// $message_size_limit.
	MailboxLimit int64 `param:"virtual_mailbox_limit" default:"51200000" min:"0"`
}
