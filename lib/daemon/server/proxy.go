package server

import (
	_ "postrider/lib/service/proxymap" // a daemon can use tables of the type "proxy"
)
