package main

import (
	"fmt"
	"io"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/queue"
	"postrider/lib/service/bounce"
	"postrider/lib/service/ipc"
)

// serve answers one request.
func serve(s *stream.Stream, c server.Client) {
	s.SetTimeout(conf.IPCTimeout)
	ipc.Announce(s, bounce.Protocol)
	list, err := attr.ReadList(s, 0)
	if err != nil {
		if err != io.EOF {
			msg.Warn("read request: %v", err)
		}
		return
	}
	attr.Write(s, bounce.Reply{Status: handle(queue.Name(c.Service), list)})
}

// handle does what the request says. Attributes that it does not know are
// passed over, as newer clients send some.
func handle(service queue.Name, list attr.List) int {
	var head struct {
		Request int `attr:"nrequest"`
		Flags   int `attr:"flags"`
	}
	if err := list.Find(&head); err != nil {
		return refuse("%v", err)
	}
	switch head.Request {
	case bounce.Append:
		return handleAppend(service, list)
	case bounce.Flush, bounce.Warn, bounce.Trace, bounce.Verp, bounce.One:
		return handleNotice(service, list, head.Request)
	}
	return refuse("unknown command: %d", head.Request)
}

func refuse(format string, args ...any) int {
	msg.Warn(format, args...)
	return failed
}

func handleAppend(service queue.Name, list attr.List) (status int) {
	var r bounce.LogEntry
	if err := list.Find(&r); err != nil {
		return refuse("%v", err)
	}
	if !queue.ValidID(r.QueueID) {
		return refuse("malformed queue id: %s", r.QueueID)
	}
	defer cleanUp(service, r.QueueID, r.Flags, &status)
	if err := appendEntry(service, r.QueueID, newEntry(r.Recipient, r.Report)); err != nil {
		return refuse("%s: %v", r.QueueID, err)
	}
	return 0
}

// cleanUp removes the log when the request failed and the client said so. It
// runs in a panic too.
func cleanUp(service queue.Name, id string, flags int, status *int) {
	if trouble := recover(); trouble != nil {
		if flags&bounce.FlagClean != 0 {
			removeLog(service, id)
		}
		panic(trouble)
	}
	if *status != 0 && flags&bounce.FlagClean != 0 {
		removeLog(service, id)
	}
}

func handleNotice(service queue.Name, list attr.List, request int) (status int) {
	j := job{service: service}
	if err := list.Find(&j.Notice); err != nil {
		return refuse("%v", err)
	}
	if err := j.check(); err != nil {
		return refuse("%v", err)
	}
	switch request {
	case bounce.Verp:
		var r struct {
			Delimiters string `attr:"verp_delimiters"`
		}
		if err := list.Find(&r); err != nil || len(r.Delimiters) != 2 {
			return refuse("malformed verp delimiter string: %s", r.Delimiters)
		}
		j.delimiters = r.Delimiters
	case bounce.One:
		var r bounce.SingleNotice
		if err := list.Find(&r); err != nil {
			return refuse("%v", err)
		}
		if string(service) != conf.Services.BounceServiceName {
			return refuse("wrong service name %q for one-recipient bouncing", service)
		}
		e := newEntry(r.Recipient, r.Report).Complete(false)
		j.single = &e
	}
	if request != bounce.One {
		defer cleanUp(service, j.QueueID, j.Flags, &status)
	}
	return j.run()
}

// check refuses names that are no names of queue files.
func (j *job) check() error {
	switch {
	case !queue.ValidName(j.QueueName):
		return fmt.Errorf("malformed queue name: %s", j.QueueName)
	case !queue.ValidID(j.QueueID):
		return fmt.Errorf("malformed queue id: %s", j.QueueID)
	}
	return nil
}
