// Postsuper does what needs power over the mail queue: it removes messages,
// holds them back, lets them go, sends them through the system again, and
// repairs the queue.
//
// # USAGE
//
//	postsuper [-psSv] [-c config_dir] [-d queue_id] [-e queue_id] [-f queue_id]
//	          [-h queue_id] [-H queue_id] [-r queue_id] [queue ...]
//
// # DESCRIPTION
//
// Only the superuser can use the command. Without options it does what -p and
// -s do. Names of queues behind the options limit it to these; otherwise it
// looks into all where the request makes sense.
//
// A queue_id of - stands for the lines of standard input, and ALL, in upper
// case, for all messages. An option with an ID can be given several times.
//
//	-c config_dir  the folder with main.cf
//	-d queue_id    remove a message, and the logs about it
//	-e queue_id    return a message to its sender when its delivery is next
//	               tried. A message on hold stays there
//	-f queue_id    the same, and let the message go when it is on hold
//	-h queue_id    put a message on hold: it is not delivered and does not
//	               get too old until it is let go. Mail in the maildrop queue
//	               was not checked yet and cannot be held
//	-H queue_id    let a message on hold go
//	-p             remove unfinished files that are older than a week
//	-r queue_id    send a message through the system again: addresses are
//	               rewritten with the present tables, and content_filter
//	               applies. It goes to the maildrop queue and gets a new ID
//	-s             repair the structure of the queue: give files the names
//	               that go with their inodes (after a restore from backup),
//	               move them to the directories where they belong (after a
//	               change of hash_queue_names or hash_queue_depth), remove
//	               directories that are not needed. Long names become short
//	               ones when enable_long_queue_ids is off
//	-S             the same, and long names must go with their inodes too
//	-v             log more
//
// Repairs come first. They should be made while the mail system is down, as
// "postfix start" does.
//
// Queue IDs can be used again as soon as a message is gone. When the mail system
// is running there is a very small chance that a message that has just arrived
// has the ID of one that has just been delivered.
//
// # DIAGNOSTICS
//
// What was done with a message, and the number of messages at the end, goes to
// standard error and to the mail log. The exit status is 0 when there was no
// message with such an ID.
package main

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"syscall"

	"postrider/lib/base/msg"
	"postrider/lib/base/option"
	"postrider/lib/base/slack"
	"postrider/lib/daemon/command"
	"postrider/lib/mail/param"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/site"
)

// conf holds the main.cf parameters of postsuper(1).
var conf struct {
	site.Params
}

// all stands for every message.
const all = "ALL"

// A request is one option with an ID.
type request struct {
	op byte // letter of the option
	id string
}

// An order is the whole command line.
type order struct {
	repairs
	requests []request
	queues   []queue.Name // what the user named; empty: the usual ones
	config   string
}

func main() {
	o := readOptions(os.Args[1:])
	if os.Getuid() != 0 {
		msg.Fatal("use of this command is reserved for the superuser")
	}
	if o.config != "" {
		command.Configure(o.config)
	}
	command.CleanEnvironment()
	command.Load(&conf)
	command.Enter(conf.Site())
	slack.Set() // while root may
	becomeOwner()
	if queue.Hashed(queue.Maildrop) {
		msg.Fatal("%s queue must not be hashed", queue.Maildrop)
	}
	if o.any() {
		if err := o.repairs.run(o.queues); err != nil {
			msg.Fatal("%v", err)
		}
	}
	c := changer{stdin: bufio.NewScanner(os.Stdin), queues: o.queues}
	for _, r := range o.requests {
		if err := c.do(r); err != nil {
			c.summary(o.requests)
			msg.Fatal("%v", err)
		}
	}
	c.summary(o.requests)
}

func readOptions(args []string) (o order) {
	options, rest, err := option.Parse(args, "c:d:e:f:h:H:pr:sSv")
	if err != nil {
		fmt.Fprintf(os.Stderr, "postsuper: %v\n", err)
		msg.Fatal("usage: postsuper [-c config_dir] [-d queue_id (delete)] [-e queue_id (expire)] " +
			"[-f queue_id (expire and/or un-hold)] [-h queue_id (hold)] [-H queue_id (un-hold)] " +
			"[-p (purge temporary files)] [-r queue_id (requeue)] [-s (structure fix)] " +
			"[-S (redundant structure fix)][-v (verbose)] [queue...]")
	}
	for _, opt := range options {
		switch opt.Letter {
		case 'c':
			o.config = opt.Value
		case 'p':
			o.purge = true
		case 's':
			o.structure = true
		case 'S':
			o.structure, o.redundant = true, true
		case 'v':
			msg.Verbose++
		default:
			o.requests = append(o.requests, request{opt.Letter, opt.Value})
		}
	}
	if len(o.requests) == 0 && !o.any() {
		o.purge, o.structure = true, true
	}
	for _, name := range rest {
		if !slices.Contains(known, queue.Name(name)) {
			msg.Fatal("invalid directory name: %s", name)
		}
		o.queues = append(o.queues, queue.Name(name))
	}
	return o
}

// becomeOwner gives up all privileges but those over the queue, so that what is
// created belongs to the right user, and so that nothing outside is changed.
func becomeOwner() {
	uid, gid, err := conf.Owner()
	if err != nil {
		msg.Fatal("file %s/main.cf: %v", param.Dir(), err)
	}
	if err = syscall.Setgroups([]int{gid}); err == nil {
		err = syscall.Setresgid(gid, gid, gid)
	}
	if err == nil {
		err = syscall.Setresuid(uid, uid, uid)
	}
	if err != nil {
		msg.Fatal("become user %s: %v", conf.MailOwner, err)
	}
	syscall.Umask(0o077)
}
