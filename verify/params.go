package main

import (
	"time"

	"postrider/lib/base/table"
	"postrider/lib/daemon/server"
	"postrider/lib/service/cleanup"
	"postrider/lib/service/rewrite"
	"postrider/lib/service/verify"
)

// conf holds the main.cf parameters of verify(8).
var conf struct {
	server.Params
	Cleanup cleanup.Params
	Detect  cleanup.Detect
	Rewrite rewrite.Params
	Cache   table.CacheParams

	// CACHE

	// The table in which results are kept, as type:name. Only verify(8)
	// writes it. Empty: results are kept in memory, and forgotten when the
	// process ends.
	Map string `param:"address_verify_map" default:"$default_cache_db_type:$data_directory/verify_cache"`

	// How often the table is searched for entries that are too old. 0: never.
	CleanupInterval time.Duration `param:"address_verify_cache_cleanup_interval" default:"12h" min:"0s"`

	verify.Negative

	// How long a good result lasts when it cannot be refreshed.
	PositiveExpireTime time.Duration `param:"address_verify_positive_expire_time" default:"31d" min:"1s"`

	// After this time a question about a deliverable address starts a new
	// probe. The old result is the answer until there is a new one.
	PositiveRefreshTime time.Duration `param:"address_verify_positive_refresh_time" default:"7d" min:"1s"`

	// How long a bad result lasts when it cannot be refreshed.
	NegativeExpireTime time.Duration `param:"address_verify_negative_expire_time" default:"3d" min:"1s"`

	// After this time a question about an address with a bad result starts a
	// new probe.
	NegativeRefreshTime time.Duration `param:"address_verify_negative_refresh_time" default:"3h" min:"1s"`

	// PROBES

	verify.Probe
}
