package main

import (
	"postrider/lib/daemon/server"
	"postrider/lib/mail/address"
	"postrider/lib/mail/domains"
	"postrider/lib/service/deliver"
	"postrider/lib/service/rewrite"
)

// conf holds the main.cf parameters of trivial-rewrite(8).
var conf params

type params struct {
	server.Params
	Address address.Params
	Maps    address.Maps
	Domains domains.Params
	Rewrite rewrite.Params
	Ways
	Probe ProbeWays

	// STANDARD FORM

	// Add @$myorigin to addresses without a domain.
	AppendAtMyOrigin bool `param:"append_at_myorigin" default:"yes"`

	// Add .$mydomain to domains without a dot.
	AppendDotMyDomain bool `param:"append_dot_mydomain" default:"${{$compatibility_level} <level {1} ? {yes} : {no}}"`

	// Turn site!user into user@site.
	SwapBangPath bool `param:"swap_bangpath" default:"yes"`

	// Turn user%domain into user@domain.
	AllowPercentHack bool `param:"allow_percent_hack" default:"yes"`

	// FINDING THE WAY

	// Look for routing operators inside a quoted local part too.
	ResolveDequotedAddress bool `param:"resolve_dequoted_address" default:"yes"`

	// Treat user@ as an address of this machine.
	ResolveNullDomain bool `param:"resolve_null_domain" default:"no"`

	// Treat user@ipaddress like user@[ipaddress].
	ResolveNumericDomain bool `param:"resolve_numeric_domain" default:"no"`

	address.MinUser

	domains.Unknown

	// What is looked up in $sender_dependent_relayhost_maps for the null
	// sender.
	NullRelayhostKey string `param:"empty_address_relayhost_maps_lookup_key" default:"<>"`

	// What is looked up in $sender_dependent_default_transport_maps for the
	// null sender.
	NullTransportKey string `param:"empty_address_default_transport_maps_lookup_key" default:"<>"`

	// Put "5.1.6 User has moved to " in front of what $relocated_maps say. With "no" they
	// have the status and the text of the notice.
	RelocatedPrefixEnable bool `param:"relocated_prefix_enable" default:"yes"`

	deliver.ErrorService
}

// Ways are the transports of the address classes.
type Ways struct {
	// How mail for local domains ($mydestination) is delivered, and to what
	// destination.
	LocalTransport string `param:"local_transport" default:"local:$myhostname"`

	// How mail for $virtual_mailbox_domains is delivered.
	VirtualTransport string `param:"virtual_transport" default:"virtual"`

	// How mail for $relay_domains is delivered.
	RelayTransport string `param:"relay_transport" default:"relay"`

	// How mail for all other domains is delivered.
	DefaultTransport string `param:"default_transport" default:"smtp"`

	// Tables from sender address or @domain to a transport that goes over
	// $default_transport.
	SenderTransportMaps string `param:"sender_dependent_default_transport_maps" default:""`

	domains.Smarthost

	// Tables from sender address or @domain to a relay host that goes over
	// $relayhost.
	SenderRelayhostMaps string `param:"sender_dependent_relayhost_maps" default:""`

	// Tables from recipient address or domain to a transport and next hop.
	// See transport(5).
	TransportMaps string `param:"transport_maps" default:""`
}

// ProbeWays are the same for address verification probes.
type ProbeWays struct {
	// $local_transport for address verification probes.
	LocalTransport string `param:"address_verify_local_transport" default:"$local_transport"`

	// $virtual_transport for address verification probes.
	VirtualTransport string `param:"address_verify_virtual_transport" default:"$virtual_transport"`

	// $relay_transport for address verification probes.
	RelayTransport string `param:"address_verify_relay_transport" default:"$relay_transport"`

	// $default_transport for address verification probes.
	DefaultTransport string `param:"address_verify_default_transport" default:"$default_transport"`

	// $sender_dependent_default_transport_maps for address verification
	// probes.
	SenderTransportMaps string `param:"address_verify_sender_dependent_default_transport_maps" default:"$sender_dependent_default_transport_maps"`

	// $relayhost for address verification probes.
	Relayhost string `param:"address_verify_relayhost" default:"$relayhost"`

	// $sender_dependent_relayhost_maps for address verification probes.
	SenderRelayhostMaps string `param:"address_verify_sender_dependent_relayhost_maps" default:"$sender_dependent_relayhost_maps"`

	// $transport_maps for address verification probes.
	TransportMaps string `param:"address_verify_transport_maps" default:"$transport_maps"`
}

func (p *params) probeWays() Ways {
	w := p.Probe
	return Ways{w.LocalTransport, w.VirtualTransport, w.RelayTransport, w.DefaultTransport, w.SenderTransportMaps,
		domains.Smarthost{Relayhost: w.Relayhost}, w.SenderRelayhostMaps, w.TransportMaps}
}
