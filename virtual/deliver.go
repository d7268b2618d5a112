package main

import (
	"errors"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"postrider/lib/base/asuser"
	"postrider/lib/base/file"
	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/base/text"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/address"
	"postrider/lib/mail/mailbox"
)

// misconfigured is for trouble that the administrator has to look into; what it
// is stands in the log.
var misconfigured = agent.Deferred("4.3.5", "mail system configuration error")

// tryAgain is for trouble with a mailbox that exists in the tables: only a full
// one is its user's affair.
const tryAgain = "4.2.0"

// outcome delivers to one recipient. Corrupt means that the queue file cannot
// be read.
func outcome(r *agent.Request, to *agent.Recipient) (o agent.Outcome, corrupt bool) {
	path, found, err := find(maps.mailbox, to.Address)
	if err != nil {
		return misconfigured, false
	}
	if !found {
		return agent.Bounced("5.1.1", "unknown user: \"%s\"", to.Address), false
	}
	user, ok := owner(to.Address)
	if !ok {
		return misconfigured, false
	}
	return deliverTo(r, to, strings.TrimSuffix(conf.MailboxBase, "/")+"/"+path, user)
}

// owner finds the rights with which to write.
func owner(recipient string) (user asuser.User, ok bool) {
	user.UID, ok = number(maps.uid, "virtual_uid_maps", "uid", recipient, conf.MinimumUID)
	if !ok {
		return user, false
	}
	user.GID, ok = number(maps.gid, "virtual_gid_maps", "gid", recipient, 1)
	return user, ok
}

func number(list *table.List, param, what, recipient string, least int) (int, bool) {
	value, found, err := find(list, recipient)
	if err != nil {
		return 0, false
	}
	if !found {
		msg.Warn("recipient %s: not found in %s", recipient, param)
		return 0, false
	}
	n, err := strconv.ParseUint(value, 10, 32)
	if err != nil || n < uint64(least) {
		msg.Warn("recipient %s: bad %s %s in %s", recipient, what, value, param)
		return 0, false
	}
	return int(n), true
}

// find looks for an address: with its extension, without it, and for its
// domain.
func find(list *table.List, recipient string) (value string, found bool, err error) {
	key := text.Fold(recipient)
	value, found, err = ask(list.Lookup, key)
	if found || err != nil {
		return value, found, err
	}
	if bare := address.StripExtension(key, conf.Address.RecipientDelimiter); bare != key {
		if value, found, err = ask(list.LookupPart, bare); found || err != nil {
			return value, found, err
		}
	}
	if domain := address.Domain(key); domain != "" {
		return list.LookupPart("@" + domain)
	}
	return "", false, nil
}

// ask tries the address in external form first, as tables have it.
func ask(lookup func(string) (string, bool, error), internal string) (string, bool, error) {
	external := address.Quote(internal)
	value, found, err := lookup(external)
	if err == nil && !found && external != internal {
		return lookup(internal)
	}
	return value, found, err
}

// deliverTo writes to the mailbox at path.
func deliverTo(r *agent.Request, to *agent.Recipient, path string, user asuser.User) (agent.Outcome, bool) {
	kind := "mailbox"
	if strings.HasSuffix(path, "/") {
		kind = "maildir"
	}
	if r.TraceOnly() {
		return agent.Sent("2.0.0", "delivers to %s", kind), false
	}
	m := mailbox.Message{Source: r.File, Offset: r.Offset, Sender: r.Sender, Delivered: to.Address, Time: time.Now()}
	if conf.Address.EnableOriginalRecipient {
		m.Original = to.Original
	}
	var err error
	if kind == "maildir" {
		d := mailbox.Dir{Path: path, User: user, Host: maps.host, Time: m.Time, Status: tryAgain}
		err = d.Add(func(w io.Writer) error { return m.WriteTo(w, mailbox.Maildir) })
	} else {
		b := mailbox.Box{Path: path, User: user, Spool: user, Kinds: maps.locks, Tries: conf.Mailbox.Tries(), Status: tryAgain,
			Check: check(to.Address, path, user)}
		_, err = b.Append(func(w io.Writer) error { return m.WriteTo(w, mailbox.Mbox) })
	}
	var s *mailbox.SourceError
	var t *mailbox.Trouble
	switch {
	case errors.As(err, &s):
		r.Corrupt(s)
		return agent.Outcome{}, true
	case errors.As(err, &t) && kind == "mailbox" && t.Status != misconfigured.Status:
		return agent.Outcome{Status: t.Status, Reason: "delivery failed to mailbox " + path + ": " + t.Reason}, false
	case errors.As(err, &t):
		return agent.Outcome{Status: t.Status, Reason: t.Reason}, false
	}
	return agent.Sent("2.0.0", "delivered to %s", kind), false
}

// check refuses what is no mailbox file of the recipient.
func check(recipient, path string, user asuser.User) func(fs.FileInfo) *mailbox.Trouble {
	return func(info fs.FileInfo) *mailbox.Trouble {
		switch {
		case !info.Mode().IsRegular():
			msg.Warn("recipient %s: destination %s is not a regular file", recipient, path)
			return &mailbox.Trouble{Status: misconfigured.Status, Reason: misconfigured.Reason}
		case conf.Mailbox.StrictMailboxOwnership && file.Owner(info) != user.UID:
			return mailbox.NotOwned(path)
		}
		return nil
	}
}
