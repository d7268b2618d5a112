package main

import (
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/service/ipc"
	"postrider/lib/service/verify"
)

const (
	// forever is the idle limit of a process that should stay. A longer one
	// would not fit into the arguments of the system.
	forever = 20 * 24 * time.Hour

	// maxRequest is more than any request needs.
	maxRequest = 64 << 10

	// maxText is how much of what an agent said is kept.
	maxText = 2000
)

// serve answers one client until it goes.
func serve(s *stream.Stream) {
	s.SetTimeout(conf.IPCTimeout)
	ipc.Announce(s, verify.Protocol)
	for {
		if _, err := s.Peek(1); err != nil {
			return
		}
		list, err := attr.ReadList(s, maxRequest)
		if err != nil {
			msg.Warn("request: %v", err)
			return
		}
		if err := attr.Write(s, answer(results, list)); err != nil {
			return
		}
	}
}

// answer does one request.
func answer(c *cache, list attr.List) any {
	switch list.Get("request") {
	case "query":
		return answerQuery(c, list)
	case "update":
		return answerUpdate(c, list)
	}
	msg.Warn("unrecognized request: %q, ignored", list.Get("request"))
	return verify.Reply{Status: verify.Bad}
}

func answerQuery(c *cache, list attr.List) any {
	var q verify.QueryRequest
	if err := list.Into(&q); err != nil {
		msg.Warn("bad query: %v", err)
		return verify.Reply{Status: verify.Bad}
	}
	e, err := c.query(q.Address)
	if err != nil {
		msg.Warn("%v", err)
		return verify.QueryReply{Status: verify.Fail, RecipientStatus: verify.InProgress}
	}
	return verify.QueryReply{Status: verify.OK, RecipientStatus: e.status, Reason: e.text}
}

func answerUpdate(c *cache, list attr.List) any {
	var q verify.UpdateRequest
	if err := list.Into(&q); err != nil {
		msg.Warn("bad update: %v", err)
		return verify.Reply{Status: verify.Bad}
	}
	if q.RecipientStatus < verify.Deliverable || q.RecipientStatus > verify.Undeliverable {
		msg.Warn("bad recipient status %d for recipient %s", q.RecipientStatus, q.Address)
		return verify.Reply{Status: verify.Bad}
	}
	if err := c.update(q.Address, q.RecipientStatus, q.Reason[:min(len(q.Reason), maxText)]); err != nil {
		msg.Warn("%v", err)
		return verify.Reply{Status: verify.Fail}
	}
	return verify.Reply{Status: verify.OK}
}
