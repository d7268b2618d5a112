package main

import (
	"time"

	"postrider/lib/daemon/server"
)

// conf holds the main.cf parameters of anvil(8).
var conf struct {
	server.Params

	// The time unit over which rates are computed. A client's unit begins
	// with its first event.
	RateTimeUnit time.Duration `param:"anvil_rate_time_unit" default:"60s" min:"1s"`

	// How often the highest counts and rates are logged.
	StatusUpdateTime time.Duration `param:"anvil_status_update_time" default:"600s" min:"1s"`
}
