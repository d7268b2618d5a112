package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
)

// readyVariable tells a master that was started by master -w where its parent
// waits: the number of a descriptor, the write end of a pipe.
const readyVariable = "MASTER_READY_FD"

// readyTimeout is how long master -w waits for the daemon.
const readyTimeout = 100 * time.Second

// startInBackground runs the same program once more as a daemon in a session
// of its own, and waits for it to be ready. It returns the exit status.
//
// The new process keeps standard error until it is ready, so that the person
// who starts the mail system reads why it does not.
func startInBackground(args []string) int {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		msg.Fatal("pipe: %v", err)
	}
	program, err := os.Executable()
	if err != nil {
		program = args[0]
	}
	const child = 3 // the descriptor there
	pid, err := syscall.ForkExec(program, withoutWait(args), &syscall.ProcAttr{
		Env:   append(os.Environ(), readyVariable+"="+strconv.Itoa(child)),
		Files: []uintptr{0, 1, 2, uintptr(pipe[1])},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		msg.Fatal("start %s in the background: %v", program, err)
	}
	unix.Close(pipe[1])
	msg.Debug("waiting for daemon %d", pid)
	if err := awaitReady(pipe[0], readyTimeout); err != nil {
		msg.Fatal("%v", err)
	}
	return 0
}

// awaitReady waits for one byte.
func awaitReady(fd int, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for {
		list := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(list, max(int(time.Until(deadline)/time.Millisecond), 0))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("%w while waiting for daemon initialization", err)
		}
		if n == 0 {
			return errors.New("timeout while waiting for daemon initialization")
		}
		var b [1]byte
		if n, err := unix.Read(fd, b[:]); n != 1 || err != nil {
			return errors.New("daemon initialization failure -- see logs for details")
		}
		return nil
	}
}

// withoutWait removes the letter w from all option words.
func withoutWait(args []string) []string {
	list := []string{args[0]}
	for i := 1; i < len(args); i++ {
		word := args[i]
		if len(word) < 2 || word[0] != '-' {
			list = append(list, word)
			continue
		}
		kept := "-"
		for j := 1; j < len(word); j++ {
			if word[j] == 'c' || word[j] == 'e' { // the rest is its argument
				kept += word[j:]
				if j == len(word)-1 && i+1 < len(args) {
					i++
					kept += args[i]
				}
				break
			}
			if word[j] != 'w' {
				kept += string(word[j])
			}
		}
		if kept != "-" {
			list = append(list, kept)
		}
	}
	return list
}

// tellReady lets the waiting parent go.
func tellReady() {
	fd, err := strconv.Atoi(os.Getenv(readyVariable))
	if err != nil {
		return
	}
	os.Unsetenv(readyVariable)
	unix.Write(fd, []byte{'!'})
	unix.Close(fd)
}

// hideDescriptors keeps what this process has inherited from its children.
func hideDescriptors() {
	if unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	for fd := 3; fd < 1024; fd++ { // kernel before 5.11
		unix.CloseOnExec(fd)
	}
}

// leaveTerminal makes this process the leader of a group of its own, so that a
// signal to the group reaches the mail system and nobody else.
func (m *master) leaveTerminal() error {
	if m.options.debug || m.options.init {
		return nil
	}
	if _, err := unix.Setsid(); err != nil {
		if sid, _ := unix.Getsid(0); sid != os.Getpid() {
			return fmt.Errorf("unable to set session and process group ID: %w", err)
		}
	}
	return nil
}

// closeStreams lets go of the terminal. Daemons start with what remains.
func (m *master) closeStreams() {
	if m.options.debug {
		return
	}
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		msg.Fatal("open /dev/null: %v", err)
	}
	for fd := 0; fd <= 2; fd++ {
		if fd == 1 && (m.options.init || m.options.stdout) {
			continue
		}
		if err := unix.Dup3(null, fd, 0); err != nil {
			msg.Fatal("redirect descriptor %d to /dev/null: %v", fd, err)
		}
	}
	unix.Close(null)
	m.quiet = true
	m.log()
}

// raiseFileLimit allows as many open files as the system does, here and, since
// it is set explicitly, in the children too.
func raiseFileLimit() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
}

// debug runs $debugger_command, which must come back.
func (m *master) debug() {
	if conf.DebuggerCommand == "" {
		return
	}
	msg.Info("running: %s", conf.DebuggerCommand)
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", conf.DebuggerCommand}, &syscall.ProcAttr{
		Env: m.environ, Files: []uintptr{0, 1, 2},
	})
	if err != nil {
		msg.Warn("debugger_command: %v", err)
		return
	}
	unix.Wait4(pid, nil, 0, nil)
}
