// Postmulti manages several instances of the mail system on one machine.
//
// # SYNOPSIS
//
//	postmulti -e init [-v]
//	postmulti -l [-ajRv] [-g group] [-i name]
//	postmulti -p [-av] [-g group] [-i name] postfix-command...
//	postmulti -x [-aRv] [-g group] [-i name] command...
//	postmulti -e create [-av] [-g group] [-i name] [-G group] [-I name] [name=value...]
//	postmulti -e import [-av] [-g group] [-i name] [-G group] [-I name]
//	          [config_directory=path]
//	postmulti -e destroy|deport|enable|disable [-v] -i name
//	postmulti -e assign [-v] -i name [-I name] [-G group]
//
// # DESCRIPTION
//
// An instance is a mail system with its own configuration, queue and data
// directory. All instances share the programs. The primary instance is that of
// the default configuration directory; its main.cf names the directories of the
// others in multi_instance_directories.
//
// Once "postmulti -e init" was done, postfix(1) hands its commands to this one,
// which carries them out for all instances.
//
// Which instances are meant:
//
//   - -a: all, which is the default. New instances become the first ones behind
//     the primary one.
//   - -g group: those of a group. New instances go before the first one of it.
//   - -i name: one, by its name, its configuration directory, or - for the primary
//     one. New instances go before it.
//   - -R: in reverse order; with -l and -x only.
//
// What to do with them:
//
//   - -l: list name, group, whether the instance is enabled, and configuration
//     directory. With -j each instance is a JSON object in a line of its own, see
//     below.
//   - -p: run a command of postfix(1). The parameters postmulti_start_commands,
//     postmulti_stop_commands and postmulti_control_commands say which commands
//     are not for instances that are disabled, and which go from the last one to
//     the first one. Other commands are for all instances.
//   - -x: run any command. Its environment names the instance, see below.
//   - -e action: change the list of instances, see below.
//
// Other options:
//
//   - -G group: the group of a new instance, or the new group of one that is there.
//     A minus sign is no group.
//   - -I name: the name, in the same way. Names begin with "postfix-".
//   - -v: log more for debugging. May be repeated.
//
// # ACTIONS
//
//   - init: let postfix(1) know of this command, and enable the primary instance.
//   - create: make an instance, and put it on the list. Its directories are those
//     of the primary instance with the last part replaced by the name, or given as
//     config_directory=, queue_directory= and data_directory=. It is disabled, takes
//     no mail from the network (master_service_disable) and none from local users
//     (authorized_submit_users) until its main.cf is changed. A configuration that
//     is there is imported.
//   - import: put an existing instance on the list.
//   - enable, disable: whether it takes part in start, stop and others.
//   - assign: give it another name or group.
//   - deport: take it from the list. Its files stay.
//   - destroy: take it from the list, and remove what the mail system has made in
//     its directories. It must be stopped and disabled, and its queue empty. Other
//     files stay, with a warning.
//
// # JSON
//
// The objects of -l -j have these members, all of them strings. There may be more
// of them some day.
//
//   - name: multi_instance_name, or "-" when it is empty.
//   - group: multi_instance_group, or "-" when it is empty.
//   - enabled: "y" or "n", after multi_instance_enable. A primary instance that
//     nobody manages is enabled.
//   - config_directory: the configuration directory.
//
// # ENVIRONMENT
//
// Commands find these variables: MAIL_CONFIG, config_directory, queue_directory,
// data_directory, command_directory, daemon_directory, multi_instance_name,
// multi_instance_group, multi_instance_enable; and MAIL_VERBOSE with -v. When
// MAIL_CONFIG is set for this command itself, it must name the default directory.
//
// # DIAGNOSTICS
//
// The exit status is 1 when something failed for at least one instance. The
// other instances have their turn all the same.
package main

import (
	"os"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/mail/param"
)

func main() {
	msg.Open(msg.Options{Program: "postmulti", NoSyslog: true, Stderr: true})
	r := readOptions(os.Args[1:])
	if dir := param.Dir(); dir != param.DefaultDir {
		msg.Fatal("Non-default configuration directory: MAIL_CONFIG=%s", dir)
	}
	unix.Umask(0o022)
	all := readInstances()
	all[0].logParams.OpenLog(&all[0].siteParams, "postmulti", true)
	if r.verbose > 0 {
		os.Setenv("MAIL_VERBOSE", "")
	}
	os.Exit(r.run(all))
}

// run does what was asked for and returns the exit status.
func (r *request) run(all []*instance) int {
	switch r.mode {
	case 'l':
		return r.list(r.selected(all))
	case 'x':
		return each(r.selected(all), r.words[0], r.words[1:])
	case 'p':
		return r.wrap(all)
	}
	r.edit(all)
	return 0
}
