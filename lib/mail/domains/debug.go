package domains

import (
	"postrider/lib/base/match"
	"postrider/lib/base/msg"
)

// Debug are the parameters for a close look at conversations with some hosts.
type Debug struct {
	// The hosts and networks whose sessions with smtp(8) and smtpd(8) are logged
	// in detail, as with options -v.
	PeerList string `param:"debug_peer_list" default:""`

	// How many options -v that is worth.
	PeerLevel int `param:"debug_peer_level" default:"2" min:"1"`

	list *match.List
}

// Open reads the list; parents are those of $parent_domain_matches_subdomains.
func (d *Debug) Open(parents Parents) (err error) {
	d.list = nil
	if d.PeerList != "" {
		d.list, err = match.Clients("debug_peer_list", d.PeerList, parents.Include("debug_peer_list"))
	}
	return err
}

// Begin looks a host up, and makes the program talkative when it is listed. The
// function that it returns ends that.
func (d *Debug) Begin(name, addr string) (end func()) {
	if d.list == nil {
		return func() {}
	}
	if listed, err := d.list.MatchClient(name, addr); err != nil || !listed {
		return func() {}
	}
	before := msg.Verbose
	msg.Verbose += d.PeerLevel
	return func() { msg.Verbose = before }
}
