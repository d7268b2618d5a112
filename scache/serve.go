package main

import (
	"errors"
	"syscall"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/service/ipc"
	"postrider/lib/service/scache"
)

// maxRequest is more than any request needs.
const maxRequest = 64 << 10

// serve answers one client until it goes.
func serve(s *stream.Stream, all *store) {
	s.SetTimeout(conf.IPCTimeout)
	ipc.Announce(s, scache.Protocol)
	for {
		if _, err := s.Peek(1); err != nil {
			return
		}
		list, err := attr.ReadList(s, maxRequest)
		if err == nil {
			err = answer(s, all, list)
		}
		if err != nil {
			msg.Warn("request: %v", err)
			return
		}
	}
}

// answer does one request.
func answer(s *stream.Stream, all *store, list attr.List) error {
	switch request := list.Get("request"); request {
	case "save_endp":
		return saveEndpoint(s, all, list)
	case "save_dest":
		var r scache.SaveDestination
		if err := list.Into(&r); err != nil {
			return errors.Join(err, attr.Write(s, scache.Reply{Status: scache.Bad}), s.Flush())
		}
		all.bind(limit(r.Seconds), r.Label, r.Property, r.Endpoint)
		return attr.Write(s, scache.Reply{})
	case "find_endp", "find_dest":
		var r scache.FindRequest
		if err := list.Into(&r); err != nil {
			return errors.Join(err, attr.Write(s, scache.Reply{Status: scache.Bad}), s.Flush())
		}
		if request == "find_dest" {
			c, property := all.findDestination(r.Label)
			if c == nil {
				return attr.Write(s, scache.DestinationReply{Status: scache.Fail})
			}
			return hand(s, c, scache.DestinationReply{Property: property, Endpoint: c.property})
		}
		c := all.find(r.Label)
		if c == nil {
			return attr.Write(s, scache.EndpointReply{Status: scache.Fail})
		}
		return hand(s, c, scache.EndpointReply{Property: c.property})
	default:
		msg.Warn("unrecognized request: %q, ignored", request)
		return attr.Write(s, scache.Reply{Status: scache.Bad})
	}
}

// limit is how long something is kept.
func limit(seconds int) time.Duration {
	return max(0, min(time.Duration(seconds)*time.Second, conf.TTLLimit))
}

// saveEndpoint takes a connection.
func saveEndpoint(s *stream.Stream, all *store, list attr.List) error {
	var r scache.SaveEndpoint
	if err := list.Into(&r); err != nil {
		return errors.Join(err, attr.Write(s, scache.Reply{Status: scache.Bad}), s.Flush())
	}
	attr.Write(s, scache.Dummy{})
	if err := s.Flush(); err != nil {
		return err
	}
	fd, err := ipc.ReceiveDescriptor(s.Conn())
	if err != nil {
		return err
	}
	status := scache.OK
	if !all.save(limit(r.Seconds), r.Label, r.Property, fd) {
		syscall.Close(fd)
		status = scache.Fail
	}
	return attr.Write(s, scache.Reply{Status: status})
}

// hand gives a connection to a client. It is the client's even when the client is
// gone: nobody knows how far it came.
func hand(s *stream.Stream, c *connection, reply any) error {
	defer syscall.Close(c.fd)
	attr.Write(s, reply)
	if err := attr.Read(s, &scache.Dummy{}); err != nil {
		return err
	}
	if err := ipc.SendDescriptor(s.Conn(), c.fd); err != nil {
		return err
	}
	return attr.Read(s, &scache.Dummy{})
}
