package main

import (
	"postrider/lib/mail/address"
	"postrider/lib/mail/site"
	"postrider/lib/service/ipc"
)

// conf holds the main.cf parameters of postdrop(1).
var conf struct {
	site.Params
	Address address.Params
	Wake    ipc.Wake

	// ACCESS CONTROLS

	// The users who may submit mail with sendmail(1).
	AuthorizedSubmitUsers string `param:"authorized_submit_users" default:"static:anyone"`

	// Which envelope senders a login name may use with sendmail(1): a table
	// from login name to a list of addresses, @domains, or * for any.
	LocalLoginSenderMaps string `param:"local_login_sender_maps" default:"static:*"`

	// What is looked up in $local_login_sender_maps for the null sender.
	EmptyAddressLoginKey string `param:"empty_address_local_login_sender_maps_lookup_key" default:"<>"`
}
