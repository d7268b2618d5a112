package main

import (
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
)

// childEnvironment is what daemons inherit: the variables that
// import_environment names, and what they must know before they have read
// main.cf.
func (m *master) childEnvironment() []string {
	env := importEnvironment(m.inherits, conf.ImportEnvironment)
	env = with(env, "MAIL_CONFIG", m.dir)
	env = with(env, "MAIL_LOGTAG", conf.SyslogName)
	if conf.MaillogFile != "" {
		env = with(env, "POSTLOG_SERVICE", conf.PostlogSocket())
		env = with(env, "POSTLOG_HOSTNAME", conf.PostlogHost())
	} else {
		env = without(env, "POSTLOG_SERVICE")
		env = without(env, "POSTLOG_HOSTNAME")
	}
	if m.options.debugger {
		env = with(env, "MAIL_DEBUG", "1")
	}
	return env
}

// importEnvironment keeps of environ what list names; an item name=value is
// set to that value.
func importEnvironment(environ []string, list string) []string {
	var kept []string
	for _, item := range text.SplitBraces(list) {
		if strings.HasPrefix(item, "{") {
			inside, ok := text.Unbrace(item)
			if !ok {
				msg.Warn("import_environment: %q: a } is missing, or there is text after it", item)
				continue
			}
			item = inside
		}
		name, value, fixed := strings.Cut(item, "=")
		name = text.Trim(name)
		if fixed {
			kept = with(kept, name, text.Trim(value))
			continue
		}
		for _, v := range environ {
			if strings.HasPrefix(v, name+"=") {
				kept = with(kept, name, v[len(name)+1:])
			}
		}
	}
	return kept
}

func with(env []string, name, value string) []string {
	return append(without(env, name), name+"="+value)
}

func without(env []string, name string) []string {
	var kept []string
	for _, v := range env {
		if !strings.HasPrefix(v, name+"=") {
			kept = append(kept, v)
		}
	}
	return kept
}

// openLog sends messages where main.cf says. Master must not wait for the log
// service, which it has to start itself.
func (m *master) openLog() {
	conf.logParams.OpenLog(&conf.siteParams, "master", !m.quiet)
}
