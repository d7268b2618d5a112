// Bounce keeps a record of what became of each recipient of a message, and
// sends notices about it.
//
// # DESCRIPTION
//
// Three services of master.cf run this program: bounce, defer and trace. Each
// has a directory of its name below the queue directory, with one log file for
// each message that there is something to say about. The file has the name of
// the queue file.
//
// The program does two kinds of things. It appends what happened to a recipient
// to the log of a message. And it makes a notice from the log, with the message
// or its headers attached, puts it into the queue, and then removes the log. A
// notice is sent even when the log or the message cannot be read any more.
//
// Notices go to the sender of the message: non-delivery notices, warnings about
// delay, and reports of success. NOTIFY and RET options of the sender are
// obeyed. The postmaster gets copies of those classes that the parameter
// notify_classes names, with the headers of the message only. What cannot be
// returned, because it is a notice itself, goes to the postmaster when
// notify_classes has 2bounce, and else nowhere.
//
// A client that cannot try again by itself may ask that the log is removed when
// its request fails.
//
// # SECURITY
//
// Bounce runs at low privilege and can run in a chroot jail. It reads queue
// files and log files, whose contents come from strangers; text from them is
// masked before it goes to a log or a notice.
//
// # STANDARDS
//
// RFC 2045, RFC 2046 (MIME), RFC 3461 (DSN requests), RFC 3464 (delivery
// status notifications), RFC 3834 (automatic responses), RFC 5322 (message
// format), RFC 6522 (multipart/report), RFC 6531, RFC 6532, RFC 6533 (the same
// with international addresses).
//
// # FILES
//
//	bounce/*  why mail was returned
//	defer/*   why mail is late
//	trace/*   what the sender asked to hear of
package main

import (
	"os"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/notice"
)

// templates are the texts of notices.
var templates notice.Templates

func main() {
	server.Main(server.Daemon{
		Name:    "bounce",
		Params:  &conf,
		Limit:   server.NoLimit,
		PreJail: prepare,
		Serve:   server.Single(serve),
	})
}

// prepare reads the templates before the process can no longer see them. Under
// the names that postconf(1) uses it prints them and ends.
func prepare(p *server.Process) {
	classes, unknown := parseClasses(conf.NotifyClasses)
	if unknown != "" {
		msg.Fatal("parameter notify_classes: unknown class %q; known ones are %s", unknown, strings.Join(classNames, ", "))
	}
	notifyClasses = classes
	var trouble []error
	templates = notice.Builtin()
	if conf.BounceTemplateFile != "" {
		templates, trouble = notice.Read(conf.BounceTemplateFile)
	}
	for _, err := range trouble {
		msg.Warn("%v", err)
	}
	values = textValues(p)
	if !p.Alone {
		return
	}
	switch p.Service {
	case "dump_templates":
		templates.Dump(os.Stdout)
		os.Exit(0)
	case "expand_templates":
		templates.DumpExpanded(os.Stdout, values)
		os.Exit(0)
	}
}
