package main

import (
	"time"

	"postrider/lib/daemon/server"
)

// conf holds the main.cf parameters of dnsblog(8).
var conf struct {
	server.Params

	// How long dnsblog(8) waits before it answers, for tests of postscreen(8).
	ReplyDelay time.Duration `param:"dnsblog_reply_delay" default:"0s" min:"0s"`
}
