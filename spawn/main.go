// Spawn runs a command for each client that connects to a service in master.cf, as
// inetd does.
//
// # SYNOPSIS
//
//	spawn [generic Postfix daemon options] user=NAME[:GROUP] argv=COMMAND...
//
// # DESCRIPTION
//
// The connection is the command's standard input, output and error. It may be one
// of the network, or a socket of this machine: a policy service, for example, is
// a command behind a UNIX-domain socket:
//
//	policy  unix  -  n  n  -  0  spawn
//	  user=nobody argv=/usr/local/bin/policy -v
//
// There is one process of spawn for each command that runs; the maxproc field in
// master.cf limits both. Clients that wait when all are busy are served later.
//
// A command is killed when it is still there after $command_time_limit, or
// $<service>_time_limit. For a service that clients keep connections with, such as
// the one above, make the limit longer: policy_time_limit = 3600s.
//
// # ATTRIBUTES
//
// user=NAME or user=NAME:GROUP. The rights of the command. Required. Root, the
// owner of the mail system, and groups of these are refused.
//
// argv=COMMAND... The command and its arguments, as the last attribute. Required.
// No shell reads them; an argument with blanks is written {in braces}.
//
// # SECURITY
//
// Spawn needs the rights of root to give the command those of its user: the chroot
// and unprivileged fields in master.cf are "n". It does not look at what clients
// send. The command gets an environment of its own; see export_environment.
//
// # DIAGNOSTICS
//
// A command that ends with another status than 0, or is killed, is logged.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"postrider/lib/base/asuser"
	"postrider/lib/base/msg"
	"postrider/lib/base/run"
	"postrider/lib/base/stream"
	"postrider/lib/daemon/external"
	"postrider/lib/daemon/server"
)

// service is the entry in master.cf.
var service struct {
	user asuser.User
	argv []string
}

func main() {
	server.Main(server.Daemon{
		Name:       "spawn",
		Params:     &conf,
		Privileged: true,
		PreJail:    prepare,
		Serve:      server.Single(serve),
	})
}

func prepare(p *server.Process) {
	err := p.Settings.LoadTransport(&perService, p.Service)
	var user string
	if err == nil {
		user, service.argv, err = parse(p.Args)
	}
	if err == nil {
		service.user, err = external.User(user, p.Site())
	}
	if err != nil {
		msg.Fatal("%v", err)
	}
}

// parse reads the attributes.
func parse(args []string) (user string, argv []string, err error) {
	for i, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "user":
			user = value
			continue
		case "argv":
			argv = args[i+1:]
			if value != "" {
				argv = append([]string{value}, argv...)
			}
		default:
			return "", nil, fmt.Errorf("unknown attribute name: %s", arg)
		}
		break
	}
	switch {
	case user == "":
		return "", nil, errors.New("missing user= attribute")
	case len(argv) == 0:
		return "", nil, errors.New("missing argv= attribute")
	}
	return user, argv, nil
}

// serve runs the command for one client.
func serve(s *stream.Stream, c server.Client) {
	files := []*os.File{os.Stdin, os.Stdout, os.Stdout}
	if c.FD >= 0 {
		fd, err := syscall.Dup(c.FD)
		if err != nil {
			msg.Warn("%s: %v", service.argv[0], err)
			return
		}
		syscall.CloseOnExec(fd)
		client := os.NewFile(uintptr(fd), "client")
		defer client.Close()
		files = []*os.File{client, client, client}
	}
	execute(files, perService.TimeLimit)
}

// execute runs the command, and logs when it does not end well.
func execute(files []*os.File, limit time.Duration) {
	command := run.Command{Args: service.argv, User: &service.user, Env: conf.Command.Environment(), Files: files, Limit: limit}
	result, err := run.Run(command)
	name := service.argv[0]
	switch {
	case err != nil:
		msg.Warn("%v", err)
	case result.TimedOut:
		msg.Warn("%s: process killed after the time limit of %v", name, limit)
	case result.Signal != 0:
		msg.Warn("command %s killed by signal %d", name, int(result.Signal))
	case result.Status != 0:
		msg.Warn("command %s exit status %d", name, result.Status)
	}
}
