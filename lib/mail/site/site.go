// Package site holds what every program must know of its installation: where
// things are, who owns them, what the machine is called, where the log goes.
package site

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"postrider/lib/base/account"
	"postrider/lib/base/msg"
	"postrider/lib/mail/queue"
)

// Params are the parameters of every program.
type Params struct {
	queue.Params

	// The internet host name of this mail system. The default is the fully
	// qualified name of the machine; it is the base of many other defaults.
	MyHostname string `param:"myhostname" default:""`

	// The local internet domain. The default is $myhostname without its
	// first component.
	MyDomain string `param:"mydomain" default:""`

	// The folder with main.cf and master.cf. The environment variable
	// MAIL_CONFIG and the option -c of commands choose another one.
	ConfigDirectory string `param:"config_directory" default:"/etc/postfix"`

	// The queue, and the directory where all daemons start.
	QueueDirectory string `param:"queue_directory" default:"/var/spool/postfix"`

	// The directory with files that daemons write, such as caches.
	DataDirectory string `param:"data_directory" default:"/var/lib/postfix"`

	// Where the daemon programs are.
	DaemonDirectory string `param:"daemon_directory" default:"/usr/libexec/postfix"`

	// Where the administrative commands are.
	CommandDirectory string `param:"command_directory" default:"/usr/sbin"`

	// The account that owns the queue and runs most daemons. It must not be
	// shared with anything else.
	MailOwner string `param:"mail_owner" default:"postfix"`

	// The group of the commands that hand mail to the system. It must have
	// no members.
	SetgidGroup string `param:"setgid_group" default:"postdrop"`

	// What the system calls itself in Received: headers, banners and notices.
	MailName string `param:"mail_name" default:"Postfix"`

	// The version of the mail system.
	MailVersion string `param:"mail_version" default:""`

	// The syslog facility of log lines.
	SyslogFacility string `param:"syslog_facility" default:"mail"`

	// The name in front of the program's name in log lines.
	SyslogName string `param:"syslog_name" default:"${multi_instance_name?{$multi_instance_name}:{postfix}}"`

	// A log file that postlogd(8) writes, instead of syslog. Empty: syslog.
	MaillogFile string `param:"maillog_file" default:""`

	// The name of the log service, which writes $maillog_file.
	PostlogServiceName string `param:"postlog_service_name" default:"postlog"`
}

// Site returns the parameters themselves; it lets a program that embeds them
// pass them on.
func (p *Params) Site() *Params { return p }

// OpenLog sends messages of a program to the mail log, and to standard error
// when a person is likely to read it.
func (p *Params) OpenLog(program string, stderr bool) {
	msg.Open(p.LogOptions(program, stderr))
}

// LogOptions says where the messages of a program go.
func (p *Params) LogOptions(program string, stderr bool) msg.Options {
	o := msg.Options{Program: program, Name: p.SyslogName, Facility: p.SyslogFacility, Stderr: stderr}
	if p.MaillogFile != "" {
		o.Postlog = p.PostlogSocket()
		o.Host = p.PostlogHost()
	}
	if socket := os.Getenv("POSTLOG_SERVICE"); socket != "" {
		o.Postlog = socket
		if host := os.Getenv("POSTLOG_HOSTNAME"); host != "" {
			o.Host, _, _ = strings.Cut(host, ".") // other masters give the whole name
		}
	}
	return o
}

// PostlogHost is the name of the machine in the lines of a log file.
func (p *Params) PostlogHost() string {
	host, _, _ := strings.Cut(p.MyHostname, ".")
	return host
}

// PostlogSocket is where postlogd(8) listens.
func (p *Params) PostlogSocket() string {
	return filepath.Join(p.QueueDirectory, "public", p.PostlogServiceName)
}

// Owner returns the user and group number of mail_owner.
func (p *Params) Owner() (uid, gid int, err error) {
	a, found, err := account.ByName(p.MailOwner)
	if err != nil {
		return 0, 0, fmt.Errorf("parameter mail_owner: user %s: %w", p.MailOwner, err)
	}
	if !found {
		return 0, 0, fmt.Errorf("parameter mail_owner: unknown user name value: %s", p.MailOwner)
	}
	if a.UID == 0 {
		return 0, 0, fmt.Errorf("parameter mail_owner: user %s has privileged user ID", p.MailOwner)
	}
	return a.UID, a.GID, nil
}

// Locks says where daemons have their lock files.
type Locks struct {
	// The directory with lock files, relative to the queue directory.
	ProcessIDDirectory string `param:"process_id_directory" default:"pid"`
}
