package main

import (
	"io"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/daemon/agent"
	"postrider/lib/service/deliver"
)

// A recipient of the request, and where it stands in the session at hand.
type recipient struct {
	*agent.Recipient
	state state
}

type state int

const (
	todo     state = iota // no answer yet
	kept                  // not in this session any more, but with the next server
	answered              // sent, bounced or deferred
)

// A delivery is one request on its way through the servers that may take it.
type delivery struct {
	req      *agent.Request
	content  io.ReaderAt // the queue file
	rcpts    []*recipient
	why      *agent.Outcome // the trouble that came last
	throttle *agent.Outcome // trouble of the whole destination

	tableFailed bool // while the content was sent

	record func(to *agent.Recipient, relay string, o agent.Outcome) // tests listen here
}

func newDelivery(req *agent.Request) *delivery {
	d := &delivery{req: req, content: req.File}
	for _, r := range req.Recipients {
		d.rcpts = append(d.rcpts, &recipient{Recipient: r})
	}
	d.record = func(to *agent.Recipient, relay string, o agent.Outcome) { req.Report(to, relay, o) }
	return d
}

func (d *delivery) id() string { return d.req.QueueID }

// age is how long the message is in the queue.
func (d *delivery) age() time.Duration { return time.Since(d.req.Times.Arrival) }

// open lists the recipients without an answer in this session.
func (d *delivery) open() []*recipient {
	var list []*recipient
	for _, r := range d.rcpts {
		if r.state == todo {
			list = append(list, r)
		}
	}
	return list
}

// report tells what became of a recipient.
func (d *delivery) report(s *session, r *recipient, o *agent.Outcome) {
	relay := "none"
	if s != nil {
		relay = s.relay()
	}
	r.state = answered
	d.record(r.Recipient, relay, *o)
}

// nextServer takes up again those that the last session left to others, and
// tells whether there are any.
func (d *delivery) nextServer() bool {
	left := false
	for _, r := range d.rcpts {
		if r.state == kept {
			r.state = todo
		}
		left = left || r.state == todo
	}
	return left
}

// result is what the queue manager hears.
func (d *delivery) result() deliver.Report {
	if d.throttle == nil {
		return deliver.Report{}
	}
	o := d.throttle
	report := deliver.Report{Status: o.Status, DiagType: o.DiagType, DiagText: o.DiagText, Action: "delayed", Reason: o.Reason}
	if o.RemoteName != "" {
		report.RemoteType, report.RemoteName = "dns", o.RemoteName
	}
	return report
}

// A network leads to servers. Tests have one of their own.
type network interface {
	find(destination) ([]target, *agent.Outcome)
	connect(target) (stream.Conn, *agent.Outcome)
}

// run tries one server after the other: the next hops in their order, for each
// its servers in the order of preference, until each recipient has an answer.
func (d *delivery) run(n network) {
	list, err := destinations(d.req.NextHop)
	if err != nil {
		msg.Warn("%s: %v", d.id(), err)
		d.failAll(nil, failure("4.3.5", "mail system configuration error"), true)
		return
	}
	var last destination
	for i, dest := range list {
		if !d.nextServer() {
			return
		}
		last = dest
		targets, why := n.find(dest)
		if why != nil {
			if d.why = why; why.Status == loopStatus {
				break // a fallback relay would only make it worse
			}
			continue
		}
		d.tryAll(n, dest, targets, i == len(list)-1)
	}
	if d.nextServer() {
		d.leftOver(list[0], last)
	}
}

// tryAll tries the servers of one destination.
func (d *delivery) tryAll(net network, dest destination, targets []target, final bool) {
	if n := conf.MXAddressLimit; n > 0 && len(targets) > n {
		targets = targets[:n]
	}
	sessions := 0
	for i, t := range targets {
		if !d.nextServer() {
			return
		}
		d.req.Times.Connected, d.req.Times.Done = time.Time{}, time.Time{}
		conn, why := net.connect(t)
		if why != nil {
			d.why = why
			if t.path == "" {
				msg.Info("%s", why.Reason)
			}
			continue
		}
		sessions++
		s := newSession(t, conn, d.id())
		s.loops = dest.loops()
		last := i == len(targets)-1 || sessions == conf.MXSessionLimit
		s.final = final && last
		d.converse(s)
		if last {
			return
		}
	}
}

// converse holds one conversation.
func (d *delivery) converse(s *session) {
	if s.greet(d) && s.allowed(d) {
		d.req.Times.Connected = time.Now()
		s.transfer(d)
	}
	s.quit()
}

// leftOver answers for the recipients that no server was found for. What looks
// like a mistake of the administrator is tried again.
func (d *delivery) leftOver(first, last destination) {
	why := d.why
	switch {
	case why == nil:
		why = failure("4.3.0", "server unavailable or unable to receive mail")
	case why.Status.Class() == '4':
	case last.fallback:
		msg.Warn("%s configuration problem", paramName("smtp_fallback_relay"))
		why.Status = "4.3.5"
	case first.text == conf.Relayhost:
		msg.Warn("relayhost configuration problem")
		why.Status = "4.3.5"
	case why.Status == loopStatus && conf.BestMXTransport != "":
		d.pass(conf.BestMXTransport)
		return
	}
	d.failAll(nil, why, true)
}
