// Package run executes external commands: with the rights of a user, in a
// session of their own, under a time limit, fed by a writer, and with what they
// print kept in part.
package run

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/asuser"
)

// A Command is what is to be executed. Either Args or Line is set.
type Command struct {
	Args   []string // program and arguments, without a shell
	Line   string   // command line; a shell reads it if it has to
	Shell  string   // with Line: "/bin/bash -c"; always used when set
	User   *asuser.User
	Env    []string // complete environment, "name=value"; the program is searched in its PATH
	Dir    string   // working directory, entered as the user; ours when empty
	Chroot string   // root directory, entered before the rights are dropped; working directory, too, unless Dir names one
	Limit  time.Duration
	Input  func(w io.Writer) error // writes standard input; nil: there is none
	Output int                     // how many bytes of what is printed are kept
	Files  []*os.File              // standard input, output and error, instead of the above
}

// A Result says how a command ended.
type Result struct {
	Output   string         // standard output and standard error, the beginning
	Status   int            // exit status, if Signal is 0
	Signal   syscall.Signal // what killed the command
	TimedOut bool           // the time limit was exceeded, and the command killed
	Input    error          // why its input could not be produced: the command was killed; one that does not read it all is no error
}

// A StartError says why a command could not be started. Temporary means that
// the system is short of something.
type StartError struct {
	Command   string
	Temporary bool
	Err       error
}

func (e *StartError) Error() string { return fmt.Sprintf("execute %s: %v", e.Command, e.Err) }
func (e *StartError) Unwrap() error { return e.Err }

// Run executes a command and waits for its end. The error is a *StartError.
func Run(c Command) (Result, error) {
	args, err := c.arguments()
	if err != nil {
		return Result{}, err
	}
	p, err := c.start(args)
	if err != nil && c.Line != "" && errors.Is(err, syscall.ENOENT) && !strings.Contains(args[0], "/") {
		p, err = c.start(shell(c.Line)) // perhaps a command that is built into the shell
	}
	if err != nil {
		return Result{}, err
	}
	return p.wait(c.Limit), nil
}

// harmless are the characters that mean nothing to a shell.
const harmless = "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ \t\r\n"

// arguments decides whether a shell has to read the command line.
func (c Command) arguments() ([]string, error) {
	switch {
	case c.Line == "" && len(c.Args) > 0:
		return c.Args, nil
	case strings.TrimSpace(c.Line) == "":
		return nil, &StartError{Command: c.Line, Err: errors.New("there is no command")}
	case c.Shell != "":
		return append(strings.Fields(c.Shell), c.Line), nil
	}
	for i := range c.Line {
		if strings.IndexByte(harmless, c.Line[i]) < 0 {
			return shell(c.Line), nil
		}
	}
	return strings.Fields(c.Line), nil
}

func shell(line string) []string { return []string{"sh", "-c", line} }

// A process is a command that runs.
type process struct {
	os      *os.Process
	stdin   *os.File      // our end
	stdout  *os.File      // our end; standard error, too
	input   chan error    // result of feeding standard input
	output  keeper        // what was printed
	allRead chan struct{} // closed when all output was read
}

// start starts the program with both its pipes.
func (c Command) start(args []string) (*process, error) {
	fail := func(err error) (*process, error) {
		temporary := errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOMEM) ||
			errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
		return nil, &StartError{Command: args[0], Temporary: temporary, Err: err}
	}
	path, err := c.find(args[0])
	if err != nil {
		return fail(err)
	}
	if c.Files != nil {
		child, err := c.fork(path, args, c.Files)
		if err != nil {
			return fail(err)
		}
		p := &process{os: child, input: make(chan error, 1), allRead: make(chan struct{})}
		p.input <- nil
		close(p.allRead)
		return p, nil
	}
	stdin, feed, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	defer stdin.Close()
	printed, stdout, err := os.Pipe()
	if err != nil {
		feed.Close()
		return fail(err)
	}
	defer stdout.Close()
	child, err := c.fork(path, args, []*os.File{stdin, stdout, stdout})
	if err != nil {
		feed.Close()
		printed.Close()
		return fail(err)
	}
	p := &process{os: child, stdin: feed, stdout: printed, input: make(chan error, 1), allRead: make(chan struct{})}
	p.output.room = c.Output
	go p.feed(c.Input)
	go p.collect()
	return p, nil
}

// find looks for the program in the PATH that the command will have. With a
// chroot the name is taken as it is.
func (c Command) find(name string) (string, error) {
	if strings.Contains(name, "/") || c.Chroot != "" {
		return name, nil
	}
	path := DefaultPath
	for _, v := range c.Env {
		if value, ok := strings.CutPrefix(v, "PATH="); ok {
			path = value
		}
	}
	err := error(syscall.ENOENT)
	for dir := range strings.SplitSeq(path, ":") {
		if dir == "" {
			dir = "."
		}
		full := dir + "/" + name
		st, e := os.Stat(full)
		switch {
		case e != nil || st.IsDir():
		case st.Mode()&0o111 == 0:
			err = syscall.EACCES
		default:
			return full, nil
		}
	}
	return "", err
}

// DefaultPath is where commands are searched when nothing else is said.
const DefaultPath = "/usr/bin:/bin"

// fork starts the child from a thread that has all rights, so that the child
// can give them up for good, and with the ordinary timer slack, since daemons
// run with a larger one.
func (c Command) fork(path string, args []string, files []*os.File) (child *os.Process, err error) {
	attr := &os.ProcAttr{Dir: c.Dir, Env: c.Env, Files: files, Sys: &syscall.SysProcAttr{Setsid: true, Chroot: c.Chroot}}
	if c.Chroot != "" && c.Dir == "" {
		attr.Dir = "/"
	}
	if attr.Env == nil {
		attr.Env = []string{}
	}
	start := func() error {
		defer ordinaryThread()()
		child, err = os.StartProcess(path, args, attr)
		return err
	}
	if c.User == nil || !asuser.Possible() {
		return child, onThread(start)
	}
	attr.Sys.Credential = &syscall.Credential{Uid: uint32(c.User.UID), Gid: uint32(c.User.GID), Groups: groups(*c.User)}
	err = asuser.Do(asuser.Root, start)
	return child, err
}

func groups(u asuser.User) []uint32 {
	list := []uint32{uint32(u.GID)}
	for _, g := range u.Groups {
		if g != u.GID {
			list = append(list, uint32(g))
		}
	}
	return list
}

func onThread(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return f()
}

// ordinaryThread gives this thread, and so its next child, what programs
// expect: the kernel's usual timer slack, and death by SIGPIPE, which a child
// would not have when this program ignores it. What it returns undoes that.
func ordinaryThread() (undo func()) {
	const usual = 50_000 // ns
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	changed := err == nil && slack > usual
	if changed {
		unix.Prctl(unix.PR_SET_TIMERSLACK, usual, 0, 0, 0)
	}
	ignored := signal.Ignored(syscall.SIGPIPE)
	if ignored {
		signal.Reset(syscall.SIGPIPE)
	}
	return func() {
		if changed {
			unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0)
		}
		if ignored {
			signal.Ignore(syscall.SIGPIPE)
		}
	}
}

// feed writes standard input. A command may close it early.
func (p *process) feed(produce func(io.Writer) error) {
	var err error
	if produce != nil {
		err = produce(p.stdin)
	}
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) {
		err = nil
	}
	if err != nil {
		p.kill() // or it would take half of its input for all
	}
	p.stdin.Close()
	p.input <- err
}

func (p *process) collect() {
	io.Copy(&p.output, p.stdout)
	p.stdout.Close()
	close(p.allRead)
}

// wait waits until the command has closed its output and ended. The time limit
// holds for all of it: what a command leaves behind in the background may keep
// its output open. The process is not reaped before the limit is over, so its
// number cannot belong to another one when it is killed.
func (p *process) wait(limit time.Duration) Result {
	r := Result{TimedOut: !p.within(limit)}
	if r.TimedOut {
		p.kill()
		if p.stdin != nil {
			p.stdin.Close() // somebody may have left the group with our pipes
			p.stdout.Close()
		}
	}
	r.Input = <-p.input
	<-p.allRead
	r.Output = p.output.kept.String()
	state, err := p.os.Wait()
	if err != nil {
		r.Status = -1
		return r
	}
	if ws := state.Sys().(syscall.WaitStatus); ws.Signaled() {
		r.Signal = ws.Signal()
	} else {
		r.Status = ws.ExitStatus()
	}
	return r
}

// within reports whether the command ends before the limit.
func (p *process) within(limit time.Duration) bool {
	ended := make(chan struct{})
	go func() {
		<-p.allRead
		p.exited()
		close(ended)
	}()
	if limit <= 0 {
		<-ended
		return true
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C:
		return false
	}
}

// exited waits until the process has ended, and leaves it to be reaped.
func (p *process) exited() {
	for {
		err := unix.Waitid(unix.P_PID, p.os.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != syscall.EINTR {
			return
		}
	}
}

// kill ends the whole process group. Root may end programs that changed their
// rights, too; the group has only descendants of the command.
func (p *process) kill() {
	group := func() error { return syscall.Kill(-p.os.Pid, syscall.SIGKILL) }
	if !asuser.Possible() || asuser.Do(asuser.Root, group) != nil {
		group()
	}
}

// A keeper keeps the first bytes that are written to it.
type keeper struct {
	room int
	kept bytes.Buffer
}

func (k *keeper) Write(p []byte) (int, error) {
	if free := k.room - k.kept.Len(); free > 0 {
		k.kept.Write(p[:min(free, len(p))])
	}
	return len(p), nil
}
