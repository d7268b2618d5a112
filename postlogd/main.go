// Postlogd writes the log of the mail system to a file, where there is no
// syslog daemon or none is wanted.
//
// # DESCRIPTION
//
// The postlogd(8) daemon writes what the programs of the mail system log to
// $maillog_file, one line each, in the form that syslogd(8) would give them. It
// is used when that parameter is not empty. "maillog_file = /dev/stdout" is for
// containers; then start the mail system with "postfix start-fg".
//
// All lines that are waiting are written at once. The file is opened when the
// process starts; a process ends after some idle time, with "postfix reload" and
// with "postfix logrotate", and the next one opens the file anew, so that a
// renamed log gets a successor.
//
// Lines that come while maillog_file is empty go to syslogd(8).
//
// # SECURITY
//
// The file is opened with the rights of root, which the process gives up before
// it reads the first line. Control characters in lines are masked. The name of
// the file must begin as $maillog_file_prefixes says.
//
// # BUGS
//
// Commands that users run without special rights cannot reach this service;
// what they have to say goes to syslogd(8).
//
// The commands of the administrator that start, stop and repair the mail system
// write to the file themselves when this service does not run.
package main

import (
	"os"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/param"
)

func main() {
	server.Main(server.Daemon{
		Name:       "postlogd",
		Params:     &conf,
		Limit:      server.OneProcess,
		UseAlways:  true,
		LoadParams: load,
		PreJail:    open,
		Serve:      server.Datagram(add, write),
	})
}

// logFile is where lines go; nil for syslog.
var logFile *os.File

// logName is the name of the log file.
var logName string

// load hides the log file from the rest of the process: it would log to itself,
// and wait for itself when the socket is full.
func load(s *param.Settings) error {
	if err := s.Load(&conf); err != nil {
		return err
	}
	logName, conf.MaillogFile = conf.MaillogFile, ""
	os.Unsetenv("POSTLOG_SERVICE")
	return nil
}

// open opens the log file while the process may.
func open(p *server.Process) {
	p.DaemonTimeout = conf.WatchdogTimeout
	if logName == "" {
		return
	}
	f, err := conf.logParams.Open(logName)
	if err != nil {
		msg.Fatal("open log file: %v", err)
	}
	logFile = f
	msg.SetOutput(ownLine(conf.PostlogHost(), conf.SyslogName+"/postlogd"))
}

// ownLine writes what postlogd itself has to say.
func ownLine(host, tag string) msg.Output {
	return func(level msg.Level, text string) {
		line := time.Now().Format(time.Stamp) + " " + host + " " + tag + "[" + pid + "]: " + level.Prefix() + text + "\n"
		logFile.WriteString(line)
	}
}
