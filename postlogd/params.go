package main

import (
	"time"

	"postrider/lib/daemon/server"
	"postrider/lib/service/postlog"
)

// conf holds the main.cf parameters of postlogd(8).
var conf struct {
	server.Params
	logParams

	// How long one request may take before the process ends itself, for the
	// whole mail system waits for its log.
	WatchdogTimeout time.Duration `param:"postlogd_watchdog_timeout" default:"10s" min:"1s"`
}

// A family that has the same name as another one.
type logParams = postlog.Params
