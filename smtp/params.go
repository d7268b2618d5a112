package main

import (
	"time"

	"postrider/lib/daemon/agent"
	"postrider/lib/mail/address"
	"postrider/lib/mail/domains"
	"postrider/lib/mail/notice"
	"postrider/lib/mail/port"
	"postrider/lib/net/dns"
	"postrider/lib/service/cleanup"
)

// conf holds the main.cf parameters of smtp(8) and lmtp(8). The program that is
// called lmtp reads smtp_* parameters under the name lmtp_*.
var conf struct {
	agent.Params
	Address address.Params
	Domains domains.Params
	Ports   port.Params
	Cleanup cleanup.Params
	Detect  cleanup.Detect

	// DESTINATIONS

	domains.Smarthost

	// Hosts to try when a destination cannot be found or reached, in the form
	// of a next hop. Mail that was refused is not given to them.
	FallbackRelay string `param:"smtp_fallback_relay" default:"$fallback_relay" default.lmtp:"" old:"fallback_relay"`

	// The name of the transport that gets mail for which this machine is the
	// best mail exchanger, but that it does not know as its own. Empty: such
	// mail goes back to the sender, because it would run in a circle.
	BestMXTransport string `param:"best_mx_transport" default:""`

	// The port that a destination without a port means: a number, or the
	// name of a service.
	TCPPort string `param:"smtp_tcp_port" default:"smtp" default.lmtp:"24"`

	// How many addresses of mail exchangers are tried before delivery is put
	// off. 0: all of them.
	MXAddressLimit int `param:"smtp_mx_address_limit" default:"5" min:"0"`

	// How many sessions with mail exchangers are begun for one request before
	// delivery is put off. 0: as many as there are.
	MXSessionLimit int `param:"smtp_mx_session_limit" default:"2" min:"0"`

	// Whether to use mail exchangers with the same preference in random order.
	RandomizeAddresses bool `param:"smtp_randomize_addresses" default:"yes"`

	// Which addresses of the same preference come first: "ipv4", "ipv6", or
	// "any".
	AddressPreference string `param:"smtp_address_preference" default:"any"`

	// Whether both address families get their share of
	// $smtp_mx_address_limit when a destination has many addresses.
	BalanceInetProtocols bool `param:"smtp_balance_inet_protocols" default:"yes"`

	// Whether to keep mail when none of a domain's mail exchangers has an
	// address, instead of returning it.
	DeferIfNoMXAddressFound bool `param:"smtp_defer_if_no_mx_address_found" default:"no"`

	// Whether to use the address of the domain itself when the name servers
	// fail to answer the question for mail exchangers. This may deliver mail
	// to the wrong host.
	IgnoreMXLookupError bool `param:"ignore_mx_lookup_error" default:"no"`

	SRV   srvParams
	Debug domains.Debug
	IDNA  dns.Names

	Required requiredParams
	Report   reportParams

	// HOST LOOKUP

	// Whether to do without the DNS: hosts are looked up like other programs
	// of the system do it, and mail exchangers are not looked up at all.
	DisableDNSLookups bool `param:"disable_dns_lookups" default:"no"`

	// How addresses of hosts are looked up: "dns", "native" (/etc/hosts and
	// the search list of resolv.conf too), or both in this order.
	HostLookup string `param:"smtp_host_lookup" default:"dns"`

	// How much DNS to use: "disabled", "enabled", or "dnssec" to ask for
	// validated answers. Empty: as $disable_dns_lookups says.
	DNSSupportLevel string `param:"smtp_dns_support_level" default:""`

	// What the resolver may add to names that were not found:
	// "res_defnames" for the local domain when there is no dot,
	// "res_dnsrch" for the search list.
	DNSResolverOptions string `param:"smtp_dns_resolver_options" default:""`

	// Tables that are asked with each DNS record, as text, before it is used:
	// "name ttl IN type data". With the answer IGNORE the record is not
	// used.
	DNSReplyFilter string `param:"smtp_dns_reply_filter" default:""`

	// Whether a server whose name is an alias gets the name that the alias
	// stands for, in the log and for authentication and TLS.
	CNAMEOverridesServername bool `param:"smtp_cname_overrides_servername" default:"no"`

	// CONNECTIONS

	// The address to connect from, for IPv4. A firewall may know this
	// machine's mail by it.
	BindAddress string `param:"smtp_bind_address" default:""`

	// The address to connect from, for IPv6.
	BindAddress6 string `param:"smtp_bind_address6" default:""`

	// Whether to put delivery off when the address to connect from cannot be
	// used, instead of leaving the choice to the system.
	BindAddressEnforce bool `param:"smtp_bind_address_enforce" default:"no"`

	// The size of TCP's windows, for networks with routers that break window
	// scaling. 0: what the system chooses.
	TCPWindowsize int `param:"tcp_windowsize" default:"0" min:"0"`

	// TIME LIMITS

	// The time for a connection to be made. 0: what the system allows.
	ConnectTimeout time.Duration `param:"smtp_connect_timeout" default:"30s" default.lmtp:"0s" min:"0"`

	// The time for the server's greeting, and for its answer to our name.
	HeloTimeout time.Duration `param:"smtp_helo_timeout" default:"300s" min:"1s"`

	// The time to send an XFORWARD command and receive the answer.
	XForwardTimeout time.Duration `param:"smtp_xforward_timeout" default:"300s" min:"1s"`

	// The time to send the MAIL FROM command and receive the answer.
	MailTimeout time.Duration `param:"smtp_mail_timeout" default:"300s" min:"1s"`

	// The time to send a RCPT TO command and receive the answer.
	RcptTimeout time.Duration `param:"smtp_rcpt_timeout" default:"300s" min:"1s"`

	// The time to send the DATA command and receive the answer.
	DataInitTimeout time.Duration `param:"smtp_data_init_timeout" default:"120s" min:"1s"`

	// The time for a block of the message's content to be sent.
	DataXferTimeout time.Duration `param:"smtp_data_xfer_timeout" default:"180s" min:"1s"`

	// The time for the server to accept the message after its last line. When
	// it is too short, a message may be delivered twice.
	DataDoneTimeout time.Duration `param:"smtp_data_done_timeout" default:"600s" min:"1s"`

	// The time to send RSET and receive the answer.
	RsetTimeout time.Duration `param:"smtp_rset_timeout" default:"20s" min:"1s"`

	// The time to send QUIT, and to receive the answer where it is awaited.
	QuitTimeout time.Duration `param:"smtp_quit_timeout" default:"300s" min:"1s"`

	// Whether the limits above hold for a whole command or answer, instead of
	// each piece of it that the network brings.
	PerRequestDeadline bool `param:"smtp_per_request_deadline" default:"${smtp_per_record_deadline?{$smtp_per_record_deadline}:{no}}" old:"smtp_per_record_deadline"`

	// With $smtp_per_request_deadline, the number of bytes in a second that
	// content must make: the limit grows as it is sent.
	MinDataRate int `param:"smtp_min_data_rate" default:"500" min:"1"`

	// THE CONVERSATION

	// The name that we give in HELO and EHLO.
	HeloName string `param:"smtp_helo_name" default:"$myhostname"`

	// Whether to begin with EHLO whatever the server's greeting says. With
	// "no", only when it has the word ESMTP.
	AlwaysSendEhlo bool `param:"smtp_always_send_ehlo" param.lmtp:"-" default:"yes"`

	// Whether never to begin with EHLO.
	NeverSendEhlo bool `param:"smtp_never_send_ehlo" param.lmtp:"-" default:"no"`

	// Whether a server that greets with a 5xx reply is skipped like one that
	// cannot be reached. With "no", mail goes back to the sender.
	Skip5xxGreeting bool `param:"smtp_skip_5xx_greeting" default:"yes"`

	// Whether to hang up after QUIT without waiting for the answer.
	SkipQuitResponse bool `param:"smtp_skip_quit_response" default:"yes" default.lmtp:"no"`

	// Whether addresses are quoted in MAIL FROM and RCPT TO as RFC 5321 wants
	// it. "no" is for servers that cannot read that.
	QuoteRFC821Envelope bool `param:"smtp_quote_rfc821_envelope" default:"yes"`

	// The longest line that is sent; 0 for no limit. A longer line is broken
	// with a line end and a blank.
	LineLengthLimit int `param:"smtp_line_length_limit" default:"998" min:"0"`

	// The words of the server's EHLO reply to pay no attention to, in any
	// case: "pipelining", "dsn" and so on.
	DiscardEhloKeywords string `param:"smtp_discard_ehlo_keywords" default:""`

	// Tables of such words, by the address of the server.
	DiscardEhloKeywordAddressMaps string `param:"smtp_discard_ehlo_keyword_address_maps" default:""`

	// Tables that change the lines of a server's reply before they are looked
	// at, such as pcre:/file with "/^250-PIPELINING/ 250-X".
	ReplyFilter string `param:"smtp_reply_filter" default:""`

	// Whether to tell a server that announces XFORWARD where the message came
	// from. Use this only for content filters.
	SendXForwardCommand bool `param:"smtp_send_xforward_command" default:"no"`

	// Which answer decides whether an address that is probed can be
	// delivered to: the one to "rcpt" or the one to "data".
	AddressVerifyTarget string `param:"smtp_address_verify_target" default:"rcpt"`

	// Whether an LMTP server that does not announce DSN is taken for the last
	// station of the mail, so that notices of success say "delivered".
	AssumeFinal bool `param:"lmtp_assume_final" default:"no"`

	// Workarounds for mail gateways of old PIX firewalls: "disable_esmtp"
	// says HELO to them, "delay_dotcrlf" pauses before the last line of a
	// message.
	PixWorkarounds string `param:"smtp_pix_workarounds" default:"disable_esmtp,delay_dotcrlf"`

	// Tables of such workarounds, by the address of the server.
	PixWorkaroundMaps string `param:"smtp_pix_workaround_maps" default:""`

	// How old a message must be before $smtp_pix_workarounds are used.
	PixWorkaroundThresholdTime time.Duration `param:"smtp_pix_workaround_threshold_time" default:"500s" min:"0"`

	// How long to pause before the last line of a message.
	PixWorkaroundDelayTime time.Duration `param:"smtp_pix_workaround_delay_time" default:"10s" min:"1s"`

	// MESSAGES

	// Tables that replace addresses of local use by addresses that exist on
	// the Internet, in the envelope and in the header.
	GenericMaps string `param:"smtp_generic_maps" default:""`

	// Tables that are asked with each header line of the message, as it is on
	// its way to the server. What they may say is in header_checks(5): DUNNO,
	// IGNORE, INFO, PREPEND, REPLACE, STRIP and WARN; the message in the queue
	// stays what it is. Addresses are replaced after this.
	HeaderChecks string `param:"smtp_header_checks" default:""`

	// The same for header lines that describe content, such as Content-Type:, and
	// for the headers of parts.
	MIMEHeaderChecks string `param:"smtp_mime_header_checks" default:""`

	// The same for headers of messages inside the message.
	NestedHeaderChecks string `param:"smtp_nested_header_checks" default:""`

	// The same for lines of the body.
	BodyChecks string `param:"smtp_body_checks" default:""`

	// Whether to send 8-bit text as it is to servers that do not announce
	// 8BITMIME, instead of changing it to quoted-printable.
	DisableMIMEOutputConversion bool `param:"disable_mime_output_conversion" default:"no"`

	// Tables that replace the status code and the text of deliveries, as for
	// $default_delivery_status_filter.
	StatusFilter string `param:"smtp_delivery_status_filter" default:"$default_delivery_status_filter"`

	// TROUBLE

	notice.Postmaster

	SASL  saslParams
	Cache cacheParams
	TLS   tlsParams
}
