package main

import (
	"postrider/lib/mail/site"
	"postrider/lib/service/postlog"
	"postrider/lib/service/reindex"
)

// conf holds the main.cf parameters of postfix(1).
var conf parameters

type (
	siteParams = site.Params
	logParams  = postlog.Params
)

type parameters struct {
	siteParams
	logParams

	// LOG FILE

	// The command that makes a log file smaller after rotation.
	MaillogFileCompressor string `param:"maillog_file_compressor" default:"gzip"`

	// What "postfix logrotate" appends to the name of the log file, as
	// date(1) formats it.
	MaillogFileRotateSuffix string `param:"maillog_file_rotate_suffix" default:"%Y%m%d-%H%M%S"`

	// SEVERAL INSTANCES

	// The configuration directories of further instances of the mail system
	// on this machine.
	MultiInstanceDirectories string `param:"multi_instance_directories" default:""`

	// The command that carries a postfix(1) command out for all instances.
	MultiInstanceWrapper string `param:"multi_instance_wrapper" default:""`

	// MISCELLANEOUS CONTROLS

	Reindex reindex.Params

	site.Locks

	// Where the command is that takes mail from local users and programs.
	SendmailPath string `param:"sendmail_path" default:"/usr/sbin/sendmail"`

	// Where the command is that makes the alias database new.
	NewaliasesPath string `param:"newaliases_path" default:"/usr/bin/newaliases"`

	// Where the command is that lists the mail queue.
	MailqPath string `param:"mailq_path" default:"/usr/bin/mailq"`

	// The directory with the manual pages, in man1, man5 and man8.
	ManpageDirectory string `param:"manpage_directory" default:"/usr/local/man"`

	// How many defaults of older releases are kept: the release up to which
	// everything is as it is today, such as 3.6.
	CompatibilityLevel string `param:"compatibility_level" default:"0"`
}
