package main

import (
	"io"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/daemon/agent"
	"postrider/lib/net/starttls"
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
	need        need // of TLS, at this destination

	rptDomain, rptRecord string // of the domain that wants reports about TLS; empty: none

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
	policy(destination, target) (tlsPolicy, *agent.Outcome)
	connect(target) (stream.Conn, *agent.Outcome)
	reports(destination) (domain, record string)
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

// smtpsPort is where TLS comes before the greeting.
const smtpsPort = 465

// tryAll tries the servers of one destination.
func (d *delivery) tryAll(net network, dest destination, targets []target, final bool) {
	if n := conf.MXAddressLimit; n > 0 && len(targets) > n {
		targets = targets[:n]
	}
	if dest.port == smtpsPort && !conf.TLS.Wrappermode {
		msg.Info("SMTPS wrappermode (TCP port 465) requires setting \"%s = yes\", and \"%s = encrypt\" (or stronger)",
			paramName("smtp_tls_wrappermode"), paramName("smtp_tls_security_level"))
	}
	if !d.prepareNeed(dest) {
		return
	}
	if d.rptDomain, d.rptRecord = "", ""; wantsReports(dest) {
		d.rptDomain, d.rptRecord = net.reports(dest)
	}
	load, store := d.caching(dest)
	if load && len(targets) > 0 {
		d.reuse(net, dest, targets)
	}
	if !d.nextServer() {
		return
	}
	letGo()
	d.req.Times.Reuse = 0
	sessions := 0
	plain := false // try this server in the clear
	for i := 0; i < len(targets); i++ {
		if !d.nextServer() {
			return
		}
		t := targets[i]
		policy, ok := d.policy(net, dest, t)
		if !ok {
			continue
		}
		if plain {
			policy, plain = tlsPolicy{asked: policy.asked}, false
		}
		d.req.Times.Connected, d.req.Times.Done = time.Time{}, time.Time{}
		quiet := conf.Debug.Begin(t.host, t.address())
		conn, why := net.connect(t)
		if why != nil {
			quiet()
			d.why = why
			if t.path == "" {
				msg.Info("%s", why.Reason)
			}
			continue
		}
		s := newSession(t, conn, d.id())
		s.policy, s.loops, s.nexthop = policy, dest.loops(), dest.key()
		s.final = final && i == len(targets)-1
		d.reusable(s, dest, store, t.pref == targets[0].pref)
		if s.greet(d) && s.allowed(d) && s.login(d) {
			// Only now it counts: there may be a better server behind one
			// that will not talk with us.
			if sessions++; sessions == conf.MXSessionLimit {
				s.final, targets = final, targets[:i+1]
			}
			d.req.Times.Connected = time.Now()
			s.transfer(d)
		}
		s.leave()
		quiet()
		if s.plain {
			plain, i = true, i-1
		}
	}
}

// policy says how to do TLS with a server; false when it cannot be used.
func (d *delivery) policy(net network, dest destination, t target) (tlsPolicy, bool) {
	p, why := net.policy(dest, t)
	if why != nil && p.failure != "" && d.rptRecord != "" {
		d.sendReport(p, t, strings.ReplaceAll(p.failure, "-", "_"), reportDetail{})
	}
	p, why = d.relaxed(dest, p, why)
	d.noteUndecided(p)
	switch {
	case why != nil && t.path != "":
		msg.Warn("TLS policy lookup error for %s/%s: %s", t.host, t.path, why.Reason)
		d.why = why
		return p, false
	case why != nil:
		msg.Warn("TLS policy lookup for %s/%s: %s", dest.key(), t.host, why.Reason)
		d.why = why
		return p, false
	case t.path != "" && p.level == starttls.May:
		msg.Warn("%s: opportunistic TLS encryption is not appropriate for unix-domain destinations.", dest.key())
		return d.required(dest, tlsPolicy{})
	case conf.TLS.Wrappermode && p.level < starttls.Encrypt:
		msg.Warn("%s requires \"%s = encrypt\" (or stronger)", paramName("smtp_tls_wrappermode"), paramName("smtp_tls_security_level"))
		return p, false
	}
	return d.required(dest, p)
}

// leftOver answers for the recipients that no server was found for. What looks
// like a mistake of the administrator is tried again.
func (d *delivery) leftOver(first, last destination) {
	why := d.why
	switch {
	case why == nil:
		why = failure("4.3.0", "server unavailable or unable to receive mail")
	case why.Status.Class() == '4', why.Status == "5.7.10", why.Status == "5.7.30":
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
