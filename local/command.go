package main

import (
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/run"
	"postrider/lib/daemon/external"
	"postrider/lib/mail/mailbox"
)

// deliverCommand feeds the message to a command.
func (t task) deliverCommand(command string) bool {
	user := t.rights.as()
	if t.seen.before("command %d:%d %s", user.UID, user.GID, command) {
		return true
	}
	if !site.commandsFrom[t.origin] {
		return t.failed("5.7.1", "mail to command is restricted")
	}
	if t.TraceOnly() {
		return t.sent("delivers to command: %s", command)
	}
	dir, _, err := t.expand(string(conf.CommandExecutionDirectory), string(conf.ExecutionDirectoryExpansionFilter))
	if err != nil {
		msg.Warn("bad parameter value syntax for command_execution_directory: %s", conf.CommandExecutionDirectory)
		return t.misconfigured("4.3.5")
	}
	c := run.Command{Line: command, Shell: conf.LocalCommandShell, User: &user, Dir: dir,
		Env: conf.Command.Environment(t.environment()...), Limit: conf.Command.CommandTimeLimit}
	o, corrupt := external.Deliver(t.Request, c, command, t.message("command"), mailbox.Command)
	if corrupt {
		t.delivery.corrupt = true
		return false
	}
	if o.Status.Class() == '2' {
		o.Reason = "delivered to command: " + command
	}
	return t.report(o)
}

// environment tells a command about the delivery. Addresses come from
// strangers: characters that a shell could trip over become underscores.
func (t task) environment() []string {
	values := []struct {
		name, value string
		always      bool
	}{
		{"HOME", t.rights.Home, false},
		{"SHELL", t.rights.Shell, false},
		{"USER", t.user, false},
		{"LOGNAME", t.user, false},
		{"EXTENSION", t.extension, false},
		{"DOMAIN", t.domain, false},
		{"LOCAL", t.local, false},
		{"RECIPIENT", t.to.Address, false},
		{"ORIGINAL_RECIPIENT", t.to.Original, false},
		{"SENDER", t.sender, true},
		{"CLIENT_ADDRESS", t.ClientAddress, false},
		{"CLIENT_HELO", t.ClientHelo, false},
		{"CLIENT_HOSTNAME", t.ClientName, false},
		{"CLIENT_PROTOCOL", t.ClientProtocol, false},
		{"ENVID", t.envelopeID, false},
		{"SASL_METHOD", t.SASLMethod, false},
		{"SASL_SENDER", t.SASLSender, false},
		{"SASL_USERNAME", t.SASLUsername, false},
	}
	var env []string
	for _, v := range values {
		if v.value != "" || v.always {
			env = append(env, v.name+"="+filter(v.value, string(conf.CommandExpansionFilter)))
		}
	}
	return env
}

// filter replaces all characters but those that are allowed.
func filter(s, allowed string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(allowed, r) {
			return r
		}
		return '_'
	}, s)
}
