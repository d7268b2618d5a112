package main

import (
	"time"

	"postrider/lib/daemon/server"
)

// conf holds the main.cf parameters of scache(8).
var conf struct {
	server.Params

	// CONNECTIONS

	// The longest time that a connection is kept, whatever its owner wishes.
	TTLLimit time.Duration `param:"connection_cache_ttl_limit" default:"2s" min:"1s"`

	// How often the log tells how many connections were found, and how many
	// were not.
	StatusUpdateTime time.Duration `param:"connection_cache_status_update_time" default:"600s" min:"1s"`
}
