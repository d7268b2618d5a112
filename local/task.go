package main

import (
	"io/fs"
	"strings"
	"time"

	"postrider/lib/base/account"
	"postrider/lib/base/asuser"
	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/address"
	"postrider/lib/mail/dsn"
	"postrider/lib/mail/mailbox"
)

// A delivery is one recipient of a request with all that it is expanded to.
type delivery struct {
	*agent.Request
	top     agent.Recipient
	seen    *seen
	loops   mailbox.Seen // where the message was delivered before
	resends []*resend    // new messages that are being made
	corrupt bool         // the queue file cannot be read
}

// An origin says what an address came out of.
type origin string

const (
	fromRequest   origin = ""
	fromAlias     origin = "alias"
	fromForward   origin = "forward"
	fromInclude   origin = "include"
	mailboxItself origin = "mailbox" // delivery to the user's mailbox: mailbox_command
)

// A task is one address on its way to where mail for it goes. It is passed by
// value: what an expansion changes does not concern its siblings.
type task struct {
	*delivery
	to         agent.Recipient
	sender     string
	envelopeID string
	ret        dsn.Return

	local     string // whole local part; this and its parts in lower case
	user      string // without extension
	extension string
	delimiter string // between these
	domain    string

	delivered string // address for Delivered-To headers
	unmatched string // extension that goes on to the results of an expansion
	level     int    // depth of expansion
	origin    origin
	alias     string // name of what is being expanded
	owner     string // of the list or .forward file; "" for none
	rights    rights
}

// rights are those of the user for whom something is done. Without a user they
// are those of default_privs.
type rights struct {
	known bool
	account.User
}

// as is who files and commands belong to. Root never gets mail as root.
func (r rights) as() asuser.User {
	if !r.known || r.UID == 0 {
		return site.nobody
	}
	return asuser.User{UID: r.UID, GID: r.GID}
}

// self is who the user is, even root.
func (r rights) self() asuser.User {
	if !r.known {
		return asuser.Root
	}
	return asuser.User{UID: r.UID, GID: r.GID}
}

// maxLevel limits how deep aliases may be nested.
const maxLevel = 100

// report records an outcome for the address that the task has reached. It
// returns false when the mail must be tried again.
func (t task) report(o agent.Outcome) bool {
	return t.Record(&t.to, t.Service, o)
}

func (t task) sent(format string, args ...any) bool {
	return t.report(agent.Sent("2.0.0", format, args...))
}

func (t task) failed(status dsn.Status, format string, args ...any) bool {
	return t.report(agent.Sent(status, format, args...))
}

func (t task) misconfigured(status dsn.Status) bool {
	return t.failed(status, "mail system configuration error")
}

// deliver delivers to the address in t.to. It returns false when that must be
// tried again.
func (t task) deliver() bool {
	t.level++
	if t.seen.before("recipient %d %s", t.level, t.to.Address) {
		return true
	}
	if t.loops.Has(t.to.Address) {
		return t.failed("5.4.6", "mail forwarding loop for %s", address.Quote(t.to.Address))
	}
	if t.delivered == "" || !conf.FrozenDeliveredTo {
		t.delivered = t.to.Address
	}
	t.split()
	if t.user == "" || t.user == `\` {
		return t.failed("5.1.3", "null username in \"%s\"", address.Quote(t.to.Address))
	}
	return t.route()
}

// split takes the address apart. An extension with a slash could lead out of
// the home directory.
func (t *task) split() {
	local, domain, ok := address.Split(t.to.Address)
	if !ok {
		msg.Warn("no @ in recipient address: %s", t.to.Address)
	}
	t.local, t.domain = text.Fold(local), text.Fold(domain)
	t.user, t.extension, ok = address.SplitExtension(t.local, conf.Address.RecipientDelimiter)
	t.delimiter = ""
	if ok {
		t.delimiter = t.local[len(t.user) : len(t.user)+1]
	}
	if strings.Contains(t.extension, "/") {
		msg.Warn("%s: address with illegal extension: %s", t.QueueID, t.local)
		t.extension = ""
	}
	t.unmatched = t.extension
}

// route decides what the local part stands for.
func (t task) route() bool {
	if strings.HasPrefix(t.user, `\`) {
		t.user, t.local, t.to.Address = t.user[1:], t.local[1:], strings.TrimPrefix(t.to.Address, `\`)
		return t.mailboxOrUnknown()
	}
	names := []string{t.local}
	if t.user != t.local {
		names = append(names, t.user)
	}
	for _, name := range names {
		if done, handled := t.expandAlias(name); handled {
			return done
		}
	}
	// Members of a list with an owner, and what users forward to others, are
	// recipients of a new message: each then has its own status on disk.
	if t.owner != "" && !strings.EqualFold(t.owner, t.user) || t.origin == fromInclude {
		return t.indirect()
	}
	if done, handled := t.expandForward(); handled {
		return done
	}
	return t.mailboxOrUnknown()
}

func (t task) mailboxOrUnknown() bool {
	if done, handled := t.deliverMailbox(); handled {
		return done
	}
	return t.unknown()
}

// message is what is copied to a destination of a kind that
// prepend_delivered_header knows.
func (t task) message(kind string) mailbox.Message {
	m := mailbox.Message{Source: t.File, Offset: t.Offset, Sender: t.sender, Time: time.Now()}
	if conf.Address.EnableOriginalRecipient {
		m.Original = t.to.Original
	}
	if site.prepend[kind] {
		m.Delivered = t.delivered
	}
	return m
}

// lookupUser finds the account of the task's user. When that is not possible
// now, the mail is deferred.
func (t task) lookupUser() (u account.User, found, failed bool) {
	u, found, err := account.ByName(t.user)
	if err != nil {
		msg.Warn("error looking up passwd info for %s: %v", t.user, err)
		t.failed("4.3.0", "user lookup error")
		return u, false, true
	}
	return u, found, false
}

// worldWritable reports whether anybody can write a file.
func worldWritable(info fs.FileInfo) bool { return info.Mode().Perm()&0o002 != 0 }
