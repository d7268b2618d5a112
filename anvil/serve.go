package main

import (
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/daemon/server"
	"postrider/lib/service/anvil"
	"postrider/lib/service/ipc"
)

// An owner lets one goroutine at a time use the counters.
type owner struct{ work chan func(*counters) }

// all are the counters of the process.
var all *owner

// begin starts the goroutine that owns the counters.
func begin(p *server.Process) {
	p.MaxIdle = conf.RateTimeUnit
	all = newOwner(newCounters(conf.RateTimeUnit), conf.StatusUpdateTime)
}

func newOwner(c *counters, report time.Duration) *owner {
	o := &owner{work: make(chan func(*counters))}
	go func() {
		sweep, status := time.NewTicker(c.unit), time.NewTicker(report)
		for {
			select {
			case f := <-o.work:
				f(c)
			case <-sweep.C:
				c.sweep()
			case <-status.C:
				c.logMaxima()
			}
		}
	}()
	return o
}

// do has the owner do something, and waits for it.
func (o *owner) do(f func(*counters)) {
	if o == nil {
		return
	}
	done := make(chan struct{})
	o.work <- func(c *counters) { f(c); close(done) }
	<-done
}

// maxRequest is more than any request needs.
const maxRequest = 8192

// serve answers one daemon. The end of its connection is the end of the client
// whose connection it has counted.
func serve(s *stream.Stream) {
	connected := ""
	defer func() {
		if connected != "" {
			all.do(func(c *counters) { c.disconnect(connected) })
		}
	}()
	ipc.AnnouncePlain(s, anvil.Protocol)
	for {
		var q anvil.Request
		list, err := attr.PlainReadList(s, maxRequest)
		if err != nil {
			return
		}
		if err := list.Find(&q); err != nil || q.Ident == "" {
			msg.Warn("request without request and ident")
			attr.PlainWrite(s, anvil.StatusReply{Status: anvil.Fail})
			return
		}
		reply := answer(q, &connected)
		if attr.PlainWrite(s, reply) != nil || reply == (anvil.StatusReply{Status: anvil.Fail}) {
			return
		}
	}
}

// rated are the requests that count an event, and TLSStatus that only looks.
var rated = map[string]event{anvil.Message: messages, anvil.Recipient: recipients, anvil.NewTLS: newTLS, anvil.Auth: logins}

// answer does one request. Connected is the client whose connection is counted
// for this daemon.
func answer(q anvil.Request, connected *string) (reply any) {
	e, isRate := rated[q.Request]
	all.do(func(c *counters) {
		switch {
		case isRate:
			reply = anvil.RateReply{Status: anvil.OK, Rate: c.happened(e, q.Ident)}
		case q.Request == anvil.Connect:
			if *connected != "" {
				c.disconnect(*connected)
			}
			*connected = q.Ident
			count, rate := c.connect(q.Ident)
			reply = anvil.ConnectReply{Status: anvil.OK, Count: count, Rate: rate}
		case q.Request == anvil.Disconnect:
			if *connected == q.Ident {
				c.disconnect(q.Ident)
				*connected = ""
			}
			reply = anvil.StatusReply{Status: anvil.OK}
		case q.Request == anvil.TLSStatus:
			reply = anvil.RateReply{Status: anvil.OK, Rate: c.at(q.Ident, false).rates[newTLS]}
		case q.Request == anvil.Lookup:
			r := c.at(q.Ident, false)
			reply = anvil.LookupReply{Status: anvil.OK, Count: r.count, Rate: r.rates[connections], Mail: r.rates[messages],
				Rcpt: r.rates[recipients], NewTLS: r.rates[newTLS], Auth: r.rates[logins]}
		default:
			msg.Warn("unrecognized command: %q, ignored", q.Request)
			reply = anvil.StatusReply{Status: anvil.Fail}
		}
	})
	return reply
}
