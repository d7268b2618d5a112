package main

import (
	"postrider/lib/daemon/server"
	"postrider/lib/service/reindex"
)

// conf holds the main.cf parameters of nbdb_reindexd(8).
var conf struct {
	server.Params
	Reindex reindex.Params
}
