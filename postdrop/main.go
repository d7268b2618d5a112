// Postdrop writes a message into the maildrop queue.
//
// It reads the message, in the record form of queue files, from standard
// input, and copies it into a new file of the maildrop directory. Sendmail(1)
// runs it; people do not. When the message is on disk, postdrop wakes up
// pickup(8).
//
// # OPTIONS
//
//   - -c dir: read main.cf in this folder instead of the default one
//   - -r: accepted for the sake of older callers; records are the only form
//   - -v: log more
//
// # SECURITY
//
// Postdrop runs with the rights of group postdrop, so that no user needs the
// right to list, read or remove other people's files in the maildrop
// directory. It therefore believes nothing: the environment is emptied, the
// size of records and of the file is limited, and only those records pass that
// a user may set. Its standard output says which queue file was made, and at
// the end what became of the message.
//
// # DIAGNOSTICS
//
// The exit status is zero when the message is on disk. Trouble is logged. When
// the input ends early, or on a signal, the unfinished file is removed.
package main

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/option"
	"postrider/lib/base/stream"
	"postrider/lib/daemon/command"
	"postrider/lib/mail/queue"
	"postrider/lib/service/cleanup"
	"postrider/lib/service/ipc"
)

// protocol is what sendmail(1) expects to hear first.
const protocol = "postdrop_protocol"

func main() {
	command.CleanEnvironment()
	options, rest, err := option.Parse(os.Args[1:], "c:rv")
	if err != nil || len(rest) > 0 {
		msg.Fatal("usage: postdrop [-c config_dir] [-v]")
	}
	for _, o := range options {
		switch o.Letter {
		case 'c':
			command.Configure(o.Value)
		case 'v':
			msg.Verbose++
		}
	}
	command.Load(&conf)
	signal.Ignore(syscall.SIGPIPE, syscall.SIGXFSZ)
	uid := os.Getuid()
	mayUse(uid)
	command.Enter(&conf.Params)
	limitFileSize()
	os.Exit(int(drop(uid)))
}

// drop does the conversation: announcement, records, status.
func drop(uid int) cleanup.Status {
	io := stream.New(stream.Pair(0, 1))
	f, keep := create(uid)
	attr.Write(io, cleanup.Announcement{Protocol: protocol, QueueID: f.ID})
	status, reason := receive(io, f, uid)
	if status == 0 {
		keep()
		wakePickup()
	}
	attr.Write(io, cleanup.Reply{Status: status, Reason: reason})
	io.Flush()
	return status
}

// createAttempts is how often a disk in trouble is tried, ten seconds apart,
// before the caller is told.
const createAttempts = 6

// create makes the file. A submission that a person interrupts leaves nothing
// behind. After keep the file stays, and success may be reported; keep does not
// return when a signal was faster. Signals that the caller ignores stay ignored.
func create(uid int) (f *queue.File, keep func()) {
	c := make(chan os.Signal, 1)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
	var deciding sync.Mutex
	var unfinished *queue.File
	go func() {
		s := <-c
		deciding.Lock()
		if unfinished != nil {
			unfinished.Discard()
		}
		signal.Reset(s)
		syscall.Kill(os.Getpid(), s.(syscall.Signal))
	}()
	deciding.Lock()
	f, err := queue.Create(queue.Maildrop, createAttempts)
	if err != nil {
		msg.Fatal("uid=%d: %v", uid, err)
	}
	unfinished = f
	deciding.Unlock()
	msg.AtExit(f.Discard)
	return f, func() {
		deciding.Lock()
		unfinished = nil
		deciding.Unlock()
	}
}

// limitFileSize lets the system enforce message_size_limit: a longer write
// fails with "file too large".
func limitFileSize() {
	if conf.MessageSizeLimit <= 0 {
		return
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit) != nil {
		return
	}
	limit.Cur = min(uint64(conf.MessageSizeLimit), limit.Max)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		msg.Fatal("limit the file size: %v", err)
	}
}

func wakePickup() {
	path := "public/" + conf.Wake.PickupServiceName
	// While the mail system is down there is nobody to wake: the file waits.
	if err := ipc.Trigger(path, ipc.Wakeup); err != nil && !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, os.ErrNotExist) {
		msg.Warn("%v", err)
	}
}
