package main

import (
	"postrider/lib/daemon/external"
	"postrider/lib/daemon/server"
)

// conf holds the main.cf parameters of spawn(8).
var conf struct {
	server.Params
	Command external.Params
}

// perService holds the parameters that have the name of the service in master.cf
// in their names.
var perService struct{ external.PerService }
