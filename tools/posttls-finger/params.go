package main

import (
	"postrider/lib/mail/domains"
	"postrider/lib/mail/port"
	"postrider/lib/mail/site"
	"postrider/lib/net/starttls"
)

// conf holds the main.cf parameters of posttls-finger(1).
var conf struct {
	site.Params
	Interfaces domains.Interfaces
	Ports      port.Params
	TLS        starttls.Params
	Client     starttls.ClientParams
}
