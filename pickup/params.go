package main

import (
	"postrider/lib/daemon/server"
	"postrider/lib/mail/address"
	"postrider/lib/service/cleanup"
)

// conf holds the main.cf parameters of pickup(8).
var conf struct {
	server.Params
	Cleanup cleanup.Params
	Intake  cleanup.Intake
	Detect  cleanup.Detect
	Address address.Params
}
