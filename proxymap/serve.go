package main

import (
	"errors"
	"iter"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/base/table"
	"postrider/lib/service/ipc"
	"postrider/lib/service/proxymap"
)

// requestTime is how long a request may take to arrive after its first byte.
const requestTime = time.Second

// A session is one client with its place in the lists that it reads.
type session struct {
	*approved
	lists map[opening]*place
}

// A place is where a client is in a list. It uses the table on its own account:
// the list goes on when others see a newer table.
type place struct {
	table table.Table
	next  func() (key, value string, ok bool)
	stop  func()
}

func (p *place) end() {
	p.stop()
	closeTable(p.table)
}

// serve answers one client until it goes.
func serve(tables *approved, s *stream.Stream, timeout time.Duration) {
	c := &session{tables, make(map[opening]*place)}
	defer c.leave()
	s.SetTimeout(timeout)
	ipc.Announce(s, proxymap.Protocol)
	for {
		if _, err := s.Peek(1); err != nil {
			return
		}
		s.SetTimeout(requestTime)
		list, err := attr.ReadList(s, 0)
		if err != nil {
			msg.Warn("unexpected end or time limit of a request: %v", err)
			return
		}
		s.SetTimeout(timeout)
		reply := c.answer(list)
		if err := attr.Write(s, reply); err != nil {
			return
		}
	}
}

func (c *session) leave() {
	for _, p := range c.lists {
		p.end()
	}
}

// status is the reply to a request that makes no sense.
type status struct {
	Status proxymap.Status `attr:"status"`
}

// answer does what a request asks for.
func (c *session) answer(list attr.List) any {
	list, late := convert(list)
	reply, err := c.dispatch(list)
	if err != nil {
		msg.Warn("bad request %q: %v", list.Get("request"), err)
		reply = status{proxymap.Bad}
	}
	if late {
		return later(reply, list)
	}
	return reply
}

func (c *session) dispatch(list attr.List) (any, error) {
	switch list.Get("request") {
	case proxymap.OpenCommand:
		var q proxymap.OpenRequest
		if err := list.Into(&q); err != nil {
			return nil, err
		}
		return c.openTable(q), nil
	case proxymap.LookupCommand:
		var q proxymap.LookupRequest
		if err := list.Into(&q); err != nil {
			return nil, err
		}
		return c.lookup(q), nil
	case proxymap.UpdateCommand:
		var q proxymap.UpdateRequest
		if err := list.Into(&q); err != nil {
			return nil, err
		}
		return c.update(q), nil
	case proxymap.DeleteCommand:
		var q proxymap.LookupRequest
		if err := list.Into(&q); err != nil {
			return nil, err
		}
		return c.remove(q), nil
	case proxymap.SequenceCommand:
		var q proxymap.SequenceRequest
		if err := list.Into(&q); err != nil {
			return nil, err
		}
		return c.sequence(q), nil
	}
	return nil, errors.New("unknown request")
}

func (c *session) openTable(q proxymap.OpenRequest) (reply proxymap.OpenReply) {
	reply.Status = c.use(q.Table, q.Flags, func(t table.Table) proxymap.Status {
		reply.Flags = q.Flags &^ (proxymap.Fixed | proxymap.Pattern)
		if table.IsPattern(t) {
			reply.Flags |= proxymap.Pattern
		} else {
			reply.Flags |= proxymap.Fixed
		}
		return proxymap.OK
	})
	return reply
}

func (c *session) lookup(q proxymap.LookupRequest) (reply proxymap.LookupReply) {
	reply.Status = c.use(q.Table, q.Flags, func(t table.Table) proxymap.Status {
		value, found, err := t.Lookup(q.Key)
		reply.Value = value
		return result(found, err)
	})
	return reply
}

func (c *session) update(q proxymap.UpdateRequest) (reply proxymap.UpdateReply) {
	reply.Status = c.change(q.Table, q.Flags, func(t table.Updater) proxymap.Status {
		return result(true, t.Update(q.Key, q.Value))
	})
	return reply
}

func (c *session) remove(q proxymap.LookupRequest) (reply proxymap.UpdateReply) {
	reply.Status = c.change(q.Table, q.Flags, func(t table.Updater) proxymap.Status {
		return result(t.Delete(q.Key))
	})
	return reply
}

// change is use for a table that can be changed.
func (c *session) change(name string, flags proxymap.Flags, f func(table.Updater) proxymap.Status) proxymap.Status {
	if !c.writer {
		msg.Warn("refusing a change of table %q on the read-only service", name)
		return proxymap.Deny
	}
	return c.use(name, flags, func(t table.Table) proxymap.Status {
		u, ok := t.(table.Updater)
		if !ok {
			msg.Warn("table %s cannot be changed", name)
			return proxymap.Config
		}
		return f(u)
	})
}

// sequence returns the next entry of a list, or the first. A client that comes
// back on another connection in the middle has reached the end.
func (c *session) sequence(q proxymap.SequenceRequest) (reply proxymap.SequenceReply) {
	o := opening{q.Table, q.Flags.Table()}
	if q.Function == proxymap.First {
		if reply.Status = c.begin(q, o); reply.Status != proxymap.OK {
			return reply
		}
	}
	p := c.lists[o]
	if p == nil {
		reply.Status = proxymap.NoKey
		return reply
	}
	var ok bool
	reply.Key, reply.Value, ok = p.next()
	if !ok {
		reply.Status = result(false, p.table.(table.Sequencer).Err())
		delete(c.lists, o)
		p.end()
	}
	return reply
}

// begin goes to the begin of a list.
func (c *session) begin(q proxymap.SequenceRequest, o opening) proxymap.Status {
	if p := c.lists[o]; p != nil {
		delete(c.lists, o)
		p.end()
	}
	return c.use(q.Table, q.Flags, func(t table.Table) proxymap.Status {
		if _, ok := t.(table.Sequencer); !ok {
			msg.Warn("table %s cannot be listed", q.Table)
			return proxymap.Config
		}
		own, err := table.Open(q.Table, c.flags(o.flags))
		if err != nil {
			return result(false, err)
		}
		next, stop := iter.Pull2(own.(table.Sequencer).All())
		c.lists[o] = &place{own, next, stop}
		return proxymap.OK
	})
}

// result turns the outcome of a request into a status.
func result(found bool, err error) proxymap.Status {
	var e *table.Error
	switch {
	case err == nil && found:
		return proxymap.OK
	case err == nil:
		return proxymap.NoKey
	case errors.As(err, &e) && !e.Temporary:
		msg.Warn("%v", err)
		return proxymap.Config
	}
	msg.Warn("%v", err)
	return proxymap.Retry
}
