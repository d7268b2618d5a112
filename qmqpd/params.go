package main

import (
	"time"

	"postrider/lib/daemon/server"
	"postrider/lib/mail/domains"
	"postrider/lib/mail/verp"
	"postrider/lib/service/cleanup"
)

// conf holds the main.cf parameters of qmqpd(8).
var conf struct {
	server.Params
	Domains domains.Params
	Cleanup cleanup.Params
	Detect  cleanup.Detect
	Intake  cleanup.Intake
	Verp    verp.Params

	// CLIENTS

	// The clients that may use the service: names, addresses, networks,
	// /files and type:name tables, in the first match; "!" in front means: not
	// these. Empty: nobody.
	AuthorizedClients string `param:"qmqpd_authorized_clients" default:""`

	// Whether the port of a client is in the log.
	ClientPortLogging bool `param:"qmqpd_client_port_logging" default:"no"`

	// How long to wait before a client is told that its message was not taken.
	ErrorDelay time.Duration `param:"qmqpd_error_delay" default:"1s" min:"0s"`

	// How long to wait for a client each time.
	Timeout time.Duration `param:"qmqpd_timeout" default:"300s" min:"1s"`
}
