package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"postrider/lib/base/account"
	"postrider/lib/base/asuser"
	"postrider/lib/base/file"
	"postrider/lib/mail/mailbox"
	"postrider/lib/service/deliver"
)

// deliverMailbox delivers to the mailbox of the user, wherever that is. Handled
// is false when there is no such user, and nothing that takes mail for all.
func (t task) deliverMailbox() (done, handled bool) {
	if t.seen.before("mailbox %s", t.local) {
		return true, true
	}
	transport, ok := t.choose(site.mailboxTransports.Lookup, conf.MailboxTransport)
	switch {
	case !ok:
		return false, true
	case transport != "":
		return t.pass(transport), true
	}
	u, found, failed := t.lookupUser()
	if failed || !found {
		return false, failed
	}
	t.rights = rights{known: true, User: u}
	command, ok := t.choose(site.mailboxCommands.Lookup, string(conf.MailboxCommand))
	switch {
	case !ok:
		return false, true
	case command != "":
		t.origin = mailboxItself
		return t.deliverCommand(command), true
	}
	return t.deliverUserMailbox(u), true
}

// choose asks a table about the user, with a default for all. When the table
// fails, the mail is deferred and ok is false.
func (t task) choose(lookup func(string) (string, bool, error), otherwise string) (value string, ok bool) {
	value, found, err := lookup(t.user)
	if err != nil {
		t.failed("4.3.0", "table lookup failure")
		return "", false
	}
	if !found {
		value = otherwise
	}
	return value, true
}

// pass hands the address to another transport. The recipient in the queue file
// is marked here, when all of its expansion is done.
func (t task) pass(transport string) bool {
	to := t.to
	to.Offset = deliver.NoOffset
	return t.Pass(&to, transport)
}

// deliverUserMailbox writes to home_mailbox or into mail_spool_directory.
func (t task) deliverUserMailbox(u account.User) bool {
	path, spool := conf.MailSpoolDirectory, true
	switch {
	case conf.HomeMailbox != "":
		path, spool = strings.TrimSuffix(u.Home, "/")+"/"+conf.HomeMailbox, false
	case strings.HasSuffix(path, "/"):
		path += u.Name + "/"
	default:
		path += "/" + u.Name
	}
	if strings.HasSuffix(path, "/") {
		return t.deliverMaildir(path, t.rights.self())
	}
	return t.deliverMailboxFile(path, spool)
}

// deliverMaildir adds a file to a maildir.
func (t task) deliverMaildir(path string, user asuser.User) bool {
	if t.TraceOnly() {
		return t.sent("delivers to maildir")
	}
	m := t.message("file")
	d := mailbox.Dir{Path: path, User: user, Host: site.host, Time: time.Now()}
	err := d.Add(func(w io.Writer) error { return m.WriteTo(w, mailbox.Maildir) })
	if err != nil {
		return t.trouble(err, "")
	}
	return t.sent("delivered to maildir")
}

// trouble reports why a mailbox could not be written.
func (t task) trouble(err error, prefix string) bool {
	var s *mailbox.SourceError
	if errors.As(err, &s) {
		t.Corrupt(s)
		t.delivery.corrupt = true
		return false
	}
	var tr *mailbox.Trouble
	if errors.As(err, &tr) {
		return t.failed(tr.Status, "%s%s", prefix, tr.Reason)
	}
	return t.failed("4.3.0", "%s%v", prefix, err)
}

// deliverMailboxFile appends to a mailbox file of the user.
func (t task) deliverMailboxFile(path string, spool bool) bool {
	if t.TraceOnly() {
		return t.sent("delivers to mailbox")
	}
	b := mailbox.Box{Path: path, User: t.rights.self(), Kinds: site.locks, Tries: conf.Mailbox.Tries()}
	b.Spool, b.Chown = b.User, false
	if spool {
		b.Spool, b.Chown = spoolRights(b.User)
	}
	b.Check = func(info fs.FileInfo) *mailbox.Trouble {
		switch {
		case !info.Mode().IsRegular():
			return &mailbox.Trouble{Status: "5.2.0", Reason: "destination " + path + " is not a regular file"}
		case conf.Mailbox.StrictMailboxOwnership && file.Owner(info) != t.rights.UID:
			return mailbox.NotOwned(path)
		}
		return nil
	}
	m := t.message("file")
	offset, err := b.Append(func(w io.Writer) error { return m.WriteTo(w, mailbox.Mbox) })
	if err != nil {
		return t.trouble(err, "cannot update mailbox "+path+" for user "+t.rights.Name+". ")
	}
	if conf.Biff {
		biff(t.rights.Name, offset)
	}
	return t.sent("delivered to mailbox")
}

// spoolRights are those that create files in the spool directory: the user's
// where all may write, the user's with the directory's group where that group
// may, and else root's, who then gives the file away.
func spoolRights(user asuser.User) (as asuser.User, chown bool) {
	info, err := os.Stat(conf.MailSpoolDirectory)
	switch {
	case err != nil:
		return asuser.Root, true
	case worldWritable(info):
		return user, false
	case info.Mode().Perm()&0o020 != 0:
		return asuser.User{UID: user.UID, GID: file.Group(info)}, false
	}
	return asuser.Root, true
}

func ownerOf(info fs.FileInfo) int { return file.Owner(info) }
