package main

import "postrider/lib/daemon/agent"

// conf holds the main.cf parameters of discard(8).
var conf struct {
	agent.Params
}
