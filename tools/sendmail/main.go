// Sendmail hands a message from standard input to the mail system, with the
// options that programs have used since the days of the original sendmail. It
// also answers to the names mailq and newaliases.
//
// The message goes to postdrop(1), which may write into the maildrop queue.
// The mail system need not run for that. Header and body are separated by the
// first empty line.
//
// # OPTIONS
//
//   - -Ac, -Am: ignored: there is one configuration
//   - -bd, -bl: start the mail system, like "postfix start"
//   - -bh, -bH: nothing: there is no persistent host status
//   - -bi, -I: rebuild the alias databases, like newaliases
//   - -bm: take mail from standard input (the default)
//   - -bp: list the mail queue, like mailq
//   - -bs: speak SMTP on standard input and output, with smtpd(8)
//   - -bv: read and deliver nothing; mail a report of what would happen
//   - -B type: 7BIT or 8BITMIME
//   - -C file: main.cf, or its folder
//   - -f sender, -r sender: the envelope sender
//   - -F name: the sender's full name, instead of that in the environment variable
//     NAME or in the password file
//   - -G: the message comes from elsewhere: headers are not completed
//   - -i, -oi: a line with only a dot does not end the message
//   - -N when: when the sender wants a notice (RFC 3461): never, or a list of
//     success, delay and failure
//   - -O requiretls=yes: ask for REQUIRETLS (RFC 8689): the message goes only to
//     servers that prove who they are and do the same, or comes back
//   - -O smtputf8=yes: ask for SMTPUTF8 (RFC 6531) on the whole way, instead of
//     leaving it to smtputf8_autodetect_classes
//   - -oA database: with -bi, this alias database
//   - -q: deliver all queued mail now, with postqueue(1)
//   - -q interval: nothing: the queue manager has its own intervals
//   - -qI id, -qR site: deliver one message, or all mail for a site
//   - -R return: full or hdrs, what a notice returns
//   - -t: take recipients from the headers To:, Cc:, Bcc:, beside those of the command
//     line; from Resent- headers when there are any
//   - -v: mail a report of the delivery; twice: log more instead
//   - -V envid: an identifier for notices
//   - -XV, -XVxy: ask for variable envelope return paths, with the delimiters xy
//
// Options that mean nothing here, and are accepted for the sake of old scripts:
// -c, -e mode, -h count, -L label, -m, -n, -O option=value, -o7, -o8 and others of
// -o, -p protocol, -U, -x, -X file.
//
// # SECURITY
//
// The command has no privileges. Words that come from strangers must be behind
// "--" on the command line, or they may be options.
//
// # DIAGNOSTICS
//
// The exit status is zero when the message is in the queue, and 75, try again
// later, when it is not. Modes that run another command end with its status.
package main

import (
	"os"
	"os/signal"
	"strings"
	"syscall"

	"postrider/lib/base/match"
	"postrider/lib/base/msg"
	_ "postrider/lib/base/table/inline"
	_ "postrider/lib/base/table/static"
	_ "postrider/lib/base/table/texthash"
	"postrider/lib/base/text"
	"postrider/lib/daemon/command"
)

// tempFail is the status of everything that goes wrong, so that callers keep the
// message. Source: sysexits.h.
const tempFail = 75

func main() {
	msg.FatalExit = tempFail
	signal.Ignore(syscall.SIGPIPE)
	r := parse(command.Name(), os.Args[1:])
	if r.configDir != "" {
		command.Configure(r.configDir)
		command.MayConfigure()
	}
	msg.Verbose = max(0, r.verbose-1)
	settings := command.Load(&conf)
	if r.mode == 'm' || r.mode == 'v' {
		maySubmit(settings.Value("authorized_submit_users"))
	}
	modes[r.mode](r)
}

// modes are what -b and the name of the command choose.
var modes = map[byte]func(*request){
	'm': enqueue,
	'd': func(*request) { run("postfix", "start") },
	'i': newaliases,
	'p': func(r *request) { run("postqueue", "-p") },
	'q': flush,
	's': speakSMTP,
	'h': func(*request) {},
	'v': enqueue,
}

// maySubmit ends the command when the administrator does not let its user send
// mail. Postdrop(1) looks again; this is only to say so early.
func maySubmit(users string) {
	if users == "static:anyone" || os.Getuid() == 0 {
		return
	}
	list, err := match.Strings("authorized_submit_users", users)
	if err != nil {
		msg.Fatal("%v", err)
	}
	name, _, _ := strings.Cut(caller(), "(")
	if yes, err := list.Match(name); err == nil && !yes {
		msg.Fatal("User %s is not allowed to submit mail", caller())
	}
}

// run becomes another command of the mail system.
func run(name string, args ...string) {
	path := conf.CommandDirectory + "/" + name
	if msg.Verbose > 0 {
		args = append([]string{"-v"}, args...)
	}
	command.Exec(path, append([]string{name}, args...)...)
}

func flush(r *request) {
	switch {
	case r.flushSite != "":
		run("postqueue", "-s", r.flushSite)
	case r.flushID != "":
		run("postqueue", "-i", r.flushID)
	default:
		run("postqueue", "-f")
	}
}

func newaliases(r *request) {
	databases := text.Split(conf.AliasDatabase)
	if r.aliases != "" {
		databases = []string{r.aliases}
	}
	if len(databases) == 0 {
		return
	}
	run("postalias", append([]string{"--"}, databases...)...)
}

// speakSMTP lets a mail reader talk to an SMTP server of its own, which drops
// its mail like a local user.
func speakSMTP(*request) {
	args := []string{"smtpd", "-S"}
	for range msg.Verbose {
		args = append(args, "-v")
	}
	command.Exec(conf.DaemonDirectory+"/smtpd", args...)
}
