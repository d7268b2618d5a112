// Postkick sends a request to a service of the mail system.
//
// # SYNOPSIS
//
//	postkick [-c config_dir] [-v] class service request
//
// # DESCRIPTION
//
// The postkick(1) command sends a request to a service over its local socket,
// for example "postkick public pickup W" to look for new mail at once. It makes
// the sockets of the mail system usable for scripts.
//
// Options:
//
//   - -c config_dir: the directory with main.cf.
//   - -v: log more for debugging. May be repeated.
//
// Arguments:
//
//   - class: "public" for services that every local user may talk to, "private" for
//     those that only the mail system may.
//   - service: the name of the service in master.cf.
//   - request: letters that the service knows, such as W for "wake up" or, for
//     qmgr(8), I, D, F and A: scan the incoming queue, scan the deferred queue,
//     forget which destinations are dead, do not look at time stamps.
//
// # DIAGNOSTICS
//
// Problems are reported on standard error. The exit status is not 0 when the
// service cannot be contacted.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"postrider/lib/base/msg"
	"postrider/lib/base/option"
	"postrider/lib/mail/param"
	"postrider/lib/mail/site"
	"postrider/lib/service/ipc"
)

// conf holds the main.cf parameters of postkick(1).
var conf struct {
	site.Params
}

func main() {
	msg.Open(msg.Options{Program: "postkick", NoSyslog: true, Stderr: true})
	words := readOptions(os.Args[1:])
	settings, err := param.Read(param.Dir())
	if err == nil {
		err = settings.Load(&conf)
	}
	if err != nil {
		msg.Fatal("%v", err)
	}
	if err := os.Chdir(conf.QueueDirectory); err != nil {
		msg.Fatal("%v", err)
	}
	if err := kick(words[0], words[1], words[2]); err != nil {
		var reason syscall.Errno
		if errors.As(err, &reason) && reason != syscall.ECONNREFUSED {
			msg.Warn("unable to look up %s/%s: %v", words[0], words[1], reason)
		}
		msg.Warn("Cannot contact class %s service %s - perhaps the mail system is down", words[0], words[1])
		os.Exit(1)
	}
}

func readOptions(args []string) (words []string) {
	list, words, err := option.Parse(args, "c:v")
	if err != nil {
		fmt.Fprintf(os.Stderr, "postkick: %v\n", err)
	}
	if err != nil || len(words) != 3 {
		msg.Fatal("usage: %s [-c config_dir] [-v] class service request", os.Args[0])
	}
	for _, opt := range list {
		switch opt.Letter {
		case 'c':
			os.Setenv("MAIL_CONFIG", opt.Value)
		case 'v':
			msg.Verbose++
		}
	}
	return words
}

// kick sends the request to a socket below the current directory.
func kick(class, service, request string) error {
	return ipc.Trigger(filepath.Join(class, service), request)
}
