package main

import (
	"slices"
	"time"

	"golang.org/x/net/idna"

	"postrider/lib/base/text"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/mailbox"
	"postrider/lib/mail/notice"
	"postrider/lib/mail/param"
)

// conf holds the main.cf parameters of bounce(8).
var conf struct {
	server.Params

	// NOTICES

	// A file with other texts for notices; see bounce(5). The file
	// bounce.cf.default has the built-in ones.
	BounceTemplateFile string `param:"bounce_template_file" default:""`

	// The largest message, in bytes, that is attached to a non-delivery
	// notice. Of a larger one only the headers are.
	BounceSizeLimit int64 `param:"bounce_size_limit" default:"50000" min:"1"`

	// Make notices part of the discussion that they are about: with headers
	// In-Reply-To: and References: that name the original message.
	EnableThreadedBounces bool `param:"enable_threaded_bounces" default:"no"`

	// The form of the From: header of notices: standard (name, and address
	// in angle brackets) or obsolete (address, and name in parentheses).
	HeaderFromFormat string `param:"header_from_format" default:"standard"`

	// The largest time that mail stays in the queue. After it the mail is
	// returned; warnings about delay say when that will be.
	MaximalQueueLifetime time.Duration `param:"maximal_queue_lifetime" default:"5d" min:"0" max:"90d"`

	// The same for notices themselves, which have no sender.
	BounceQueueLifetime time.Duration `param:"bounce_queue_lifetime" default:"5d" min:"0" max:"90d"`

	// After this time the sender of mail that is still in the queue gets a
	// warning. 0: never.
	DelayWarningTime time.Duration `param:"delay_warning_time" default:"0h" min:"0"`

	// POSTMASTER

	// The classes of trouble that the postmaster hears of. bounce: copies of
	// non-delivery notices, with the headers of the mail. 2bounce: notices
	// that could not be delivered themselves. delay: copies of warnings.
	// data, policy, protocol: transcripts of SMTP sessions with errors.
	// resource, software: mail that could not be taken or delivered for such
	// reasons.
	NotifyClasses string `param:"notify_classes" default:"resource, software"`

	// Who gets the copies of non-delivery notices, and SMTP transcripts of
	// class bounce.
	BounceNoticeRecipient string `param:"bounce_notice_recipient" default:"postmaster"`

	// Who gets notices that cannot be delivered.
	SecondBounceNoticeRecipient string `param:"2bounce_notice_recipient" default:"postmaster"`

	// Who gets the copies of warnings about delay.
	DelayNoticeRecipient string `param:"delay_notice_recipient" default:"postmaster"`

	// The sender of notices to the postmaster. What is returned to it is
	// thrown away.
	DoubleBounceSender string `param:"double_bounce_sender" default:"double-bounce"`

	// LOG FILES

	// Also write the line that programs of before the year 2000 read.
	BackwardsLogfileCompatibility bool `param:"backwards_bounce_logfile_compatibility" default:"yes"`

	mailbox.LockTries

	// The name of the bounce service, which keeps a record of failed
	// delivery attempts and tells the sender.
	BounceServiceName string `param:"bounce_service_name" default:"bounce"`

	// The name of the defer service, which keeps a record of delayed
	// deliveries and tells the sender.
	DeferServiceName string `param:"defer_service_name" default:"defer"`

	// MAIL THAT THE SYSTEM WRITES

	// The name of the cleanup service, which puts all mail into the queue.
	CleanupServiceName string `param:"cleanup_service_name" default:"cleanup"`

	// The mail of the system itself that goes through header_checks,
	// body_checks and non_smtpd_milters: bounce, notify, or both. This can
	// make notices bounce, and is better left empty.
	InternalMailFilterClasses string `param:"internal_mail_filter_classes" default:""`

	// Accept and send mail with addresses and headers in UTF-8.
	SMTPUTF8Enable bool `param:"smtputf8_enable" default:"${{$compatibility_level} <level {1} ? {no} : {yes}}"`
}

// classNames are the words that notify_classes may have.
var classNames = []string{"bounce", "2bounce", "delay", "data", "policy", "protocol", "resource", "software"}

// A class set says what the postmaster wants to hear of.
type classSet struct{ bounce, twice, delay bool }

// notifyClasses is what notify_classes says.
var notifyClasses classSet

func parseClasses(list string) (set classSet, unknown string) {
	for _, name := range text.Split(list) {
		if !slices.Contains(classNames, name) {
			return set, name
		}
		switch name {
		case "bounce":
			set.bounce = true
		case "2bounce":
			set.twice = true
		case "delay":
			set.delay = true
		}
	}
	return set, ""
}

// values are what the texts of templates can name.
var values notice.Values

func textValues(p *server.Process) notice.Values {
	return notice.Values{
		Lookup: func(name string) (string, bool) {
			switch name {
			case "myhostname":
				return readable(p.MyHostname), true
			case "mydomain":
				return readable(p.MyDomain), true
			}
			if _, set := p.Settings.Get(name); !set && param.Lookup(name) == nil {
				return "", false
			}
			return p.Settings.Value(name), true
		},
		Time: func(name string) (time.Duration, bool) {
			switch name {
			case "delay_warning_time":
				return conf.DelayWarningTime, true
			case "maximal_queue_lifetime":
				return conf.MaximalQueueLifetime, true
			}
			return 0, false
		},
	}
}

// readable shows the international form of a domain to people.
func readable(domain string) string {
	if !conf.SMTPUTF8Enable {
		return domain
	}
	if u, err := idna.Display.ToUnicode(domain); err == nil {
		return u
	}
	return domain
}
