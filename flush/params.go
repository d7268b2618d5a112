package main

import (
	"time"

	"postrider/lib/daemon/server"
	"postrider/lib/mail/domains"
	"postrider/lib/service/flush"
	"postrider/lib/service/ipc"
)

// conf holds the main.cf parameters of flush(8).
var conf params

type params struct {
	server.Params
	domains.Parents
	ipc.Wake

	flush.Domains

	// Mail for a destination that nobody asked for is tried after this time,
	// so that its log does not fill with messages that are gone.
	RefreshTime time.Duration `param:"fast_flush_refresh_time" default:"12h" min:"1s"`

	// An empty log is removed after this time.
	PurgeTime time.Duration `param:"fast_flush_purge_time" default:"7d" min:"1s"`
}
