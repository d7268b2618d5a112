package main

import (
	"time"

	"postrider/lib/daemon/server"
	"postrider/lib/mail/address"
	"postrider/lib/mail/domains"
	"postrider/lib/mail/notice"
	"postrider/lib/mail/param"
	"postrider/lib/mail/requiretls"
	"postrider/lib/mail/verp"
	"postrider/lib/net/dns"
	"postrider/lib/net/milter"
	"postrider/lib/net/starttls"
	"postrider/lib/service/cleanup"
	"postrider/lib/service/flush"
	"postrider/lib/service/rewrite"
	"postrider/smtpd/access"
)

// conf holds the main.cf parameters of smtpd(8), in the order of its manual.
var conf params

type params struct {
	server.Params
	Domains domains.Params
	Access  access.Params
	Address address.Params
	Maps    address.Maps
	Cleanup cleanup.Params
	Intake  cleanup.Intake
	Detect  cleanup.Detect
	Rewrite rewrite.Params
	Flush   flush.Params

	Milter milter.Params

	// Mail filters (milters) that see all mail from the network: words like
	// inet:host:port or unix:path. One with settings of its own is written
	// { inet:host:port, default_action=accept, connect_timeout=10s };
	// the settings are command_timeout, connect_timeout, content_timeout,
	// default_action and protocol.
	Milters string `param:"smtpd_milters" default:""`

	// Tables from the address of a client to the mail filters for it,
	// instead of $smtpd_milters. The word DISABLE means none.
	MilterMaps string `param:"smtpd_milter_maps" default:""`

	Debug      domains.Debug
	IDNA       dns.Names
	RequireTLS requiretls.Params
	TLSHeader  requiretls.Header
	TLSLibrary starttls.Params
	TLS        tlsParams
	SASL       saslParams

	// THE SESSION

	// The text of the 220 greeting. RFC 5321 wants the host name first.
	Banner string `param:"smtpd_banner" default:"$myhostname ESMTP $mail_name"`

	// The name of the service for connection and rate limits, in place of
	// the one in master.cf.
	ServiceName string `param:"smtpd_service_name" default:"smtpd"`

	// The time limit for sending a reply and for receiving a command. Under
	// overload the default is short.
	Timeout time.Duration `param:"smtpd_timeout" default:"${stress?{10}:{300}}s" min:"1s"`

	// Make $smtpd_timeout the limit for a whole command or for the whole
	// message at $smtpd_min_data_rate, instead of for each read and write.
	PerRequestDeadline bool `param:"smtpd_per_request_deadline" default:"${smtpd_per_record_deadline?{$smtpd_per_record_deadline}:{${stress?{yes}:{no}}}}"`

	// The rate, in bytes per second, at which a client must send a message
	// when deadlines are in force.
	MinDataRate int `param:"smtpd_min_data_rate" default:"500" min:"1"`

	// Look up the name of the client's address, and the addresses of that
	// name.
	PeernameLookup bool `param:"smtpd_peername_lookup" default:"yes"`

	// Log the port of the client, too.
	ClientPortLogging bool `param:"smtpd_client_port_logging" default:"no"`

	// Clients must introduce themselves with HELO or EHLO before MAIL and
	// ETRN.
	HeloRequired bool `param:"smtpd_helo_required" default:"no"`

	// Addresses in MAIL and RCPT must be in brackets, and have no phrases
	// and comments.
	StrictEnvelopes bool `param:"strict_rfc821_envelopes" default:"no"`

	address.MinUser

	// Refuse addresses in UTF-8 from clients that did not ask for SMTPUTF8.
	StrictSMTPUTF8 bool `param:"strict_smtputf8" default:"no"`

	// Turn off the VRFY command, with which address collectors find out
	// which addresses exist.
	DisableVRFY bool `param:"disable_vrfy_command" default:"no"`

	// The EHLO keywords that are not announced, in any case:
	// pipelining, size, vrfy, etrn, dsn, smtputf8, chunking, 8bitmime, …;
	// silent-discard keeps this out of the log.
	DiscardEHLO string `param:"smtpd_discard_ehlo_keywords" default:""`

	// The same, for single clients, by address.
	DiscardEHLOMaps string `param:"smtpd_discard_ehlo_keyword_address_maps" default:""`

	// Commands that end the session: those of web browsers and proxies.
	ForbiddenCommands string `param:"smtpd_forbidden_commands" default:"CONNECT GET POST regexp:{{/^[^A-Z]/ Bogus}}"`

	// Commands that do nothing, like NOOP.
	NoopCommands string `param:"smtpd_noop_commands" default:""`

	// A table that replaces commands before they are looked at, for clients
	// that do not speak SMTP well.
	CommandFilter string `param:"smtpd_command_filter" default:""`

	// What to do with lines that end in a bare newline, with which mail can
	// be smuggled past a system that reads them differently: "normalize"
	// takes them as lines but never as the end of the message, "reject"
	// refuses the message, "no" takes them as CR LF in every way.
	ForbidBareNewline string `param:"smtpd_forbid_bare_newline" default:"normalize"`

	// The clients to which smtpd_forbid_bare_newline does not apply.
	BareNewlineExclusions string `param:"smtpd_forbid_bare_newline_exclusions" default:"$mynetworks"`

	// The reply code for smtpd_forbid_bare_newline = reject.
	BareNewlineCode int `param:"smtpd_forbid_bare_newline_reject_code" default:"550"`

	// End sessions with clients that do not wait for a reply where they must.
	ForbidUnauthPipelining bool `param:"smtpd_forbid_unauth_pipelining" default:"yes"`

	// Open the queue file only when a recipient was accepted.
	DelayOpen bool `param:"smtpd_delay_open_until_valid_rcpt" default:"yes"`

	// Text after each 4xx and 5xx reply; "\\c" at its start joins it to the
	// reply, "\\n" begins a new line.
	RejectFooter param.Raw `param:"smtpd_reject_footer" default:""`

	// A table with footers for single replies; the key is the reply.
	RejectFooterMaps string `param:"smtpd_reject_footer_maps" default:""`

	// Tables that replace 4xx and 5xx replies before a footer is added; the key is
	// the reply. The new one must be a refusal, too. What was logged
	// before stays as it is; the log has both replies.
	RejectFilterMaps string `param:"smtpd_reject_filter_maps" default:""`

	// Tables that are asked with each DNS record, as text, before it is used for a
	// decision: "name ttl IN type data". With the answer IGNORE the record is
	// not used. Names of clients are not looked up this way.
	DNSReplyFilter string `param:"smtpd_dns_reply_filter" default:""`

	// Whose headers are completed with $myorigin and $mydomain: lists of
	// permit_inet_interfaces, permit_mynetworks, permit_sasl_authenticated,
	// check_address_map type:table.
	LocalHeaderRewriteClients string `param:"local_header_rewrite_clients" default:"permit_inet_interfaces"`

	// Say in replies what might help the sender.
	HelpfulWarnings bool `param:"helpful_warnings" default:"yes"`

	// Show the login name of the client in the Received: header.
	SASLHeader bool `param:"smtpd_sasl_authenticated_header" default:"no"`

	// Do not tell the name and address of authenticated clients in headers.
	HideClientSession bool `param:"smtpd_hide_client_session" default:"no"`

	// The clients that may use XCLIENT, with which a proxy tells who its
	// client is.
	XclientHosts string `param:"smtpd_authorized_xclient_hosts" default:""`

	// The clients that may use XFORWARD, with which a content filter tells
	// where mail came from.
	XforwardHosts string `param:"smtpd_authorized_xforward_hosts" default:""`

	// The clients that may ask for VERP delivery (XVERP).
	VerpClients string `param:"smtpd_authorized_verp_clients" default:"$authorized_verp_clients"`

	// The two characters of VERP addresses when the client does not name them.
	VerpDelimiters string `param:"default_verp_delimiters" default:"+="`

	Verp verp.Params

	// The protocol of a proxy in front of the server, which tells who the
	// client is: haproxy, or nothing.
	UpstreamProxyProtocol string `param:"smtpd_upstream_proxy_protocol" default:""`

	// The time limit for what that proxy says.
	UpstreamProxyTimeout time.Duration `param:"smtpd_upstream_proxy_timeout" default:"5s" min:"1s"`

	// CONTENT FILTER BEFORE THE QUEUE

	// A mail server that sees each message before it is accepted:
	// host:port, inet:host:port or unix:path.
	ProxyFilter string `param:"smtpd_proxy_filter" default:""`

	// What to call ourselves in EHLO to it.
	ProxyEHLO string `param:"smtpd_proxy_ehlo" default:"$myhostname"`

	// The time limit for connecting, sending and receiving.
	ProxyTimeout time.Duration `param:"smtpd_proxy_timeout" default:"100s" min:"1s"`

	// "speed_adjust": receive a whole message before the filter is asked.
	ProxyOptions string `param:"smtpd_proxy_options" default:""`

	// RESOURCE AND RATE CONTROLS

	// The free space that must be left in the queue file system, in bytes.
	// Less than one and a half times $message_size_limit is never enough.
	QueueMinfree int64 `param:"queue_minfree" default:"0" min:"0"`

	// The number of recipients that one message may have.
	RecipientLimit int `param:"smtpd_recipient_limit" default:"1000" min:"1"`

	// How many recipients more a client may try before that is an error.
	RecipientOvershootLimit int `param:"smtpd_recipient_overshoot_limit" default:"1000" min:"1"`

	// The pause before each reply to a client that has made more than
	// $smtpd_soft_error_limit errors without delivering mail.
	ErrorSleepTime time.Duration `param:"smtpd_error_sleep_time" default:"1s"`

	// The number of errors after which a client is slowed down.
	SoftErrorLimit int `param:"smtpd_soft_error_limit" default:"10" min:"1"`

	// The number of errors that a client may make without delivering mail.
	// Under overload the default is 1.
	HardErrorLimit int `param:"smtpd_hard_error_limit" default:"${stress?{1}:{20}}" min:"1"`

	// The number of commands without effect, such as NOOP, VRFY, ETRN and
	// RSET, before they count as errors.
	JunkCommandLimit int `param:"smtpd_junk_command_limit" default:"${stress?{1}:{100}}" min:"1"`

	// The number of lines of a session that are kept for a notice to the
	// postmaster.
	HistoryFlushThreshold int `param:"smtpd_history_flush_threshold" default:"100" min:"1"`

	// The number of simultaneous connections from one client; 0: no limit.
	ClientConnectionCountLimit int `param:"smtpd_client_connection_count_limit" default:"50" min:"0"`

	// The number of connections from one client per $anvil_rate_time_unit.
	ClientConnectionRateLimit int `param:"smtpd_client_connection_rate_limit" default:"0" min:"0"`

	// The number of messages from one client per $anvil_rate_time_unit.
	ClientMessageRateLimit int `param:"smtpd_client_message_rate_limit" default:"0" min:"0"`

	// The number of recipients from one client per $anvil_rate_time_unit.
	ClientRecipientRateLimit int `param:"smtpd_client_recipient_rate_limit" default:"0" min:"0"`

	// The number of leading bits of an IPv4 address that are one client.
	ClientIPv4PrefixLength int `param:"smtpd_client_ipv4_prefix_length" default:"32" min:"1" max:"32"`

	// The number of leading bits of an IPv6 address that are one client.
	ClientIPv6PrefixLength int `param:"smtpd_client_ipv6_prefix_length" default:"84" min:"1" max:"128"`

	// The clients to which these limits do not apply.
	ClientEventLimitExceptions string `param:"smtpd_client_event_limit_exceptions" default:"${smtpd_client_connection_limit_exceptions:$mynetworks}"`

	// The value of the -o stress option, "yes" under overload.
	Stress string `param:"stress" default:""`

	// TROUBLE

	notice.Postmaster
}
