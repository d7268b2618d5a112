package ipc

import (
	"os"
	"syscall"
	"time"
)

// Wake-up requests. Unknown ones are ignored by the services.
const (
	Wakeup       = "W" // scan maildrop or incoming; refresh
	ScanIncoming = "I"
	ScanDeferred = "D"
	Unthrottle   = "F" // forget which destinations are dead
	IgnoreTimes  = "A" // of the scans requested together with it
)

// Wake are the names of the services that only listen for wake-ups.
type Wake struct {
	// The name of the queue manager service.
	QueueServiceName string `param:"queue_service_name" default:"qmgr"`

	// The name of the pickup service, which takes mail out of the maildrop
	// queue.
	PickupServiceName string `param:"pickup_service_name" default:"pickup"`

	// How long a request to such a service may wait for its place when many others do.
	// A request to look at the queue has not to wait: others ask the same.
	TriggerTimeout time.Duration `param:"trigger_timeout" default:"10s" min:"1s"`
}

// Trigger is the function Trigger with the time limit of main.cf.
func (w *Wake) Trigger(path, requests string) error { return trigger(path, requests, w.TriggerTimeout) }

// crowdWait is how long a request waits for its place in a crowd when nobody says so.
var crowdWait = 10 * time.Second

// Trigger sends one-byte requests to a service, which is a socket or a FIFO.
// It does not wait for the service to act.
func Trigger(path, requests string) error { return trigger(path, requests, crowdWait) }

func trigger(path, requests string, limit time.Duration) error {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer syscall.Close(fd)
	switch err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}); err {
	case nil:
	case syscall.EAGAIN:
		if requests == Wakeup {
			// The queue of waiting clients is full: the service will wake up
			// for them anyway.
			return nil
		}
		if err := connectCrowded(fd, path, limit); err != nil {
			return &os.PathError{Op: "trigger", Path: path, Err: err}
		}
	case syscall.ECONNREFUSED, syscall.ENOTSOCK:
		return triggerFIFO(path, requests, err)
	default:
		return &os.PathError{Op: "trigger", Path: path, Err: err}
	}
	if _, err := syscall.Write(fd, []byte(requests)); err != nil {
		return &os.PathError{Op: "trigger", Path: path, Err: err}
	}
	return nil
}

// connectCrowded waits until the service has taken a client from its queue.
func connectCrowded(fd int, path string, limit time.Duration) error {
	tv := syscall.NsecToTimeval(int64(limit))
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &tv); err != nil {
		return err
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		return err
	}
	for {
		err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
		if err != syscall.EINTR {
			return err
		}
	}
}

func triggerFIFO(path, requests string, cause error) error {
	var st syscall.Stat_t
	if syscall.Lstat(path, &st) != nil || st.Mode&syscall.S_IFMT != syscall.S_IFIFO {
		return &os.PathError{Op: "trigger", Path: path, Err: cause}
	}
	fd, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "trigger", Path: path, Err: err}
	}
	defer syscall.Close(fd)
	if _, err := syscall.Write(fd, []byte(requests)); err != nil && err != syscall.EAGAIN {
		return &os.PathError{Op: "trigger", Path: path, Err: err}
	}
	return nil
}
