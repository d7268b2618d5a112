package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"postrider/lib/base/account"
	"postrider/lib/base/text"
	"postrider/lib/mail/mastercf"
)

// checkService looks at one entry of master.cf.
func (a *audit) checkService(e *mastercf.Entry) {
	a.checkProgram(e)
	a.checkOptions(e)
	if filepath.Base(e.Command) == "pipe" && a.inUse(e.Name) {
		a.checkPipe(e)
	}
}

// reportEntry notes a problem with a service.
func (a *audit) reportEntry(e *mastercf.Entry, format string, args ...any) {
	a.report(a.master, e.Line, "%s, line %d: service %s: %s", a.master, e.Line, e.ID(), fmt.Sprintf(format, args...))
}

// checkProgram looks for the program of a service.
func (a *audit) checkProgram(e *mastercf.Entry) {
	path := e.Command
	if !filepath.IsAbs(path) {
		path = filepath.Join(a.settings.Value("daemon_directory"), path)
	}
	if reason := notExecutable(path); reason != "" {
		a.reportEntry(e, "program %s: %s", path, reason)
	}
}

func notExecutable(path string) string {
	info, err := os.Stat(path)
	switch {
	case os.IsNotExist(err):
		return "there is no such file"
	case err != nil:
		return err.Error()
	case !info.Mode().IsRegular():
		return "not a regular file"
	case info.Mode().Perm()&0o111 == 0:
		return "not executable"
	}
	return ""
}

// checkPipe looks for the user and the program of a service of pipe(8). Many
// master.cf files have such entries for programs that nobody installed; only
// those that main.cf names matter.
func (a *audit) checkPipe(e *mastercf.Entry) {
	for i, arg := range e.Args {
		if names, found := strings.CutPrefix(arg, "user="); found {
			user, group, _ := strings.Cut(names, ":")
			if _, found, err := account.ByName(user); err == nil && !found {
				a.reportEntry(e, "there is no user %s", user)
			}
			if _, found, err := account.GroupByName(group); group != "" && err == nil && !found {
				a.reportEntry(e, "there is no group %s", group)
			}
		}
		if program, found := strings.CutPrefix(arg, "argv="); found {
			if program == "" && i+1 < len(e.Args) {
				program = e.Args[i+1]
			}
			if reason := notExecutable(program); filepath.IsAbs(program) && reason != "" {
				a.reportEntry(e, "command %s: %s", program, reason)
			}
			return
		}
	}
}

// inUse reports whether a setting of main.cf names a service.
func (a *audit) inUse(service string) bool {
	for _, name := range a.settings.Names() {
		value, _ := a.settings.Get(name)
		for _, word := range text.Split(value) {
			if transport, _, _ := strings.Cut(word, ":"); transport == service {
				return true
			}
		}
	}
	return false
}

// transports are the parameters that name a transport, perhaps with a next hop.
var transports = []string{
	"best_mx_transport", "content_filter", "default_transport", "defer_transports", "fallback_transport",
	"local_transport", "mailbox_transport", "relay_transport", "virtual_transport",
}

// checkTransports looks for services that main.cf sends mail to.
func (a *audit) checkTransports() {
	if len(a.entries) == 0 {
		return
	}
	for _, name := range transports {
		words := text.Split(a.settings.Value(name))
		if name != "defer_transports" {
			words = words[:min(1, len(words))]
		}
		for _, word := range words {
			transport, _, _ := strings.Cut(word, ":")
			if name == "best_mx_transport" && transport == "local" || transport == "" {
				continue
			}
			if !slices.ContainsFunc(a.entries, func(e mastercf.Entry) bool { return e.Name == transport && e.Type == "unix" }) {
				a.reportAt(a.settings, name, "there is no service %s of type unix in %s", transport, a.master)
			}
		}
	}
}
