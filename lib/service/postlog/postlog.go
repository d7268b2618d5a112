// Package postlog is the log file that postlogd(8) writes, and how privileged
// programs log while postlogd is not there.
package postlog

import (
	"fmt"
	"os"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/mail/site"
)

// Params say what the log file may be.
type Params struct {
	// How the name of $maillog_file must begin, so that a slip does not
	// overwrite something else.
	MaillogFilePrefixes string `param:"maillog_file_prefixes" default:"/var, /dev/stdout"`

	// Who may read a log file that is created: 0600, 0640 or 0644.
	MaillogFilePermissions string `param:"maillog_file_permissions" default:"0600"`
}

// standardOutput is the log of a container. It is not opened by name, which
// would fail when it is a socket or belongs to another user.
const standardOutput = "/dev/stdout"

// Check tells what is wrong with the name of the log file or its permissions.
func (p *Params) Check(path string) error {
	if _, err := p.mode(); err != nil {
		return err
	}
	for _, prefix := range text.Split(p.MaillogFilePrefixes) {
		if strings.HasPrefix(path, prefix) {
			return nil
		}
	}
	return fmt.Errorf("maillog_file value %q does not match any prefix in maillog_file_prefixes (%s)", path, p.MaillogFilePrefixes)
}

func (p *Params) mode() (os.FileMode, error) {
	switch p.MaillogFilePermissions {
	case "0600", "600":
		return 0o600, nil
	case "0640", "640":
		return 0o640, nil
	case "0644", "644":
		return 0o644, nil
	}
	return 0, fmt.Errorf("maillog_file_permissions = %s: want 0600, 0640 or 0644", p.MaillogFilePermissions)
}

// Open opens the log file at its end, and creates it when it is not there.
func (p *Params) Open(path string) (*os.File, error) {
	if err := p.Check(path); err != nil {
		return nil, err
	}
	if path == standardOutput {
		return os.Stdout, nil
	}
	mode, err := p.mode()
	if err != nil {
		return nil, err
	}
	// Whoever may read the file shall not depend on the umask of a daemon.
	_, err = os.Lstat(path)
	isNew := os.IsNotExist(err)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, mode)
	if err != nil {
		return nil, err
	}
	if isNew {
		if err := f.Chmod(mode); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// Append writes one line to the log file, in place of postlogd.
func (p *Params) Append(path string, line []byte) error {
	f, err := p.Open(path)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line[:len(line):len(line)], '\n'))
	if f == os.Stdout {
		return err
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// OpenLog is site.Params.OpenLog for programs that start, stop or repair the
// mail system: with the rights of root they log to the file themselves while
// postlogd is not running.
func (p *Params) OpenLog(s *site.Params, program string, stderr bool) {
	msg.Open(p.options(s, program, stderr))
}

// OpenFile is OpenLog for what is said when postlogd is about to end.
func (p *Params) OpenFile(s *site.Params, program string, stderr bool) {
	o := p.options(s, program, stderr)
	if o.Direct != nil {
		o.Postlog = os.DevNull // where nobody listens
	}
	msg.Open(o)
}

func (p *Params) options(s *site.Params, program string, stderr bool) msg.Options {
	o := s.LogOptions(program, stderr)
	if s.MaillogFile != "" && os.Geteuid() == 0 {
		o.Direct = func(line []byte) {
			if err := p.Append(s.MaillogFile, line); err != nil {
				fmt.Fprintf(os.Stderr, "%s: warning: %v\n", program, err)
			}
		}
	}
	return o
}
