package main

import (
	"postrider/lib/mail/site"
)

// conf holds the main.cf parameters of sendmail(1).
var conf struct {
	site.Params

	// The alias databases that newaliases(1) and "sendmail -bi" build.
	AliasDatabase string `param:"alias_database" default:"$default_database_type:/etc/aliases"`

	// When a line end of CR LF on standard input loses its CR: always, never,
	// or strict (only when the first line of the message has one).
	FixLineEndings string `param:"sendmail_fix_line_endings" default:"always"`
}
