package main

import (
	"postrider/lib/daemon/agent"
	"postrider/lib/daemon/external"
	"postrider/lib/mail/address"
)

// conf holds the main.cf parameters of pipe(8).
var conf struct {
	agent.Params
	Command external.Params
	Address address.Params

	// Tables that replace the status code and the text of deliveries; see
	// $default_delivery_status_filter.
	StatusFilter string `param:"pipe_delivery_status_filter" default:"$default_delivery_status_filter"`
}

// perTransport holds the parameters that have the name of the service in
// master.cf in their names.
var perTransport external.PerService
