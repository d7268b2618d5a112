// Smtp-sink takes mail by SMTP or LMTP, and throws it away.
//
// # SYNOPSIS
//
//	smtp-sink [options] [inet:][host]:port backlog
//	smtp-sink [options] unix:pathname backlog
//
// # DESCRIPTION
//
// Smtp-sink is a server for measurements and tests. One process serves all
// clients and uses little of the machine itself. It can also refuse commands,
// break off, and be slow, to see what a client does then; and it can write what
// it gets to files.
//
// Commands in options are CONNECT, HELO, EHLO, LHLO, MAIL, RCPT, VRFY, DATA, ".",
// RSET, NOOP and QUIT, in any case, separated by commas or blanks.
//
// # OPTIONS
//
//   - -4, -6: use IPv4, or IPv6, only.
//   - -8: do not announce 8BITMIME.
//   - -a: do not announce AUTH.
//   - -A seconds: after DATA wait so long, answer 550, and read nothing more.
//   - -b reply: what to say for -r (450 4.3.0 Error: command failed).
//   - -B reply: what to say for -f (500 5.3.0 Error: command failed).
//   - -c: show how many sessions, good-byes and messages there were.
//   - -C: do not announce XCLIENT.
//   - -d template: write each message to a file of its own. The name is the
//     template, filled in by the rules of strftime(3), with a dot and a number
//     in hexadecimal. Missing directories are made.
//   - -D template: the same, but append messages to one file.
//   - -e: do not announce ESMTP.
//   - -E: do not announce ENHANCEDSTATUSCODES.
//   - -f commands: refuse these with a 5xx reply. Implies -p.
//   - -F: do not announce XFORWARD.
//   - -h name: the host name in replies (smtp-sink).
//   - -H seconds: wait so long after DATA before anything more is read.
//   - -L: speak LMTP.
//   - -m count: how many clients to serve at the same time (256).
//   - -M count: end after so many messages.
//   - -n count: end after so many sessions.
//   - -N: do not announce DSN.
//   - -p: do not announce PIPELINING.
//   - -P: greet like a PIX firewall. Implies -e.
//   - -q commands: disconnect instead of an answer.
//   - -Q commands: answer 421 and disconnect.
//   - -r commands: refuse these with a 4xx reply. Implies -p.
//   - -R directory: change the root directory.
//   - -s commands: log these.
//   - -S text: put this in front of each message that is written to a file.
//   - -t seconds: how long a client may be silent (100).
//   - -T size: the size of TCP's windows.
//   - -u user: run as this user.
//   - -v: show what is said.
//   - -w seconds: wait so long before the answer to DATA.
//   - -W command:seconds[:odds]: wait so long before the answer to a command;
//     with odds, as many times as it takes to draw a number below 100 that is at
//     least as large.
//
// # FILES
//
// A file has the text of -S, then the header lines X-Client-Addr:,
// X-Client-Proto:, X-Helo-Args:, X-Mail-Args:, X-Rcpt-Args: for each recipient,
// and Received:, then the message and an empty line.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"postrider/lib/base/account"
	"postrider/lib/base/msg"
	"postrider/lib/base/option"
)

// settings are the options of the command line.
type settings struct {
	network    string
	hidden     map[string]bool // keywords that are not announced
	pix, lmtp  bool
	abort      time.Duration // -A; negative: not wanted
	softReply  string
	hardReply  string
	counter    bool
	dump       string // -d or -D
	append     bool   // -D
	start      string
	name       string
	holdData   time.Duration
	clients    int
	messages   int
	sessions   int
	actions    map[string]action // by command
	logged     map[string]bool
	root, user string
	timeout    time.Duration
	window     int
	verbose    bool
	delays     map[string]delay
}

// An action is what happens instead of the usual answer.
type action int

const (
	usual action = iota
	refuseSoft
	refuseHard
	hangUp
	closing // 421
)

// A delay before an answer.
type delay struct {
	time time.Duration
	odds int
}

const usage = "usage: smtp-sink [-468acCeEFLpPv] [-A abort_delay] [-b soft_bounce_reply] [-B hard_bounce_reply] [-d dump-template] [-D dump-template] [-f commands] [-h hostname]" +
	" [-m max_concurrency] [-M message_quit_count] [-n quit_count] [-q commands] [-r commands] [-R root-dir] [-s commands] [-S start-string] [-u user_privs] [-w delay] [host]:port backlog"

func main() {
	msg.Open(msg.Options{Program: "smtp-sink", Stderr: true, Facility: "mail"})
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(400)
	signal.Ignore(syscall.SIGPIPE)
	o, rest := readOptions(os.Args[1:])
	if len(rest) != 2 {
		msg.Fatal("%s", usage)
	}
	backlog, err := strconv.Atoi(rest[1])
	if err != nil || backlog < 1 {
		msg.Fatal("%s", usage)
	}
	fds, err := listen(o, rest[0], backlog)
	if err != nil {
		msg.Fatal("%v", err)
	}
	if err := o.confine(); err != nil {
		msg.Fatal("%v", err)
	}
	s := newSink(o)
	if err := s.run(fds); err != nil {
		msg.Fatal("%v", err)
	}
	if o.counter {
		s.shown = time.Time{}
		s.show()
	}
}

// confine changes the root directory and the user.
func (o *settings) confine() error {
	var owner account.User
	if o.user != "" {
		var err error
		if owner, err = account.Lookup(o.user); err != nil {
			return fmt.Errorf("unknown user: %s", o.user)
		}
	} else if os.Getuid() == 0 {
		return errors.New("-u option is required if running as root")
	}
	if o.root != "" {
		if err := syscall.Chroot(o.root); err != nil {
			return fmt.Errorf("chroot(%s): %w", o.root, err)
		}
		if err := os.Chdir("/"); err != nil {
			return err
		}
	}
	if o.user == "" {
		return nil
	}
	if err := syscall.Setgroups([]int{owner.GID}); err != nil {
		return fmt.Errorf("setgroups: %w", err)
	}
	if err := syscall.Setresgid(owner.GID, owner.GID, owner.GID); err != nil {
		return fmt.Errorf("setgid: %w", err)
	}
	if err := syscall.Setresuid(owner.UID, owner.UID, owner.UID); err != nil {
		return fmt.Errorf("setuid: %w", err)
	}
	return nil
}

func readOptions(args []string) (*settings, []string) {
	o := &settings{network: "tcp", hidden: map[string]bool{}, abort: -1, name: "smtp-sink", clients: 256,
		softReply: "450 4.3.0 Error: command failed", hardReply: "500 5.3.0 Error: command failed",
		actions: map[string]action{}, logged: map[string]bool{}, delays: map[string]delay{}, timeout: 100 * time.Second}
	list, rest, err := option.Parse(args, "468aA:b:B:cCd:D:eEf:Fh:H:Lm:M:n:NpPq:Q:r:R:s:S:t:T:u:vw:W:")
	if err != nil {
		fmt.Fprintf(os.Stderr, "smtp-sink: %v\n", err)
		msg.Fatal("%s", usage)
	}
	for _, opt := range list {
		if !o.announce(opt.Letter) && !o.behave(opt.Letter, opt.Value) {
			o.set(opt.Letter, opt.Value)
		}
	}
	return o, rest
}

// announce takes the options about EHLO keywords.
func (o *settings) announce(letter byte) bool {
	keyword, ok := map[byte]string{'8': "8BITMIME", 'a': "AUTH", 'C': "XCLIENT", 'e': "ESMTP",
		'E': "ENHANCEDSTATUSCODES", 'F': "XFORWARD", 'N': "DSN", 'p': "PIPELINING"}[letter]
	if letter == 'P' {
		o.pix, keyword, ok = true, "ESMTP", true
	}
	if ok {
		o.hidden[keyword] = true
	}
	return ok
}

// behave takes the options about commands.
func (o *settings) behave(letter byte, value string) bool {
	act, ok := map[byte]action{'f': refuseHard, 'q': hangUp, 'Q': closing, 'r': refuseSoft}[letter]
	if !ok && letter != 's' {
		return false
	}
	for _, command := range strings.FieldsFunc(strings.ToUpper(value), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		checkCommand(command)
		if letter == 's' {
			o.logged[command] = true
		} else {
			o.actions[command] = act
		}
	}
	if act == refuseHard || act == refuseSoft {
		o.hidden["PIPELINING"] = true
	}
	return true
}

func (o *settings) set(letter byte, value string) {
	switch letter {
	case '4':
		o.network = "tcp4"
	case '6':
		o.network = "tcp6"
	case 'A':
		o.abort = seconds(value)
	case 'b':
		o.softReply = value
		checkReply('4', "soft", value)
	case 'B':
		o.hardReply = value
		checkReply('5', "hard", value)
	case 'c':
		o.counter = true
	case 'd', 'D':
		if o.dump != "" {
			msg.Fatal("use only one of -d or -D, but not both")
		}
		o.dump, o.append = value, letter == 'D'
	case 'h':
		o.name = value
	case 'H':
		o.holdData = time.Duration(number(letter, value)) * time.Second
	case 'L':
		o.lmtp = true
	case 'm':
		o.clients = number(letter, value)
	case 'M':
		o.messages = number(letter, value)
	case 'n':
		o.sessions = number(letter, value)
	case 'R':
		o.root = value
	case 'S':
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(value, `"`, `\"`) + `"`)
		if err != nil {
			msg.Fatal("option -S: bad escape in %q", value)
		}
		o.start = text
	case 't':
		o.timeout = time.Duration(number(letter, value)) * time.Second
	case 'T':
		o.window = number(letter, value)
	case 'u':
		o.user = value
	case 'v':
		o.verbose = true
	case 'w':
		o.delays["DATA"] = delay{time: seconds(value)}
	case 'W':
		o.setDelay(value)
	}
}

func (o *settings) setDelay(value string) {
	words := strings.Split(value, ":")
	if len(words) < 2 || len(words) > 3 || words[1] == "" {
		msg.Fatal("invalid command delay argument: %s", value)
	}
	checkCommand(strings.ToUpper(words[0]))
	n, err := strconv.Atoi(words[1])
	if err != nil || n < 1 {
		msg.Fatal("non-positive '%s' delay", words[0])
	}
	d := delay{time: time.Duration(n) * time.Second}
	if len(words) == 3 {
		if d.odds, err = strconv.Atoi(words[2]); err != nil || d.odds < 0 || d.odds > 99 {
			msg.Fatal("delay odds for '%s' out of range", words[0])
		}
	}
	o.delays[strings.ToUpper(words[0])] = d
}

// checkCommand ends the program when there is no such command.
func checkCommand(name string) {
	if !slices.Contains(commands, name) {
		msg.Fatal("unknown command: %s", strings.ToLower(name))
	}
}

// commands are the names that options may have; "." is the end of the content.
var commands = []string{"CONNECT", "HELO", "EHLO", "LHLO", "XCLIENT", "XFORWARD", "AUTH", "MAIL", "RCPT", "DATA", ".",
	"RSET", "NOOP", "VRFY", "QUIT"}

// checkReply ends the program when a reply has another class than it must have.
func checkReply(class byte, kind, reply string) {
	if len(reply) < 3 || reply[0] != class {
		msg.Error("bad %s error reply: %s", kind, reply)
		msg.Fatal("%s", usage)
	}
}

// seconds reads a time that may be 0.
func seconds(text string) time.Duration {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		msg.Fatal("%s", usage)
	}
	return time.Duration(n) * time.Second
}

// meaning is what the numbers of options are.
var meaning = map[byte]string{'H': "data read delay", 'm': "concurrency limit", 'M': "message quit count", 'n': "quit count",
	't': "timeout", 'T': "TCP window size"}

// number reads a number above 0.
func number(letter byte, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		msg.Fatal("bad %s: %s", meaning[letter], text)
	}
	return n
}
