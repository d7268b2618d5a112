// Postfix starts, stops and checks the mail system.
//
// # SYNOPSIS
//
//	postfix [-Dv] [-c config_dir] command
//
// # DESCRIPTION
//
// The postfix(1) command controls the mail system. It is for the superuser. To
// send mail, use sendmail(1).
//
// Commands:
//
//   - check: report files and directories with wrong owners or permissions, create
//     missing directories, and report what is wrong in main.cf and master.cf, with
//     file and line: values that no program can use, names that nobody knows,
//     parameters that no program acts upon, old names, tables that cannot be opened
//     or are older than their source, programs and services that are not there.
//     The exit status is 1 when the mail system could not start.
//   - start: start the mail system, after the same checks.
//   - start-fg: start and stay in the foreground, as the process of a container
//     should. As process 1 it becomes master(8) in its init mode.
//   - stop: stop the mail system in good order. Processes that do not end within
//     some seconds are killed; nothing that they have acknowledged gets lost.
//   - abort: stop without waiting.
//   - drain: stop master(8) only; the daemons finish what they are doing.
//   - flush: try to deliver all deferred mail now. Do not do this often: mail for
//     dead destinations then delays all other mail.
//   - reload: read the configuration files again. Sessions go on; processes end
//     when they are done with their work, and new ones use the new settings. An
//     error in a file is logged, and changes nothing.
//   - status: tell whether the mail system is running; exit status 0 when it is.
//   - set-permissions [name=value ...]: give all files and directories of the mail
//     system their owners and permissions. With name=value, parameters in main.cf
//     are changed first.
//   - upgrade-configuration [name=value ...]: create missing directories, and add
//     the services to master.cf that are missing there.
//   - tls subcommand: manage keys and certificates; see below.
//   - non-bdb subcommand: for a configuration that comes from a machine with Berkeley
//     DB; see below.
//   - logrotate: rename $maillog_file, start a new one, and compress the old one
//     with $maillog_file_compressor.
//
// The sub-commands of tls. Key files are named by their path, which may be relative to the
// configuration directory, or by the algorithm, "rsa" or "ecdsa", of the key in use.
//
//   - all-default-client, all-default-server: tell by the exit status whether all
//     TLS settings of smtp(8) or smtpd(8) have their default values.
//   - enable-client [-r source]: if they have, make smtp(8) encrypt when servers offer
//     it. Otherwise only show what is usual. -r sets tls_random_source.
//   - enable-server [-r source] [-a algorithm] [-b bits] [hostname ...]: the same for
//     smtpd(8), with a new key and certificate.
//   - new-server-key [-a algorithm] [-b bits] [hostname ...]: make a private key, rsa
//     (default, with 2048 bits) or ecdsa (with the curve secp256r1), and a certificate
//     for the host names ($myhostname) that the key itself has signed, in new files of the
//     configuration directory. They are not used until they are deployed.
//   - new-server-cert [-a algorithm] [-b bits] [hostname ...]: the same with the key in
//     use, if there is one.
//   - deploy-server-cert certfile keyfile: put them into main.cf, after a check that they
//     belong to each other.
//   - output-server-csr [-k keyfile] [hostname ...]: write a request for a certificate,
//     for an authority to sign.
//   - output-server-tlsa [-h hostname] [keyfile ...]: write TLSA records for the DNS.
//
// The sub-commands of non-bdb. Without any of this, tables of the types hash and btree are
// read as they are, and written as cdb.
//
//   - status: show non_bdb_migration_level.
//   - disable: what is said above, again.
//   - enable-redirect: hash and btree mean $default_database_type and
//     $default_cache_db_type, or what non_bdb_custom_mapping says. Files that are missing
//     are made with postmap(1) and postalias(1).
//   - enable-reindex: the same, and nbdb_reindexd(8) makes files that daemons miss. Those of
//     tables that commands use are made at once. Only for the time of the change.
//
// Options:
//
//   - -c config_dir: the directory with main.cf and master.cf, also for all programs
//     that are started.
//   - -D: start all daemons under the control of $debugger_command.
//   - -v: log more for debugging, everywhere. May be repeated.
//
// # ENVIRONMENT
//
// MAIL_CONFIG, MAIL_VERBOSE and MAIL_DEBUG are set for the programs that are
// started, as the options say.
//
// # FILES
//
//   - /etc/postfix/main.cf, parameters
//   - /etc/postfix/master.cf, services
//   - $daemon_directory/postfix-files, what belongs to the mail system, with owners
//     and permissions
package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/option"
	"postrider/lib/base/text"
	"postrider/lib/daemon/command"
	"postrider/lib/mail/param"
	"postrider/lib/mail/queue"
)

// settings are what main.cf says.
var settings *param.Settings

func main() {
	msg.Open(msg.Options{Program: "postfix", NoSyslog: true, Stderr: true})
	checkUser()
	words := readOptions(os.Args[1:])
	load(words[0])
	runInstances(words)
	name := words[0]
	openLog(name)
	checkPlaces()
	unix.Umask(0o022)
	warnOldDefaults(name)
	run, found := commands[name]
	if !found {
		msg.Fatal("unknown command: '%s'. Usage: postfix start (or stop, reload, abort, flush, check, status, set-permissions, upgrade-configuration, logrotate)", name)
	}
	os.Exit(run(words[1:]))
}

// commands are what the first word may be. They return the exit status.
var commands = map[string]func(args []string) int{
	"abort":                 abort,
	"check":                 check,
	"drain":                 drain,
	"flush":                 flush,
	"logrotate":             logrotate,
	"non-bdb":               nonBdb,
	"quick-stop":            quickStop,
	"reload":                reload,
	"set-permissions":       setPermissions,
	"start":                 start,
	"start-fg":              startForeground,
	"status":                status,
	"stop":                  stop,
	"tls":                   certificates,
	"upgrade-configuration": upgradeConfiguration,
}

// forPeople are the commands whose messages are always shown as well as logged.
var forPeople = map[string]bool{
	"check": true, "set-permissions": true, "start": true, "start-fg": true, "upgrade-configuration": true, "tls": true,
	"non-bdb": true,
}

func checkUser() {
	if os.Getuid() != 0 {
		msg.Error("to submit mail, use the Postfix sendmail command")
		msg.Fatal("the postfix command is reserved for the superuser")
	}
	if os.Geteuid() != os.Getuid() {
		msg.Fatal("the postfix command must not run as a set-uid process")
	}
}

func readOptions(args []string) (words []string) {
	list, words, err := option.Parse(args, "c:Dv")
	if err != nil {
		fmt.Fprintf(os.Stderr, "postfix: %v\n", err) // as getopt(3) does
		msg.Fatal("usage: %s [-c config_dir] [-Dv] command", os.Args[0])
	}
	for _, opt := range list {
		switch opt.Letter {
		case 'c':
			if opt.Value == "" || opt.Value[0] != '/' {
				msg.Fatal("-c requires absolute pathname")
			}
			os.Setenv("MAIL_CONFIG", opt.Value)
		case 'D':
			os.Setenv("MAIL_DEBUG", "1")
		case 'v':
			msg.Verbose++
			os.Setenv("MAIL_VERBOSE", strconv.Itoa(msg.Verbose))
		}
	}
	if len(words) == 0 {
		words = []string{""}
	}
	return words
}

// load reads main.cf. Somebody who starts or checks the system hears of all that is
// wrong there, not only of what this program needs.
func load(command string) {
	var err error
	if settings, err = param.Read(param.Dir()); err != nil {
		msg.Fatal("%v", err)
	}
	if err = settings.Load(&conf); err != nil {
		if forPeople[command] {
			checkConfiguration(err)
		}
		msg.Fatal("%v", err)
	}
	queue.Configure(conf.siteParams.Params)
}

// runInstances hands the command to the manager of several instances, unless
// the caller has chosen one.
func runInstances(words []string) {
	if conf.MultiInstanceDirectories == "" || os.Getenv("MAIL_CONFIG") != "" {
		return
	}
	if words[0] == "start-fg" {
		return // which refuses
	}
	wrapper := text.Split(conf.MultiInstanceWrapper)
	if len(wrapper) == 0 {
		msg.Fatal("multi-instance support is requested, but multi_instance_wrapper is empty")
	}
	command.Exec(wrapper[0], append(wrapper, words...)...)
}

// openLog sends messages to the mail log under the name that log readers know,
// and to a person who asks, who is watching, or who would not see them otherwise.
func openLog(command string) {
	os.Setenv("MAIL_LOGTAG", conf.SyslogName)
	name := conf.SyslogName + "/postfix-script"
	if command == "tls" {
		name = conf.SyslogName + "/postfix-tls-script"
	}
	_, err := os.Lstat(msg.SyslogSocket)
	unseen := err != nil && conf.MaillogFile == ""
	opened := conf.siteParams
	opened.SyslogName = ""
	conf.logParams.OpenLog(&opened, name, forPeople[command] || unseen || isTerminal(2))
	for _, warning := range settings.Warnings() {
		msg.Warn("%s", warning)
	}
}

func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}

// checkPlaces makes sure that the pieces of the mail system are there at all.
func checkPlaces() {
	for _, place := range []struct{ what, path string }{
		{"command directory", conf.CommandDirectory},
		{"daemon directory", conf.DaemonDirectory},
		{"master program", conf.DaemonDirectory + "/master"},
		{"configuration directory", param.Dir()},
		{"queue directory", conf.QueueDirectory},
	} {
		if _, err := os.Stat(place.path); err != nil {
			msg.Fatal("no Postfix %s %s!", place.what, place.path)
		}
	}
	if err := syscall.Chdir(conf.QueueDirectory); err != nil {
		msg.Fatal("no Postfix queue directory %s!", conf.QueueDirectory)
	}
}

// currentLevel is the compatibility level without old defaults.
const currentLevel = "3.6"

// warnOldDefaults tells that defaults are those of an older release.
func warnOldDefaults(name string) {
	switch name {
	case "start", "start-fg", "reload", "check", "status":
	default:
		return
	}
	if settings.Expand("${{$compatibility_level} <level {"+currentLevel+"} ? {old} : {}}") == "" {
		return
	}
	msg.Info("Postfix is using backwards-compatible default settings")
	msg.Info("See https://www.postfix.org/COMPATIBILITY_README.html for details")
	msg.Info("To disable backwards compatibility use \"postconf compatibility_level=%s\" and \"postfix reload\"", currentLevel)
}
