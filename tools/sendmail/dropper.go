package main

import (
	"os"
	"runtime"
	"syscall"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/service/cleanup"
)

// A dropper is a running postdrop(1) and the connection with it.
type dropper struct {
	pid    int
	stream *stream.Stream
	id     string
}

func startPostdrop() *dropper {
	if err := os.Chdir(conf.QueueDirectory); err != nil {
		msg.Fatal("%v", err)
	}
	path := conf.CommandDirectory + "/postdrop"
	d, err := spawn(path)
	if err != nil {
		msg.Fatal("run %s: %v", path, err)
	}
	var a cleanup.Announcement
	if err := attr.Read(d.stream, &a); err != nil {
		d.wait()
		msg.Fatal("mail system is not available: %s: %v", path, err)
	}
	if a.Protocol != "postdrop_protocol" {
		msg.Fatal("%s speaks %q: it is of another mail system", path, a.Protocol)
	}
	d.id = a.QueueID
	return d
}

// spawn starts the program with plain pipes: package os/exec would start
// threads and a poller for them, which costs as much as the program.
func spawn(path string) (*dropper, error) {
	var to, from [2]int
	if err := syscall.Pipe2(to[:], syscall.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe", err)
	}
	if err := syscall.Pipe2(from[:], syscall.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe", err)
	}
	lazyTimers()
	pid, err := syscall.ForkExec(path, []string{"postdrop", "-r"}, &syscall.ProcAttr{
		Files: []uintptr{uintptr(to[0]), uintptr(from[1]), 2}, Env: append(os.Environ(), "GOMAXPROCS=1")})
	syscall.Close(to[0])
	syscall.Close(from[1])
	if err != nil {
		return nil, err
	}
	return &dropper{pid: pid, stream: stream.New(stream.Pair(stream.FD(from[0]), stream.FD(to[1])))}, nil
}

// lazyTimers lets the child inherit a large timer slack: its scheduler then
// does not wake up for nothing. See package slack.
func lazyTimers() {
	const (
		setTimerSlack = 29         // PR_SET_TIMERSLACK
		slack         = 20_000_000 // nanoseconds
	)
	runtime.LockOSThread()
	syscall.RawSyscall(syscall.SYS_PRCTL, setTimerSlack, slack, 0)
}

// wait waits for the end of the program.
func (d *dropper) wait() {
	var status syscall.WaitStatus
	for {
		if _, err := syscall.Wait4(d.pid, &status, 0, nil); err != syscall.EINTR {
			return
		}
	}
}
