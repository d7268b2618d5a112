package main

import (
	"time"

	"postrider/lib/service/scache"
)

// cacheParams are the parameters of connections that are used for more than one
// message.
type cacheParams struct {
	// CONNECTIONS FOR MORE THAN ONE MESSAGE

	// Keep connections with a destination while the queue manager has more mail
	// for it.
	OnDemand bool `param:"smtp_connection_cache_on_demand" default:"yes"`

	// Destinations with which connections are always kept: domains, relay hosts
	// without brackets and port, paths of sockets, type:name tables, or
	// /files with more of these.
	Destinations string `param:"smtp_connection_cache_destinations" default:""`

	// How long a connection waits for the next message.
	TimeLimit time.Duration `param:"smtp_connection_cache_time_limit" default:"2s" min:"1s"`

	// How long after its begin a connection is still used for another message.
	ReuseTimeLimit time.Duration `param:"smtp_connection_reuse_time_limit" default:"300s" min:"1s"`

	// How often a connection is used again. 0: no limit.
	ReuseCountLimit int `param:"smtp_connection_reuse_count_limit" default:"0" min:"0"`

	scache.Params
}
