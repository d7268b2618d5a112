package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/option"
)

// options are what the command line says.
type options struct {
	debugger bool          // -D
	debug    bool          // -d
	exitTime time.Duration // -e
	init     bool          // -i
	stdout   bool          // -s
	test     bool          // -t
	wait     bool          // -w
}

const usage = "usage: %s [-c config_dir] [-D (debug)] [-d (don't detach from terminal)] [-e exit_time] " +
	"[-i (be process 1)] [-s (keep standard output)] [-t (test)] [-v] [-w (wait for initialization)]"

func readOptions(args []string) options {
	list, rest, err := option.Parse(args, "c:Dde:istvw")
	if err != nil {
		fmt.Fprintf(os.Stderr, "master: %v\n", err) // as getopt(3) does
	}
	if err != nil || len(rest) > 0 {
		msg.Fatal(usage, os.Args[0])
	}
	var o options
	for _, opt := range list {
		switch opt.Letter {
		case 'c':
			os.Setenv("MAIL_CONFIG", opt.Value)
		case 'D':
			o.debugger = true
		case 'd':
			o.debug = true
		case 'e':
			seconds, err := strconv.ParseUint(opt.Value, 10, 31)
			if err != nil {
				msg.Fatal("option -e: %q is not a number of seconds", opt.Value)
			}
			o.exitTime = time.Duration(seconds) * time.Second
		case 'i':
			o.init = true
		case 's':
			o.stdout = true
		case 't':
			o.test = true
		case 'v':
			msg.Verbose++
		case 'w':
			o.wait = true
		}
	}
	if os.Getenv("MAIL_DEBUG") != "" {
		o.debugger = true
	}
	if n, err := strconv.Atoi(os.Getenv("MAIL_VERBOSE")); msg.Verbose == 0 && os.Getenv("MAIL_VERBOSE") != "" {
		msg.Verbose = 1
		if err == nil {
			msg.Verbose = n
		}
	}
	return o
}

// checkOptions refuses what cannot work.
func checkOptions(o *options) error {
	switch {
	case os.Getuid() != 0:
		return errors.New("the master command is reserved for the superuser")
	case os.Geteuid() != os.Getuid():
		return errors.New("the master command must not run as a set-uid process")
	case o.init && os.Getpid() != 1:
		return errors.New("-i is allowed only for PID 1 process")
	case o.test && o.wait:
		return errors.New("the -t and -w options cannot be used together")
	case o.init && (o.debug || o.wait || o.debugger):
		return errors.New("the -i option cannot be used with -D, -d, or -w")
	}
	return nil
}
