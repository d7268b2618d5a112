// Postqueue lists and flushes the mail queue, for any user.
//
// # USAGE
//
//	postqueue [-v] [-c config_dir] -p
//	postqueue [-v] [-c config_dir] -j
//	postqueue [-v] [-c config_dir] -f
//	postqueue [-v] [-c config_dir] -i queue_id
//	postqueue [-v] [-c config_dir] -s site
//
// # DESCRIPTION
//
// The command is how users and scripts look at the queue and hurry it up; what
// changes or removes messages is done by postsuper(1). Options:
//
//	-c config_dir  the folder with main.cf
//	-f             try all mail now, as "sendmail -q" does. Doing this often
//	               makes everything slower when much of the mail cannot be
//	               delivered
//	-i queue_id    try one message now
//	-j             list the queue, one JSON object for each message in a line
//	-p             list the queue for people, as "mailq" does
//	-s site        try all mail for a domain now, as "sendmail -qRsite" and the
//	               SMTP command ETRN do. The domain must be one of
//	               fast_flush_domains; an address is given in brackets
//	-v             log more, for the superuser only
//
// In the listing for people each message has a line with its queue ID, size,
// arrival time and sender. Behind the ID stand * for a message that is being
// delivered, ! for one that is on hold, and # for one that will be returned to
// its sender now. Recipients follow, each group under the reason why they wait.
//
// An object of the other listing has the members queue_name, queue_id,
// arrival_time (seconds since 1970), message_size, forced_expire, sender, and
// recipients: a list of objects with address and, where it is known,
// delay_reason. There may be more members one day.
//
// When the mail system is down the superuser still gets a listing.
//
// # SECURITY
//
// The command is installed set-group-ID, because users cannot reach the sockets
// of the mail system otherwise. It believes nothing of its environment. A
// configuration folder other than the default one must be named in
// alternate_config_directories or multi_instance_directories of the default
// main.cf, except for the superuser.
//
// # DIAGNOSTICS
//
// The exit status is 0, or 69 when the request could not be done.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"syscall"

	"postrider/lib/base/msg"
	"postrider/lib/base/option"
	_ "postrider/lib/base/table/all"
	"postrider/lib/daemon/command"
	"postrider/lib/mail/site"
	"postrider/lib/service/flush"
	"postrider/lib/service/ipc"
	"postrider/lib/service/showq"
)

// unavailable is the exit status when a request could not be done.
const unavailable = 69

// conf holds the main.cf parameters of postqueue(1).
var conf struct {
	site.Params
	ipc.Wake
	services

	// The users who may flush the queue: names, /file/name or type:table.
	// The superuser and $mail_owner always may.
	AuthorizedFlushUsers string `param:"authorized_flush_users" default:"static:anyone"`

	// The users who may see the queue. The superuser and $mail_owner always
	// may.
	AuthorizedMailqUsers string `param:"authorized_mailq_users" default:"static:anyone"`
}

// services are the names of those that the command talks with.
type services struct {
	flushParams
	showqParams
}

type (
	flushParams = flush.Params
	showqParams = showq.Params
)

// A request is what the user wants; exactly one of its fields is set.
type request struct {
	mode byte
	text string
}

func main() {
	msg.FatalExit = unavailable
	r, config := readOptions(os.Args[1:])
	if config != "" {
		command.Configure(config)
	}
	command.CleanEnvironment()
	settings := command.Load(&conf)
	command.Enter(conf.Site())
	switch r.mode {
	case 'f', 'i', 's':
		allow("flush", "authorized_flush_users", conf.AuthorizedFlushUsers)
		flushQueue(r, settings)
	default:
		allow("view", "authorized_mailq_users", conf.AuthorizedMailqUsers)
		out := bufio.NewWriterSize(os.Stdout, 64*1024)
		if r.mode == 'j' {
			list(&jsonPrinter{out: out})
		} else {
			list(&peoplePrinter{out: out, long: conf.EnableLongQueueIDs})
		}
		if err := out.Flush(); err != nil {
			var reason syscall.Errno
			errors.As(err, &reason)
			fatal("output write error: %v", reason)
		}
	}
}

func readOptions(args []string) (r request, config string) {
	options, rest, err := option.Parse(args, "c:fi:jps:v")
	if err != nil {
		fmt.Fprintf(os.Stderr, "postqueue: %v\n", err)
		usage()
	}
	for _, o := range options {
		switch o.Letter {
		case 'c':
			config = o.Value
		case 'v':
			if os.Getuid() == 0 {
				msg.Verbose++
			}
		default:
			if r.mode != 0 {
				usage()
			}
			r = request{o.Letter, o.Value}
		}
	}
	if r.mode == 0 || len(rest) > 0 {
		usage()
	}
	return r, config
}

func usage() {
	fatal("usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site")
}

func fatal(format string, args ...any) { msg.Fatal(format, args...) }
