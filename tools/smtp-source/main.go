// Smtp-source sends test mail to an SMTP or LMTP server as fast as it can.
//
// # SYNOPSIS
//
//	smtp-source [options] [inet:]host[:port]
//	smtp-source [options] unix:pathname
//
// # DESCRIPTION
//
// Smtp-source connects to a server, at port 25 unless another one is named, and
// sends messages, one after the other or in several sessions at once. It is
// for measurements: one process serves all sessions and uses little of the
// machine itself. It knows no pipelining; each command waits for its answer.
//
// # OPTIONS
//
//   - -4, -6: connect with IPv4, or with IPv6, only.
//   - -A: go on when the server refuses a command. Without this option
//     smtp-source ends with an error message.
//   - -c: show how many messages were sent.
//   - -C count: how often to try a connection that is refused (1).
//   - -d: do not disconnect after a message; send the next one over the same
//     connection.
//   - -f from: the sender (foo@myhostname).
//   - -F file: send this file, header and body, instead of a made-up message.
//   - -l length: bytes in the body of a message.
//   - -L: speak LMTP.
//   - -m count: how many messages to send (1).
//   - -M name: the name for HELO and for addresses, instead of the machine's.
//   - -N: put a number that never comes again in front of each recipient.
//   - -o: old style: no HELO, no message header.
//   - -r count: recipients of each message (1). With more than one, a number
//     is put in front of the recipient.
//   - -R seconds: wait for a random time, at most so long, between messages of
//     a session.
//   - -s count: sessions at the same time (1).
//   - -S subject: the subject of each message.
//   - -t to: the recipient (foo@myhostname).
//   - -T size: the size of TCP's windows.
//   - -v: show what is said.
//   - -w seconds: wait so long between messages of a session.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/option"
)

// settings are the options of the command line.
type settings struct {
	fromSet    bool   // -f, which may be empty
	network    string // "tcp", "tcp4", "tcp6", "unix"
	goOn       bool
	counter    bool
	attempts   int
	stay       bool
	from, to   string
	file       string
	length     int
	lmtp       bool
	count      int
	name       string
	unique     bool
	old        bool
	recipients int
	random     time.Duration
	sessions   int
	subject    string
	window     int
	verbose    bool
	pause      time.Duration
}

const usage = "usage: smtp-source -cdLNov -s sess -l msglen -m msgs -C count -M myhostname -f from -t to -r rcptcount -R delay -w delay host[:port]"

func main() {
	msg.Open(msg.Options{Program: "smtp-source", Stderr: true, Facility: "mail"})
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(400)
	o, rest := readOptions(os.Args[1:])
	if len(rest) != 1 {
		msg.Fatal("%s", usage)
	}
	content, err := makeContent(o)
	if err != nil {
		msg.Fatal("%v", err)
	}
	target, err := lookup(o.network, rest[0])
	if err != nil {
		msg.Fatal("%v", err)
	}
	s := &source{settings: o, target: target, content: content}
	if err := s.run(); err != nil {
		msg.Fatal("%v", err)
	}
	if o.counter {
		if s.printed != s.done {
			s.show()
		}
		fmt.Println()
	}
}

func readOptions(args []string) (settings, []string) {
	o := settings{network: "tcp", attempts: 1, count: 1, recipients: 1, sessions: 1}
	list, rest, err := option.Parse(args, "46AcC:df:F:l:Lm:M:Nor:R:s:S:t:T:vw:")
	if err != nil {
		fmt.Fprintf(os.Stderr, "smtp-source: %v\n", err)
		msg.Fatal("%s", usage)
	}
	for _, opt := range list {
		o.set(opt.Letter, opt.Value)
	}
	if o.file != "" && o.length > 0 {
		msg.Fatal("-l option cannot be used with -F")
	}
	if o.name == "" {
		if o.name, err = os.Hostname(); err != nil {
			msg.Fatal("%v", err)
		}
	}
	if !o.fromSet {
		o.from = "foo@" + o.name
	}
	if o.to == "" {
		o.to = "foo@" + o.name
	}
	return o, rest
}

func (o *settings) set(letter byte, value string) {
	switch letter {
	case '4':
		o.network = "tcp4"
	case '6':
		o.network = "tcp6"
	case 'A':
		o.goOn = true
	case 'c':
		o.counter = true
	case 'C':
		o.attempts = number(letter, value)
	case 'd':
		o.stay = true
	case 'f':
		o.from, o.fromSet = trimBrackets(value), true
	case 'F':
		o.file = value
	case 'l':
		o.length = number(letter, value)
	case 'L':
		o.lmtp = true
	case 'm':
		o.count = number(letter, value)
	case 'M':
		o.name = value
	case 'N':
		o.unique = true
	case 'o':
		o.old = true
	case 'r':
		o.recipients = number(letter, value)
	case 'R':
		o.random = time.Duration(number(letter, value)) * time.Second
	case 's':
		o.sessions = number(letter, value)
	case 'S':
		o.subject = value
	case 't':
		o.to = trimBrackets(value)
	case 'T':
		o.window = number(letter, value)
	case 'v':
		o.verbose = true
	case 'w':
		o.pause = time.Duration(number(letter, value)) * time.Second
	}
}

func trimBrackets(address string) string {
	if n := len(address); n >= 2 && address[0] == '<' && address[n-1] == '>' {
		return address[1 : n-1]
	}
	return address
}

// meaning is what the numbers of options are.
var meaning = map[byte]string{'C': "connection count", 'l': "message length", 'm': "message count", 'r': "recipient count",
	'R': "random delay", 's': "session count", 'T': "TCP window size", 'w': "fixed delay"}

// number reads a number above 0.
func number(letter byte, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		msg.Fatal("bad %s: %s", meaning[letter], text)
	}
	return n
}
