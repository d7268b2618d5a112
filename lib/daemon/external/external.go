// Package external delivers mail to commands: what they find in their
// environment, and what their end means for the mail.
package external

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"postrider/lib/base/asuser"
	"postrider/lib/base/msg"
	"postrider/lib/base/run"
	"postrider/lib/base/text"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/dsn"
	"postrider/lib/mail/mailbox"
)

// Params are the parameters of agents that deliver to commands.
type Params struct {
	// How long a command may take. It is killed after that, and the mail
	// returned to its sender.
	CommandTimeLimit time.Duration `param:"command_time_limit" default:"1000s" min:"1s"`

	// The environment variables that commands inherit. An item name=value
	// sets one.
	ExportEnvironment string `param:"export_environment" default:"TZ MAIL_CONFIG LANG"`
}

// outputLimit is how much is kept of what a command prints, in bytes.
const outputLimit = 4096

// Environment is what the command finds: a standard PATH, the variables that
// export_environment names, and those of the delivery, whose values must not
// trust anybody's address.
func (p Params) Environment(more ...string) []string {
	env := []string{"PATH=" + run.DefaultPath}
	for _, item := range text.SplitBraces(p.ExportEnvironment) {
		if inside, ok := strings.CutPrefix(item, "{"); ok {
			item = text.Trim(strings.TrimSuffix(inside, "}"))
		}
		if name, value, ok := text.NameValue(item); ok {
			env = append(env, name+"="+value)
		} else if value, ok := os.LookupEnv(item); ok {
			env = append(env, item+"="+value)
		}
	}
	return append(env, more...)
}

// Deliver runs a command that gets a message as its input. Name is what the
// log calls it. When the queue file cannot be read the request is marked, and
// the outcome tells to try again.
func Deliver(r *agent.Request, c run.Command, name string, m mailbox.Message, form mailbox.Form) (o agent.Outcome, corrupt bool) {
	c.Output = outputLimit
	c.Input = func(w io.Writer) error { return m.WriteTo(w, form) }
	result, err := run.Run(c)
	var s *mailbox.SourceError
	if errors.As(result.Input, &s) {
		r.Corrupt(s)
		return agent.Deferred("4.3.0", "%v", s), true
	}
	if err != nil {
		return notStarted(filepath.Base(os.Args[0]), c, err), false
	}
	return Outcome(name, result), false
}

// notStarted is what the log of stock daemons says: they find out only in the
// child process, which then fails.
func notStarted(program string, c run.Command, err error) agent.Outcome {
	if c.Dir != "" && c.Chroot == "" && c.User != nil {
		if e := asuser.Do(*c.User, func() error { _, err := os.Stat(c.Dir + "/."); return err }); e != nil {
			msg.Error("cannot change directory to \"%s\" for uid=%d gid=%d: %s", c.Dir, c.User.UID, c.User.GID, mailbox.Words(e))
			return agent.Deferred("4.3.0", "temporary failure")
		}
	}
	text := "execvp: " + err.Error()
	var se *run.StartError
	if errors.As(err, &se) {
		text = fmt.Sprintf("execvp %s: %s", se.Command, mailbox.Words(se.Err))
	}
	if c.Line == "" {
		text = "pipe_command: " + text
	}
	msg.Error("%s", text)
	text = program + ": fatal: " + text
	return agent.Outcome{Status: "4.3.0", Reason: "temporary failure. Command output: " + text + " ",
		DiagType: "x-unix", DiagText: text}
}

// Outcome judges how a command ended. Source: sysexits.h, and RFC 3463 for
// commands that print a status code.
func Outcome(name string, r run.Result) agent.Outcome {
	printed := printable(r.Output)
	detail := ""
	if printed != "" {
		detail = ". Command output: " + printed
	}
	unix := func(status dsn.Status, format string, args ...any) agent.Outcome {
		o := agent.Outcome{Status: status, Reason: fmt.Sprintf(format, args...)}
		if printed != "" {
			o.DiagType, o.DiagText = "x-unix", printed
		}
		return o
	}
	switch {
	case r.TimedOut:
		return unix("5.3.0", "Command time limit exceeded: %q%s", raw(name), detail)
	case r.Signal != 0:
		return unix("4.3.0", "Command died with signal %d: %q%s", r.Signal, raw(name), detail)
	case r.Status == 0:
		return agent.Outcome{Status: "2.0.0", Reason: printed}
	}
	if status, words := dsn.Split(r.Output, ""); status.Class() == '4' || status.Class() == '5' {
		return unix(status, "%s", printable(words))
	}
	if exit, ok := exits[r.Status]; ok {
		return unix(exit.status, "%s%s", exit.text, detail)
	}
	return unix("5.3.0", "Command died with status %d: %q%s", r.Status, raw(name), detail)
}

// raw is a text that stands between plain quotes.
type raw string

func (s raw) Format(f fmt.State, _ rune) { io.WriteString(f, `"`+string(s)+`"`) }

// printable makes one line of what a command printed.
func printable(s string) string {
	return msg.Printable(strings.ReplaceAll(s, "\n", " "))
}

// exits are the statuses that mean something to mail systems.
var exits = map[int]struct {
	status dsn.Status
	text   string
}{
	64: {"5.3.0", "command line usage error"},
	65: {"5.6.0", "data format error"},
	66: {"5.3.0", "cannot open input"},
	67: {"5.1.1", "user unknown"},
	68: {"5.1.2", "host name unknown"},
	69: {"5.3.0", "service unavailable"},
	70: {"5.3.0", "internal software error"},
	71: {"4.3.0", "system resource problem"},
	72: {"5.3.0", "critical OS file missing"},
	73: {"5.2.0", "can't create user output file"},
	74: {"5.3.0", "input/output error"},
	75: {"4.3.0", "temporary failure"},
	76: {"5.5.0", "remote error in protocol"},
	77: {"5.7.0", "permission denied"},
	78: {"5.3.5", "local configuration error"},
}
