package main

import (
	"slices"
	"time"

	"golang.org/x/net/idna"

	"postrider/lib/base/text"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/address"
	"postrider/lib/mail/mailbox"
	"postrider/lib/mail/notice"
	"postrider/lib/mail/param"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/requiretls"
	"postrider/lib/service/bounce"
	"postrider/lib/service/cleanup"
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

	TLS requiretls.Params

	// Whether a notice about a message that came with REQUIRETLS has only its
	// headers and may go without TLS: the servers on the way back may be others
	// than those on the way there. RFC 8689, section 5.
	RedactDSN bool `param:"requiretls_redact_dsn" default:"yes"`

	address.FromForm

	queue.Lifetime

	queue.Warning

	// POSTMASTER

	notice.Classes

	// Who gets the copies of non-delivery notices, and SMTP transcripts of
	// class bounce.
	BounceNoticeRecipient string `param:"bounce_notice_recipient" default:"postmaster"`

	// Who gets notices that cannot be delivered.
	SecondBounceNoticeRecipient string `param:"2bounce_notice_recipient" default:"postmaster"`

	// Who gets the copies of warnings about delay.
	DelayNoticeRecipient string `param:"delay_notice_recipient" default:"postmaster"`

	address.DoubleBounce

	// LOG FILES

	// Also write the line that programs of before the year 2000 read.
	BackwardsLogfileCompatibility bool `param:"backwards_bounce_logfile_compatibility" default:"yes"`

	mailbox.LockTries

	Services bounce.Params

	// MAIL THAT THE SYSTEM WRITES

	Cleanup cleanup.Params

	cleanup.Inspect

	address.International
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
