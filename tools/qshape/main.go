// Qshape shows for which domains mail waits, and for how long.
//
// # USAGE
//
//	qshape [-lps] [-b buckets] [-c config_dir] [-m subdomains] [-N messages]
//	       [-n domains] [-t minutes] [-w width] [queue ...]
//
// # DESCRIPTION
//
// The command counts recipients by domain and by age of their messages, and
// prints a table: a row for each domain, those with most recipients first, and
// a column for each range of ages, in minutes. A domain with many old messages
// has a problem, or causes one.
//
// Without names of queues it looks into incoming and active. A name that begins
// with / is that of a directory. Options:
//
//	-b buckets     the number of ranges of ages, 10 by default; the last one
//	               has no end
//	-c config_dir  the folder with main.cf
//	-l             each range is as long as the first one; otherwise it is as
//	               long as all before it together
//	-m subdomains  with -p, only parents of at least so many, 5 by default
//	-N messages    on a terminal, show what is known after each 1000, or so
//	               many, messages
//	-n domains     on a terminal, show only the first 20, or so many, domains
//	-p             show parents of domains too, with a dot in front
//	-s             count senders instead of recipients
//	-t minutes     the end of the first range, 5 by default
//	-w width       columns of the terminal, 80 by default
//
// A name that does not fit loses its begin, and gets a + there.
//
// # SECURITY
//
// The command must be able to read queue files: run it as the superuser or as
// $mail_owner.
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/option"
	"postrider/lib/daemon/command"
	"postrider/lib/mail/site"
)

// conf holds the main.cf parameters of qshape(1).
var conf struct {
	site.Params
}

// Options say what to count and how to show it.
type options struct {
	buckets    int
	first      time.Duration // end of the first bucket
	linear     bool
	parents    bool
	subdomains int
	senders    bool
	width      int
	batch      int // messages between two tables on a terminal
	top        int // domains on a terminal
	queues     []string
}

func main() {
	o := readOptions(os.Args[1:])
	command.Load(&conf)
	command.Enter(conf.Site())
	out := bufio.NewWriter(os.Stdout)
	terminal := isTerminal(os.Stdout)
	t := newTable(o, time.Now())
	for _, name := range o.queues {
		err := walk(name, func(path string) {
			t.file(path)
			if terminal && t.messages%o.batch == 0 {
				t.print(out, o.top, true)
				out.Flush()
			}
		})
		if err != nil {
			msg.Warn("%v", err)
		}
	}
	top := 0
	if terminal {
		top = o.top
	}
	t.print(out, top, terminal && t.messages >= o.batch)
	if err := out.Flush(); err != nil {
		msg.Fatal("write to standard output: %v", err)
	}
}

func readOptions(args []string) options {
	o := options{buckets: 10, first: 5 * time.Minute, subdomains: 5, width: 80, batch: 1000, top: 20}
	list, rest, err := option.Parse(args, "b:c:lm:N:n:pst:w:")
	if err != nil {
		usage(err)
	}
	number := func(opt option.Option, least int) int {
		n, err := strconv.Atoi(opt.Value)
		if err != nil || n < least || n > 1e6 {
			usage(fmt.Errorf("option -%c: bad number %q", opt.Letter, opt.Value))
		}
		return n
	}
	for _, opt := range list {
		switch opt.Letter {
		case 'b':
			o.buckets = min(number(opt, 1), 40)
		case 'c':
			command.Configure(opt.Value)
		case 'l':
			o.linear = true
		case 'm':
			o.subdomains = number(opt, 1)
		case 'N':
			o.batch = number(opt, 1)
		case 'n':
			o.top = number(opt, 1)
		case 'p':
			o.parents = true
		case 's':
			o.senders = true
		case 't':
			o.first = time.Duration(number(opt, 1)) * time.Minute
		case 'w':
			o.width = max(number(opt, 1), o.width)
		}
	}
	if o.queues = rest; len(rest) == 0 {
		o.queues = []string{"incoming", "active"}
	}
	return o
}

func usage(err error) {
	fmt.Fprintf(os.Stderr, "qshape: %v\n", err)
	msg.Fatal("usage: qshape [-lps] [-b buckets] [-c config_dir] [-m subdomains] [-N messages] [-n domains] [-t minutes] [-w width] [queue ...]")
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// walk calls f for all files in a directory and in the hash directories below.
func walk(dir string, f func(path string)) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case e.Type().IsRegular():
			f(path)
		case e.IsDir() && len(e.Name()) == 1:
			if err := walk(path, f); err != nil {
				return err
			}
		}
	}
	return nil
}
