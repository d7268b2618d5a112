package main

import (
	"time"

	"postrider/lib/daemon/server"
	"postrider/lib/service/tlsmgr"
)

// conf holds the main.cf parameters of tlsmgr(8).
var conf struct {
	server.Params

	// SESSIONS

	tlsmgr.Server
	tlsmgr.Client

	// RANDOM NUMBERS

	// Where random numbers would come from. It has no effect, as those below: the
	// system's own generator needs no help.
	RandomSource string `param:"tls_random_source" default:"dev:/dev/urandom"`

	// How many bytes would be read from it.
	RandomBytes int `param:"tls_random_bytes" default:"32" min:"1"`

	// The file that would keep the state of the generator.
	RandomExchangeName string `param:"tls_random_exchange_name" default:"${data_directory}/prng_exch"`

	// How often the state would be saved.
	RandomPrngUpdatePeriod time.Duration `param:"tls_random_prng_update_period" default:"3600s" min:"1s"`

	// How often the generator would be seeded.
	RandomReseedPeriod time.Duration `param:"tls_random_reseed_period" default:"3600s" min:"1s"`
}

// lmtpConf are the parameters of the LMTP client.
var lmtpConf struct{ tlsmgr.Client }
