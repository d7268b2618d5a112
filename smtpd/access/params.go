package access

import (
	"time"

	"postrider/lib/mail/domains"
	"postrider/lib/mail/param"
	"postrider/lib/service/bounce"
	"postrider/lib/service/verify"
)

// Params are the main.cf parameters of SMTP access control.
type Params struct {
	// ACCESS CONTROL AND RELAYING

	// The clients that may do what strangers may not, such as sending mail
	// to foreign destinations: networks, addresses, host names, /file/name
	// and type:table.
	MyNetworks string `param:"mynetworks" default:""`

	// Restrictions on the client, by its name and address.
	ClientRestrictions string `param:"smtpd_client_restrictions" default:""`

	// Restrictions on what a client says in HELO and EHLO.
	HeloRestrictions string `param:"smtpd_helo_restrictions" default:""`

	// Restrictions on the sender address.
	SenderRestrictions string `param:"smtpd_sender_restrictions" default:""`

	// Restrictions that decide for whom mail is relayed. They and
	// $smtpd_recipient_restrictions must both let a recipient pass.
	RelayRestrictions string `param:"smtpd_relay_restrictions" default:"${{$compatibility_level} <level {1} ? {} : {permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination}}"`

	// Restrictions on the recipient address.
	RecipientRestrictions string `param:"smtpd_recipient_restrictions" default:""`

	// Restrictions at the DATA command. The recipient is known only when
	// there is just one.
	DataRestrictions string `param:"smtpd_data_restrictions" default:""`

	// Restrictions after the message was received.
	EndOfDataRestrictions string `param:"smtpd_end_of_data_restrictions" default:""`

	// Restrictions on the ETRN command.
	ETRNRestrictions string `param:"smtpd_etrn_restrictions" default:""`

	// Tables of the fingerprints of client certificates, or of their public
	// keys, for permit_tls_clientcerts. Only the keys of the tables count.
	RelayClientcerts string `param:"relay_clientcerts" default:""`

	// Names of lists of restrictions. Each is a parameter of its own, and may
	// stand for its list wherever a restriction may.
	RestrictionClasses string `param:"smtpd_restriction_classes" default:""`

	// Wait until RCPT before client, HELO and sender restrictions are
	// evaluated, so that the log tells who wanted to send what to whom.
	DelayReject bool `param:"smtpd_delay_reject" default:"yes"`

	// Evaluate $smtpd_relay_restrictions before $smtpd_recipient_restrictions.
	RelayBeforeRecipient bool `param:"smtpd_relay_before_recipient_restrictions" default:"${{$compatibility_level} <level {3.6} ? {no} : {yes}}"`

	bounce.Soft

	// Trust routing operators in the local part of a recipient, such as
	// user%elsewhere@example.com, from clients that are not trusted.
	AllowUntrustedRouting bool `param:"allow_untrusted_routing" default:"no"`

	// Networks of primary mail servers for which permit_mx_backup takes
	// mail; when empty, all.
	MXBackupNetworks string `param:"permit_mx_backup_networks" default:""`

	// The names of access permitting actions that are logged.
	LogPermitActions string `param:"smtpd_log_access_permit_actions" default:""`

	// The key that stands for the null sender in access tables.
	NullAccessKey string `param:"smtpd_null_access_lookup_key" default:"<>"`

	// The sender addresses and the login names that own them.
	SenderLoginMaps string `param:"smtpd_sender_login_maps" default:""`

	// UNKNOWN ADDRESSES

	// Refuse mail for addresses that no table lists, even without an explicit
	// reject_unlisted_recipient.
	RejectUnlistedRecipient bool `param:"smtpd_reject_unlisted_recipient" default:"yes"`

	// Refuse mail from unlisted addresses in our own domains.
	RejectUnlistedSender bool `param:"smtpd_reject_unlisted_sender" default:"no"`

	// The addresses that exist in local domains. Empty: all.
	LocalRecipientMaps string `param:"local_recipient_maps" default:"proxy:unix:passwd.byname $alias_maps"`

	// The addresses that exist in relayed domains. Empty: all.
	RelayRecipientMaps string `param:"relay_recipient_maps" default:""`

	domains.Mailboxes

	domains.Unknown

	Codes
	Blocklists
	PolicyService
	Verification
}

// Codes are the SMTP reply codes of the restrictions.
type Codes struct {
	// REPLY CODES

	// The reply code of "reject".
	Reject int `param:"reject_code" default:"554"`

	// The reply code of "defer".
	Defer int `param:"defer_code" default:"450"`

	// The reply code when an access table says REJECT.
	AccessReject int `param:"access_map_reject_code" default:"554"`

	// The reply code when an access table says DEFER.
	AccessDefer int `param:"access_map_defer_code" default:"450"`

	// The reply code for blocklisted clients and domains.
	RBL int `param:"maps_rbl_reject_code" default:"554"`

	// The reply code of reject_invalid_helo_hostname.
	InvalidHostname int `param:"invalid_hostname_reject_code" default:"501"`

	// The reply code for names that are not fully qualified.
	NonFQDN int `param:"non_fqdn_reject_code" default:"504"`

	// The reply code for clients without a (matching) host name.
	UnknownClient int `param:"unknown_client_reject_code" default:"450"`

	// The reply code for sender and recipient domains that do not exist.
	UnknownAddress int `param:"unknown_address_reject_code" default:"450"`

	// The reply code for HELO names that do not exist.
	UnknownHostname int `param:"unknown_hostname_reject_code" default:"450"`

	// The reply code for forbidden relaying.
	RelayDomains int `param:"relay_domains_reject_code" default:"554"`

	// The reply code of reject_plaintext_session.
	Plaintext int `param:"plaintext_reject_code" default:"450"`

	// The reply code of reject_multi_recipient_bounce.
	MultiRecipientBounce int `param:"multi_recipient_bounce_reject_code" default:"550"`

	// The reply code for unknown local recipients.
	UnknownLocal int `param:"unknown_local_recipient_reject_code" default:"550"`

	// The reply code for unknown recipients in relay domains.
	UnknownRelay int `param:"unknown_relay_recipient_reject_code" default:"550"`

	// The reply code for unknown recipients in virtual alias domains.
	UnknownVirtualAlias int `param:"unknown_virtual_alias_reject_code" default:"550"`

	// The reply code for unknown recipients in virtual mailbox domains.
	UnknownVirtualMailbox int `param:"unknown_virtual_mailbox_reject_code" default:"550"`

	// What to do when a lookup fails that might have refused the mail: defer
	// at once, or defer_if_permit: only when nothing else refuses it.
	RejectTempfail string `param:"reject_tempfail_action" default:"defer_if_permit"`

	// The same for reject_unknown_helo_hostname.
	UnknownHeloTempfail string `param:"unknown_helo_hostname_tempfail_action" default:"$reject_tempfail_action"`

	// The same for unknown sender and recipient domains.
	UnknownAddressTempfail string `param:"unknown_address_tempfail_action" default:"$reject_tempfail_action"`
}

// Blocklists are the parameters of reject_rbl_client and its kind.
type Blocklists struct {
	// DNS BLOCKLISTS

	// The reply for what a list of the DNS has blocked. Its $names tell who
	// was blocked, where and why.
	DefaultReply param.Raw `param:"default_rbl_reply" default:"$rbl_code Service unavailable; $rbl_class [$rbl_what] blocked using $rbl_domain${rbl_reason?; $rbl_reason}"`

	// Replies for single lists, by the name of the list.
	ReplyMaps string `param:"rbl_reply_maps" default:""`

	// The lists that reject_maps_rbl asks. Use reject_rbl_client instead.
	MapsDomains string `param:"maps_rbl_domains" default:""`

	// The characters that the $names of a reply may expand to.
	ExpansionFilter param.Raw `param:"smtpd_expansion_filter" default:"\\t\\40!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\\\]^_\u0060abcdefghijklmnopqrstuvwxyz{|}~"`
}

// PolicyService are the parameters of check_policy_service.
type PolicyService struct {
	// POLICY SERVICES

	// What to do when a policy service does not answer.
	PolicyDefault string `param:"smtpd_policy_service_default_action" default:"451 4.3.5 Server configuration problem"`

	// The time limit for each read from and write to a policy service.
	PolicyTimeout time.Duration `param:"smtpd_policy_service_timeout" default:"100s"`

	// How long an unused connection to a policy service is kept.
	PolicyMaxIdle time.Duration `param:"smtpd_policy_service_max_idle" default:"300s"`

	// How long a connection to a policy service is used.
	PolicyMaxTTL time.Duration `param:"smtpd_policy_service_max_ttl" default:"1000s"`

	// How many requests are sent over one connection; 0: no limit.
	PolicyRequestLimit int `param:"smtpd_policy_service_request_limit" default:"0"`

	// How often a policy service is asked before $..._default_action counts.
	PolicyTryLimit int `param:"smtpd_policy_service_try_limit" default:"2" min:"1"`

	// The pause between two tries.
	PolicyRetryDelay time.Duration `param:"smtpd_policy_service_retry_delay" default:"1s"`

	// Text that tells a policy service which configuration is asking.
	PolicyContext string `param:"smtpd_policy_service_policy_context" default:""`
}

// Verification are the parameters of reject_unverified_recipient and _sender.
type Verification struct {
	// ADDRESS VERIFICATION

	VerifyService verify.Params
	Probe         verify.Probe

	// How often the result of a probe in progress is asked for.
	VerifyPollCount int `param:"address_verify_poll_count" default:"${stress?{1}:{3}}" min:"1"`

	// The pause between two questions.
	VerifyPollDelay time.Duration `param:"address_verify_poll_delay" default:"3s"`

	// The reply code for sender addresses that probes found undeliverable. With
	// a code that begins with 5 the reply says so; else the client may come
	// back.
	UnverifiedSenderReject int `param:"unverified_sender_reject_code" default:"450"`

	// The same for recipients.
	UnverifiedRecipientReject int `param:"unverified_recipient_reject_code" default:"450"`

	// The reply code for senders whose probe was deferred, or has no result
	// yet.
	UnverifiedSenderDefer int `param:"unverified_sender_defer_code" default:"450"`

	// The reply code for recipients whose probe was deferred, or has no
	// result yet.
	UnverifiedRecipientDefer int `param:"unverified_recipient_defer_code" default:"450"`

	// A reason to tell instead of the result of the sender probe.
	UnverifiedSenderReason string `param:"unverified_sender_reject_reason" default:""`

	// A reason to tell instead of the result of the recipient probe.
	UnverifiedRecipientReason string `param:"unverified_recipient_reject_reason" default:""`

	// What to do when a sender probe has no result.
	UnverifiedSenderTempfail string `param:"unverified_sender_tempfail_action" default:"$reject_tempfail_action"`

	// What to do when a recipient probe has no result.
	UnverifiedRecipientTempfail string `param:"unverified_recipient_tempfail_action" default:"$reject_tempfail_action"`
}
