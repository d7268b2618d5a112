// Postlock locks a mailbox and runs a command meanwhile.
//
// # SYNOPSIS
//
//	postlock [-c config_dir] [-l lock_style] [-v] file command...
//
// # DESCRIPTION
//
// The postlock(1) command locks a file for exclusive access, in the same way
// as the local delivery agent does, and executes the command with its
// arguments, without a shell in between. The lock ends with the command.
//
// Options:
//
//   - -c config_dir: the directory with main.cf.
//   - -l lock_style: how to lock, instead of what $mailbox_delivery_lock says.
//   - -v: log more for debugging. May be repeated.
//
// # DIAGNOSTICS
//
// The exit status is that of the command. It is 75, try again later, when the
// file could not be locked, and 1 when the command could not be executed.
//
// # BUGS
//
// Locks of network file systems do not always keep out programs on other
// machines.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"postrider/lib/base/file"
	"postrider/lib/base/msg"
	"postrider/lib/base/option"
	"postrider/lib/mail/mailbox"
	"postrider/lib/mail/param"
)

// conf holds the main.cf parameters of postlock(1).
var conf struct {
	// LOCKING CONTROLS

	mailbox.LockParams

	mailbox.LockStyle

	// RESOURCE AND RATE CONTROLS

	// How often to try to start a process.
	ForkAttempts int `param:"fork_attempts" default:"5" min:"1"`

	// How long to wait between two tries to start a process.
	ForkDelay time.Duration `param:"fork_delay" default:"1s" min:"1s"`
}

// tempFail is the exit status that says: try again later. Source: sysexits.
const tempFail = 75

func main() {
	msg.Open(msg.Options{Program: "postlock", NoSyslog: true, Stderr: true})
	style, words := readOptions(os.Args[1:])
	settings, err := param.Read(param.Dir())
	if err == nil {
		err = settings.Load(&conf)
	}
	if err != nil {
		fail(err)
	}
	if style == "" {
		style = conf.MailboxDeliveryLock
	}
	if _, err := file.Kinds(style); err != nil {
		fail(err)
	}
	unlock, err := lock(words[0], style)
	if err != nil {
		fail(fmt.Errorf("open file %s: %w", words[0], err))
	}
	status, err := run(words[1:])
	unlock()
	if err != nil {
		msg.Fatal("%v", err)
	}
	os.Exit(status)
}

func fail(err error) { msg.FatalStatus(tempFail, "%v", err) }

func readOptions(args []string) (style string, words []string) {
	list, words, err := option.Parse(args, "c:l:v")
	if err != nil {
		fmt.Fprintf(os.Stderr, "postlock: %v\n", err) // as getopt(3) does
	}
	if err != nil || len(words) < 2 {
		msg.FatalStatus(tempFail, "usage: %s [-c config_dir] [-l lock_style] [-v] folder command...", os.Args[0])
	}
	for _, opt := range list {
		switch opt.Letter {
		case 'c':
			os.Setenv("MAIL_CONFIG", opt.Value)
		case 'l':
			style = opt.Value
		case 'v':
			msg.Verbose++
		}
	}
	return style, words
}

// lock gets all locks of a style. The lock file comes first, as in all programs
// that use several.
func lock(path, style string) (unlock func(), err error) {
	kinds, err := file.Kinds(style)
	if err != nil {
		return nil, err
	}
	tries := conf.Tries()
	undo := func() error { return nil }
	if slices.Contains(kinds, file.Dotlock) {
		if undo, err = file.DotLock(path, tries); err != nil {
			return nil, &failure{"unable to create lock file " + path + ".lock", err, syscall.EEXIST}
		}
	}
	f, err := openLocked(path, kinds, tries)
	if err != nil {
		undo()
		return nil, err
	}
	return func() {
		undo()
		f.Close()
	}, nil
}

// openLocked opens the mailbox, which need not exist yet, with all locks that
// belong to an open file.
func openLocked(path string, kinds []file.Kind, tries file.Tries) (*os.File, error) {
	what := "cannot open file"
	if _, err := os.Lstat(path); os.IsNotExist(err) {
		what = "cannot create file exclusively"
	}
	f, err := file.Open(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, &failure{what, err, nil}
	}
	for _, kind := range kinds {
		if kind == file.Dotlock {
			continue
		}
		if err := file.LockTries(f, kind, file.Exclusive, tries); err != nil {
			f.Close()
			return nil, &failure{"unable to lock for exclusive access", err, syscall.EAGAIN}
		}
	}
	return f, nil
}

// A failure is what could not be done. A lock of somebody else is told in the
// words of the system, as in the log of deliveries.
type failure struct {
	what   string
	err    error
	locked error // what the system says when it is somebody else's
}

func (f *failure) Error() string {
	if errors.Is(f.err, file.ErrLocked) {
		return fmt.Sprintf("%s: %v", f.what, f.locked)
	}
	return fmt.Sprintf("%s: %v", f.what, cause(f.err))
}

// Unwrap has locked too, for the log gives reasons of the system capital letters.
func (f *failure) Unwrap() []error { return []error{f.err, f.locked} }

// run executes the command and returns its exit status.
func run(words []string) (status int, err error) {
	path, err := exec.LookPath(words[0])
	if err != nil {
		return 0, fmt.Errorf("execvp %s: %w", words[0], cause(err))
	}
	attr := &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}}
	var child *os.Process
	for try := 1; ; try++ {
		if child, err = os.StartProcess(path, words, attr); err == nil || try >= conf.ForkAttempts || !busy(err) {
			break
		}
		msg.Warn("fork %s: %v", words[0], err)
		time.Sleep(conf.ForkDelay)
	}
	if err != nil {
		return 0, fmt.Errorf("execvp %s: %w", words[0], cause(err))
	}
	state, err := child.Wait()
	if err != nil {
		return 0, fmt.Errorf("wait for %s: %w", words[0], err)
	}
	if state.Exited() {
		return state.ExitCode(), nil
	}
	return 1, nil // a signal
}

// cause is what the system said, without the name of the call.
func cause(err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return syscall.ENOENT
	case errors.As(err, &errno):
		return errno
	}
	return err
}

// busy reports whether a process could not be started for want of memory or
// of room in the process table, which may pass.
func busy(err error) bool { return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOMEM) }
