package main

import "postrider/lib/daemon/agent"

// conf holds the main.cf parameters of error(8).
var conf struct {
	agent.Params
}
