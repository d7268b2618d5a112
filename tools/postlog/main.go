// Postlog writes messages to the mail log, in the form of the mail system.
//
// # SYNOPSIS
//
//	postlog [-iv] [-c config_dir] [-p priority] [-t tag] [text...]
//
// # DESCRIPTION
//
// The postlog(1) command is for scripts that have something to say to the mail
// log. The text on the command line is one message. Without text, each line of
// standard input is one.
//
// Messages go to syslogd(8) or postlogd(8), and to standard error when that is
// a terminal.
//
// Options:
//
//   - -c config_dir: the directory with main.cf.
//   - -i: ignored; the process ID is always logged.
//   - -p priority: info (the default), warn, error, fatal or panic. After the last
//     two the command waits a second.
//   - -t tag: the name at the begin of the message, instead of that of this
//     command.
//   - -v: log more for debugging. May be repeated.
//
// # SECURITY
//
// The command is installed set-gid, so that it can reach postlogd(8). It reads
// no other file than main.cf, and only from a directory that the administrator
// knows of.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/option"
	"postrider/lib/daemon/command"
	"postrider/lib/mail/param"
	"postrider/lib/mail/site"
	"postrider/lib/service/postlog"
)

// conf holds the main.cf parameters of postlog(1).
var conf struct {
	siteParams
	logParams
}

type (
	siteParams = site.Params
	logParams  = postlog.Params
)

// options are what the command line says.
type options struct {
	level msg.Level
	tag   string
	text  []string
}

func main() {
	msg.Open(msg.Options{Program: "postlog", NoSyslog: true, Stderr: true})
	o := readOptions(os.Args[1:])
	command.CleanEnvironment()
	settings, err := param.Read(param.Dir())
	if err == nil {
		err = settings.Load(&conf)
	}
	if err != nil {
		msg.Fatal("%v", err)
	}
	openLog(o.tag)
	if len(o.text) > 0 {
		msg.Log(o.level, "%s", strings.Join(o.text, " "))
		pause(o.level)
		return
	}
	if err := logLines(os.Stdin, o.level); err != nil {
		msg.Fatal("read standard input: %v", err)
	}
}

// priorities are the arguments of -p.
var priorities = map[string]msg.Level{
	"info": msg.LevelInfo, "warn": msg.LevelWarn, "warning": msg.LevelWarn,
	"error": msg.LevelError, "fatal": msg.LevelFatal, "panic": msg.LevelPanic,
}

func readOptions(args []string) (o options) {
	list, rest, err := option.Parse(args, "c:ip:t:v")
	if err != nil {
		fmt.Fprintf(os.Stderr, "postlog: %v\n", err) // as getopt(3) does
		msg.Fatal("usage: %s [-c config_dir] [-i] [-p priority] [-t tag] [-v] [text]", os.Args[0])
	}
	o.text = rest
	for _, opt := range list {
		switch opt.Letter {
		case 'c':
			command.Configure(opt.Value)
		case 'p':
			level, found := priorities[strings.ToLower(opt.Value)]
			if !found {
				msg.Fatal("bad severity: %q", opt.Value)
			}
			o.level = level
		case 't':
			o.tag = opt.Value
		case 'v':
			msg.Verbose++
		}
	}
	return o
}

// openLog makes tag the name of the program in the log.
func openLog(tag string) {
	s := conf.siteParams
	if tag == "" {
		tag = s.SyslogName + "/postlog"
	}
	s.SyslogName = ""
	_, err := unix.IoctlGetTermios(2, unix.TCGETS)
	conf.logParams.OpenLog(&s, tag, err == nil)
}

// lineLimit is how long a message may be; the rest of a line is another one.
const lineLimit = 2000

func logLines(r io.Reader, level msg.Level) error {
	in := bufio.NewReaderSize(r, lineLimit)
	for {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 {
			msg.Log(level, "%s", strings.TrimRight(string(line), "\r\n"))
			pause(level)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
	}
}

// pause keeps a script that fails over and over from filling the log.
func pause(level msg.Level) {
	if level >= msg.LevelFatal {
		time.Sleep(time.Second)
	}
}
