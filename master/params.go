package main

import (
	"time"

	"postrider/lib/mail/domains"
	"postrider/lib/mail/port"
	"postrider/lib/mail/site"
	"postrider/lib/service/postlog"
)

// conf holds the main.cf parameters of master(8). A reload replaces it as a
// whole.
var conf parameters

type parameters struct {
	siteParams
	domains.Interfaces
	portParams
	logParams

	// RESOURCE AND RATE CONTROLS

	// How many processes may provide a service at the same time, where
	// master.cf says nothing else. Clients beyond that have to wait.
	DefaultProcessLimit int `param:"default_process_limit" default:"100" min:"1"`

	// How long master waits before it starts a program again that failed
	// before it had served a single client.
	ThrottleTime time.Duration `param:"service_throttle_time" default:"60s" min:"1s"`

	// Entries of master.cf that are left out: "name/type", "*/type" or just
	// "type"; "!" in front of an item takes it back for what follows.
	ServiceDisable string `param:"master_service_disable" default:""`

	// MISCELLANEOUS CONTROLS

	site.Locks

	// What the daemons may take over from the environment that master was
	// started in: names, or name=value to set them in any case.
	ImportEnvironment string `param:"import_environment" default:"MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ XAUTHORITY DISPLAY LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME XDG_RUNTIME_DIR"`

	// The command that option -D starts, to look into the process from
	// outside. It finds $daemon_directory, $process_name and $process_id
	// expanded.
	DebuggerCommand string `param:"debugger_command" default:""`
}

// Families of the same name cannot stand in one struct.
type (
	siteParams = site.Params
	portParams = port.Params
	logParams  = postlog.Params
)
