package main

import (
	"io"
	"io/fs"
	"strings"

	"postrider/lib/mail/mailbox"
)

// deliverFile appends to a file that an alias or a user names.
func (t task) deliverFile(path string) bool {
	user := t.rights.as()
	if t.seen.before("file %d %s", user.UID, path) {
		return true
	}
	if !site.filesFrom[t.origin] {
		return t.failed("5.7.1", "mail to file is restricted")
	}
	if strings.HasSuffix(path, "/") {
		return t.deliverMaildir(path, user)
	}
	if t.TraceOnly() {
		return t.sent("delivers to file: %s", path)
	}
	b := mailbox.Box{Path: path, User: user, Spool: user, Kinds: site.locks, Tries: conf.Mailbox.Tries(), LockMayFail: true,
		Check: notExecutable}
	m := t.message("file")
	if _, err := b.Append(func(w io.Writer) error { return m.WriteTo(w, mailbox.Mbox) }); err != nil {
		return t.trouble(err, "cannot append message to file "+path+": ")
	}
	return t.sent("delivered to file: %s", path)
}

// notExecutable refuses programs: what is appended to one would be executed.
func notExecutable(info fs.FileInfo) *mailbox.Trouble {
	if info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
		return &mailbox.Trouble{Status: "5.7.1", Reason: "file is executable"}
	}
	return nil
}
