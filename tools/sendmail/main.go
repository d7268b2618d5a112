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
//   - -bm: take mail from standard input (the default)
//   - -bd: start the mail system, like "postfix start"
//   - -bh, -bH: ignored: there is no persistent host status
//   - -bi, -I: rebuild the alias databases, like newaliases
//   - -bl: like -bd
//   - -bp: list the mail queue, like mailq
//   - -bs: speak SMTP on standard input and output
//   - -bv: read and deliver nothing; mail a report of what would happen
//   - -B type: 7BIT or 8BITMIME
//   - -C file: main.cf, or its folder
//   - -f sender, -r sender: the envelope sender
//   - -F name: the sender's full name
//   - -G: the message comes from elsewhere: headers are not completed
//   - -h count, -L label, -m, -n, -o7, -o8, -A, -U, -X file, -d: ignored
//   - -i, -oi: a line with only a dot does not end the message
//   - -N when: when the sender wants a notice (RFC 3461)
//   - -O option=value, -p protocol: ignored
//   - -q: deliver all queued mail now
//   - -q interval: ignored
//   - -qI id, -qR site: deliver one message, or all mail for a site
//   - -R return: full or hdrs, what a notice returns
//   - -t: take recipients from the headers To:, Cc:, Bcc:, beside those of the command line
//   - -v: mail a report of the delivery; twice: log more
//   - -V envid: an identifier for notices; -XV: ask for variable envelope return paths
//
// # DIAGNOSTICS
//
// The exit status is zero when the message is in the queue, or one of
// sysexits.h: 64 usage, 65 data, 69 unavailable, 70 internal trouble, 75 try
// again later, 77 not allowed, 78 configuration.
package main

import (
	"os"
	"os/signal"
	"syscall"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/daemon/command"
)

// Exit statuses of sysexits.h that callers of sendmail know.
const (
	exUsage       = 64
	exData        = 65
	exUnavailable = 69
	exSoftware    = 70
	exTempFail    = 75
	exNoPerm      = 77
	exConfig      = 78
)

func main() {
	signal.Ignore(syscall.SIGPIPE)
	r := parse(command.Name(), os.Args[1:])
	if r.configDir != "" {
		command.Configure(r.configDir)
	}
	msg.Verbose = max(0, r.verbose-1)
	command.Load(&conf)
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
