package main

import (
	"crypto/rand"
	"sync"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/service/ipc"
	"postrider/lib/service/tlsmgr"
)

// maxRequest is more than any request needs: a session of mostSession bytes in
// base64.
const maxRequest = 128 << 10

// A manager has the caches and the keys.
type manager struct {
	caches map[string]*cache

	mu   sync.Mutex
	keys *tlsmgr.Ring
}

// serve answers one client until it goes.
func (m *manager) serve(s *stream.Stream) {
	s.SetTimeout(conf.IPCTimeout)
	ipc.Announce(s, tlsmgr.Protocol)
	for {
		if _, err := s.Peek(1); err != nil {
			return
		}
		list, err := attr.ReadList(s, maxRequest)
		if err != nil {
			msg.Warn("request: %v", err)
			return
		}
		if err := attr.Write(s, m.answer(list)); err != nil {
			return
		}
	}
}

// answer does one request.
func (m *manager) answer(list attr.List) any {
	request := list.Get("request")
	switch request {
	case "seed":
		return seed(list)
	case "tktkey":
		return m.ticketKey(list)
	case "policy":
		c := m.cache(list)
		if c == nil {
			return tlsmgr.PolicyReply{Status: tlsmgr.Fail}
		}
		return tlsmgr.PolicyReply{Keeps: c.keeps, Timeout: int(c.timeout / time.Second)}
	case "lookup":
		return m.lookup(list)
	case "update", "delete":
		return m.change(request, list)
	}
	msg.Warn("unrecognized request: %q, ignored", request)
	return tlsmgr.Reply{Status: tlsmgr.Fail}
}

// cache is the one that a request is about.
func (m *manager) cache(list attr.List) *cache {
	c := m.caches[list.Get("cache_type")]
	if c == nil {
		msg.Warn("bad cache type %q in %s request", list.Get("cache_type"), list.Get("request"))
	}
	return c
}

func (m *manager) lookup(list attr.List) tlsmgr.LookupReply {
	var r tlsmgr.SessionRequest
	if err := list.Into(&r); err != nil {
		msg.Warn("bad request: %v", err)
		return tlsmgr.LookupReply{Status: tlsmgr.Fail}
	}
	c := m.cache(list)
	if c == nil || !c.keeps {
		return tlsmgr.LookupReply{Status: tlsmgr.Fail}
	}
	session := c.lookup(r.ID)
	if session == nil {
		return tlsmgr.LookupReply{Status: tlsmgr.NotFound}
	}
	return tlsmgr.LookupReply{Session: session}
}

func (m *manager) change(request string, list attr.List) tlsmgr.Reply {
	var u tlsmgr.UpdateRequest
	var d tlsmgr.SessionRequest
	var err error
	if request == "update" {
		err = list.Into(&u)
	} else {
		err = list.Into(&d)
	}
	if err != nil {
		msg.Warn("bad request: %v", err)
		return tlsmgr.Reply{Status: tlsmgr.Fail}
	}
	c := m.cache(list)
	switch {
	case c == nil || !c.keeps:
		return tlsmgr.Reply{Status: tlsmgr.Fail}
	case request == "update":
		c.update(u.ID, u.Session)
	default:
		c.delete(d.ID)
	}
	return tlsmgr.Reply{}
}

func seed(list attr.List) tlsmgr.SeedReply {
	var r tlsmgr.SeedRequest
	if err := list.Into(&r); err != nil || r.Size < 1 || r.Size > tlsmgr.MaxSeed {
		msg.Warn("bad seed request: size %d, %v", r.Size, err)
		return tlsmgr.SeedReply{Status: tlsmgr.Fail}
	}
	b := make([]byte, r.Size)
	rand.Read(b)
	return tlsmgr.SeedReply{Seed: b}
}

// ticketKey gives the key with a name, or the one for new tickets.
func (m *manager) ticketKey(list attr.List) tlsmgr.KeyReply {
	var r tlsmgr.KeyRequest
	if err := list.Into(&r); err != nil || len(r.Name) != 0 && len(r.Name) != len(tlsmgr.Key{}.Name) {
		msg.Warn("bad request for a ticket key: name of %d bytes, %v", len(r.Name), err)
		return tlsmgr.KeyReply{Status: tlsmgr.Fail}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	var key tlsmgr.Key
	var ok bool
	if len(r.Name) > 0 {
		if key, ok = m.keys.Find(r.Name, now); !ok {
			return tlsmgr.KeyReply{Status: tlsmgr.NotFound}
		}
	} else if key, ok = m.keys.Current(now); !ok {
		key = m.keys.Renew(now)
	}
	return tlsmgr.KeyReply{Key: key.Bytes()}
}
