package main

import (
	"time"

	"postrider/lib/base/table"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/address"
	"postrider/lib/mail/param"
	"postrider/lib/service/bounce"
)

// conf holds the main.cf parameters of postscreen(8).
var conf params

type params struct {
	server.Params
	bounce.Soft
	Address address.Params
	Cache   table.CacheParams

	// PROXY

	// The protocol of a proxy in front of postscreen(8), which tells who the
	// client is: haproxy, or nothing.
	ProxyProtocol string `param:"postscreen_upstream_proxy_protocol" default:""`

	// The time limit for what the proxy says.
	ProxyTimeout time.Duration `param:"postscreen_upstream_proxy_timeout" default:"5s" min:"1s"`

	// PERMANENT LISTS

	// Who is let through, or treated as $postscreen_denylist_action says,
	// before all tests: permit_mynetworks, permit, reject, and tables that give
	// permit, reject or dunno for an address. The first one that fits counts.
	AccessList string `param:"postscreen_access_list" default:"permit_mynetworks"`

	// What to do with clients that are rejected by postscreen_access_list:
	// ignore, enforce or drop.
	DenylistAction string `param:"postscreen_denylist_action" default:"${postscreen_blacklist_action?{$postscreen_blacklist_action}:{ignore}}"`

	// The addresses of this server at which clients can earn a place in the
	// temporary list. A client that comes to another one, such as that of a
	// backup server, is told to try again later.
	AllowlistInterfaces string `param:"postscreen_allowlist_interfaces" default:"${postscreen_whitelist_interfaces?{$postscreen_whitelist_interfaces}:{static:all}}"`

	// Say "allowlist" and "denylist" in the log; no: the words of old
	// releases.
	RespectfulLogging bool `param:"respectful_logging" default:"${{$compatibility_level} <level {3.6} ? {no} : {yes}}"`

	// TESTS BEFORE THE GREETING

	// How long to wait for clients that do not wait for the greeting, and for
	// the answers of block lists. Under overload the default is short.
	GreetWait time.Duration `param:"postscreen_greet_wait" default:"${stress?{2}:{6}}s" min:"1s"`

	// The first line of a greeting that has two. Bad clients take it for all.
	// Empty: no line, and no test for clients that do not wait.
	GreetBanner string `param:"postscreen_greet_banner" default:"$smtpd_banner"`

	// What to do with clients that talk before the greeting: ignore, enforce
	// or drop.
	GreetAction string `param:"postscreen_greet_action" default:"ignore"`

	// How long a client that has waited needs not do so again.
	GreetTTL time.Duration `param:"postscreen_greet_ttl" default:"1d" min:"1s"`

	// Block lists and allow lists in the DNS, each with an optional filter
	// "=d.d.d.d" for the answers, in which [1;3..7] stands for several
	// numbers, and an optional weight "*n", which is negative for allow lists.
	DNSBLSites string `param:"postscreen_dnsbl_sites" default:""`

	// The score from which a client fails this test: the sum of the weights
	// of lists that have it.
	DNSBLThreshold int `param:"postscreen_dnsbl_threshold" default:"1" min:"0"`

	// A client with this score or a lower one, which must be negative, skips
	// all other tests that it has not failed. 0: no client.
	DNSBLAllowThreshold int `param:"postscreen_dnsbl_allowlist_threshold" default:"${postscreen_dnsbl_whitelist_threshold?{$postscreen_dnsbl_whitelist_threshold}:{0}}" max:"0"`

	// What to do with clients whose score reaches the threshold: ignore,
	// enforce or drop.
	DNSBLAction string `param:"postscreen_dnsbl_action" default:"ignore"`

	// A table that gives another name for a list in replies, for names that
	// are a secret.
	DNSBLReplyMap string `param:"postscreen_dnsbl_reply_map" default:""`

	// The longest and the shortest time for which a good score lasts. In
	// between, the DNS says how long.
	DNSBLMaxTTL time.Duration `param:"postscreen_dnsbl_max_ttl" default:"${postscreen_dnsbl_ttl?{$postscreen_dnsbl_ttl}:{1}}h" min:"1s"`

	// The shortest time for which a good score lasts.
	DNSBLMinTTL time.Duration `param:"postscreen_dnsbl_min_ttl" default:"60s" min:"1s"`

	// The time limit for the answer of a list. What comes after the time of
	// the greeting counts for other connections of the same client only.
	DNSBLTimeout time.Duration `param:"postscreen_dnsbl_timeout" default:"10s" min:"1s"`

	// The service that asks the lists.
	DNSBlogService string `param:"dnsblog_service_name" default:"dnsblog"`

	// TESTS AFTER THE GREETING

	// Test whether clients send more than one command at a time, without
	// having been told that they may.
	PipeliningEnable bool `param:"postscreen_pipelining_enable" default:"no"`

	// What to do with those that do: ignore, enforce or drop.
	PipeliningAction string `param:"postscreen_pipelining_action" default:"enforce"`

	// How long it lasts that a client has passed this test.
	PipeliningTTL time.Duration `param:"postscreen_pipelining_ttl" default:"30d" min:"1s"`

	// Test whether clients send what is no SMTP: $postscreen_forbidden_commands,
	// and lines of message headers.
	NonSMTPCommandEnable bool `param:"postscreen_non_smtp_command_enable" default:"no"`

	// What to do with those that do: ignore, enforce or drop.
	NonSMTPCommandAction string `param:"postscreen_non_smtp_command_action" default:"drop"`

	// How long it lasts that a client has passed this test.
	NonSMTPCommandTTL time.Duration `param:"postscreen_non_smtp_command_ttl" default:"30d" min:"1s"`

	// Test whether clients end lines with a newline alone.
	BareNewlineEnable bool `param:"postscreen_bare_newline_enable" default:"no"`

	// What to do with those that do: ignore, enforce or drop.
	BareNewlineAction string `param:"postscreen_bare_newline_action" default:"ignore"`

	// How long it lasts that a client has passed this test.
	BareNewlineTTL time.Duration `param:"postscreen_bare_newline_ttl" default:"30d" min:"1s"`

	// The commands that are none of SMTP.
	ForbiddenCommands string `param:"postscreen_forbidden_commands" default:"$smtpd_forbidden_commands"`

	// How many commands a client may send.
	CommandCountLimit int `param:"postscreen_command_count_limit" default:"20" min:"1"`

	// The time limit for a command. Under overload the default is short.
	CommandTimeLimit time.Duration `param:"postscreen_command_time_limit" default:"${stress?{10}:{300}}s" min:"1s"`

	// A table that replaces commands before they are looked at.
	CommandFilter string `param:"postscreen_command_filter" default:""`

	// Clients must introduce themselves.
	HeloRequired bool `param:"postscreen_helo_required" default:"$smtpd_helo_required"`

	// There is no VRFY command.
	DisableVRFY bool `param:"postscreen_disable_vrfy_command" default:"$disable_vrfy_command"`

	// The EHLO keywords that are not announced.
	DiscardEHLO string `param:"postscreen_discard_ehlo_keywords" default:"$smtpd_discard_ehlo_keywords"`

	// The same, for single clients, by address.
	DiscardEHLOMaps string `param:"postscreen_discard_ehlo_keyword_address_maps" default:"$smtpd_discard_ehlo_keyword_address_maps"`

	// Text after each 4xx and 5xx reply.
	RejectFooter param.Raw `param:"postscreen_reject_footer" default:"$smtpd_reject_footer"`

	// A table with footers for single replies.
	RejectFooterMaps string `param:"postscreen_reject_footer_maps" default:"$smtpd_reject_footer_maps"`

	// The characters that values in footers may have.
	ExpansionFilter param.Raw `param:"postscreen_expansion_filter" default:"$smtpd_expansion_filter"`

	// TLS

	// Whether TLS is offered (may), or a must (encrypt).
	TLSLevel string `param:"postscreen_tls_security_level" default:"$smtpd_tls_security_level"`

	// The old form of postscreen_tls_security_level = may.
	UseTLS bool `param:"postscreen_use_tls" default:"$smtpd_use_tls"`

	// The old form of postscreen_tls_security_level = encrypt.
	EnforceTLS bool `param:"postscreen_enforce_tls" default:"$smtpd_enforce_tls"`

	// The service that does TLS for postscreen(8).
	TLSProxyService string `param:"tlsproxy_service_name" default:"tlsproxy"`

	// CACHE AND LIMITS

	// The table of clients that have passed tests. Only postscreen(8) writes
	// it. Empty: what is known is forgotten with the connection.
	CacheMap string `param:"postscreen_cache_map" default:"$default_cache_db_type:$data_directory/postscreen_cache"`

	// How often entries that are too old are looked for. 0: never.
	CacheCleanupInterval time.Duration `param:"postscreen_cache_cleanup_interval" default:"12h" min:"0s"`

	// How long an entry is kept after it has expired.
	CacheRetentionTime time.Duration `param:"postscreen_cache_retention_time" default:"7d" min:"1s"`

	// How many connections one client may have here. 0: no limit.
	ConnectionCountLimit int `param:"postscreen_client_connection_count_limit" default:"$smtpd_client_connection_count_limit" min:"0"`

	// How many clients may be tested at a time. Nine tenths of it are
	// overload.
	PreQueueLimit int `param:"postscreen_pre_queue_limit" default:"$default_process_limit" min:"10"`

	// How many clients may wait for a process of the SMTP server.
	PostQueueLimit int `param:"postscreen_post_queue_limit" default:"$default_process_limit" min:"5"`

	// A process that does nothing for this long is stuck, and ends itself.
	WatchdogTimeout time.Duration `param:"postscreen_watchdog_timeout" default:"10s" min:"10s"`
}
