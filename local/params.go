package main

import (
	"postrider/lib/daemon/agent"
	"postrider/lib/daemon/external"
	"postrider/lib/mail/address"
	"postrider/lib/mail/mailbox"
	"postrider/lib/mail/param"
	"postrider/lib/service/cleanup"
	"postrider/lib/service/rewrite"
)

// conf holds the main.cf parameters of local(8), in the order of its manual.
var conf struct {
	agent.Params
	Address address.Params
	Maps    address.Propagate
	Mailbox mailbox.Params
	Command external.Params
	Cleanup cleanup.Params
	Detect  cleanup.Detect
	Rewrite rewrite.Params

	// Tables that replace the status code and the text of deliveries; see
	// $default_delivery_status_filter.
	StatusFilter string `param:"local_delivery_status_filter" default:"$default_delivery_status_filter"`

	// COMPATIBILITY CONTROLS

	// Tell users who are logged in and want to know that new mail is there.
	Biff bool `param:"biff" default:"yes"`

	// With an alias owner-NAME, use what it stands for as the sender of mail
	// to NAME, not the alias owner-NAME itself.
	ExpandOwnerAlias bool `param:"expand_owner_alias" default:"no"`

	// An alias without an owner- of its own inside one that has it: deliver
	// at once, instead of as a new message.
	ResetOwnerAlias bool `param:"reset_owner_alias" default:"no"`

	// Keep the address in the Delivered-To header the same while aliases and
	// .forward files are expanded.
	FrozenDeliveredTo bool `param:"frozen_delivered_to" default:"yes"`

	// Obsolete: use "mailbox_delivery_lock = dotlock".
	SunMailtoolCompatibility bool `param:"sun_mailtool_compatibility" default:"no"`

	// DELIVERY METHOD CONTROLS

	// The alias tables. They are searched in this order. See aliases(5).
	AliasMaps string `param:"alias_maps" default:"$default_database_type:/etc/aliases"`

	// Where users keep .forward files: names in which $user, $home, $shell,
	// $recipient, $extension, $domain, $local and $recipient_delimiter have
	// values. The first file that exists is used, and a name with an empty
	// value is passed over.
	ForwardPath param.Raw `param:"forward_path" default:"$home/.forward${recipient_delimiter}${extension}, $home/.forward"`

	// Tables with the transport that delivers to the mailbox of a user,
	// whether or not the user has an account.
	MailboxTransportMaps string `param:"mailbox_transport_maps" default:""`

	// The transport that delivers to all mailboxes, whether or not the user
	// has an account.
	MailboxTransport string `param:"mailbox_transport" default:""`

	// Tables with the command that delivers to the mailbox of a user.
	MailboxCommandMaps string `param:"mailbox_command_maps" default:""`

	// The command that delivers to all mailboxes, with the rights of the
	// user, except root. The values of the delivery are in its environment.
	MailboxCommand param.Raw `param:"mailbox_command" default:""`

	// The mailbox of a user, below the home directory. With / at the end it
	// is a maildir.
	HomeMailbox string `param:"home_mailbox" default:""`

	// The directory with the mailboxes of all users. With / at the end each
	// is a maildir.
	MailSpoolDirectory string `param:"mail_spool_directory" default:"/var/mail"`

	// Tables with the transport for a name that is neither an alias nor a
	// user.
	FallbackTransportMaps string `param:"fallback_transport_maps" default:""`

	// The transport for names that are neither aliases nor users.
	FallbackTransport string `param:"fallback_transport" default:""`

	// Where mail for names goes that are neither aliases nor users: an
	// address in which the same names have values as in $forward_path.
	LuserRelay param.Raw `param:"luser_relay" default:""`

	// The working directory of commands; the names have values as in
	// $forward_path.
	CommandExecutionDirectory param.Raw `param:"command_execution_directory" default:""`

	// Deliver only to users whose home directory is there, for systems that
	// import home directories.
	RequireHomeDirectory bool `param:"require_home_directory" default:"no"`

	// MAILBOX LOCKING CONTROLS

	mailbox.LockStyle

	// RESOURCE AND RATE CONTROLS

	// The largest size of a mailbox file, of a file in a maildir, and of
	// files that commands write, in bytes; 0 means no limit. It must not be
	// smaller than $message_size_limit.
	MailboxSizeLimit int64 `param:"mailbox_size_limit" default:"51200000" min:"0"`

	// SECURITY CONTROLS

	// Where commands may stand as destinations: alias, forward, include.
	AllowMailToCommands string `param:"allow_mail_to_commands" default:"alias, forward"`

	// Where files may stand as destinations: alias, forward, include.
	AllowMailToFiles string `param:"allow_mail_to_files" default:"alias, forward"`

	// The characters that commands find in their environment; others become
	// underscores.
	CommandExpansionFilter param.Raw `param:"command_expansion_filter" default:"1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"`

	// The characters that values have in $command_execution_directory;
	// others become underscores.
	ExecutionDirectoryExpansionFilter param.Raw `param:"execution_directory_expansion_filter" default:"1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"`

	// The characters that values have in $forward_path; others become
	// underscores.
	ForwardExpansionFilter param.Raw `param:"forward_expansion_filter" default:"1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"`

	// The user with whose rights commands and files are written that root's
	// alias tables name. Never a user with privileges.
	DefaultPrivs string `param:"default_privs" default:"nobody"`

	// MISCELLANEOUS CONTROLS

	// The shell for commands, with its options: it is then used for all of
	// them, also those that need none.
	LocalCommandShell string `param:"local_command_shell" default:""`

	// Where a Delivered-To header is added: command, file, forward. It is
	// what stops forwarding loops.
	PrependDeliveredHeader string `param:"prepend_delivered_header" default:"command, file, forward"`
}
