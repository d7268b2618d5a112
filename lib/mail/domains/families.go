package domains

// Smarthost is where mail goes that this machine does not deliver.
type Smarthost struct {
	// The host that takes mail for other domains, when this one does not
	// deliver by itself: domain, host:port, [host], [host]:port. When it does
	// not exist, mail waits: that is a mistake in the configuration, not in
	// an address.
	Relayhost string `param:"relayhost" default:""`
}

// Mailboxes are the addresses of virtual mailbox domains.
type Mailboxes struct {
	// Tables with all addresses of the domains in $virtual_mailbox_domains,
	// and where their mailboxes are.
	VirtualMailboxMaps string `param:"virtual_mailbox_maps" default:""`
}

// Unknown says what those hear who write to somebody unknown.
type Unknown struct {
	// Say in replies which table did not have an address.
	ShowTableName bool `param:"show_user_unknown_table_name" default:"yes"`
}
