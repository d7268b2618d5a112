package main

import (
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/address"
	"postrider/lib/mail/dsn"
	"postrider/lib/mail/queue"
	"postrider/lib/service/deliver"
	"postrider/lib/service/rewrite"
	"postrider/qmgr/sched"
)

// The transports that take mail which cannot go on: one for good, one for now.
// Their next hop is the reason.
const retryTransport = "retry"

// A way is where the mail for a recipient goes.
type way struct {
	transport string
	nextHop   string
	address   string
	discard   bool // nobody wants it
}

func giveUp(reason string) way   { return way{transport: conf.ErrorServiceName, nextHop: reason} }
func tryLater(reason string) way { return way{transport: retryTransport, nextHop: reason} }

// assign finds the way of each recipient and lets the scheduler have it.
func (q *manager) assign(m *message, f *queue.File, recipients []sched.Recipient) {
	if m.redirect != "" && len(recipients) > 0 {
		recipients = recipients[:1]
		m.next = 0
	}
	unread := 0
	if m.next != 0 {
		unread = max(int(m.sizes.Recipients)-m.seen, 1)
	}
	q.sched.SetUnread(&m.Message, unread)
	for _, r := range recipients {
		if m.redirect != "" {
			r.Address = address.Unquote(q.rewrite.Rewrite(rewrite.Local, address.Quote(m.redirect)))
		}
		w := q.resolve(m, &r)
		if w.address != "" {
			r.Address = w.address
		}
		if w.discard {
			q.discard(m, f, r)
			continue
		}
		q.add(m, r, w)
	}
}

// resolve decides where the mail for a recipient goes.
func (q *manager) resolve(m *message, r *sched.Recipient) way {
	switch {
	case r.Address == "":
		return giveUp("5.1.3 null recipient address")
	case m.expire:
		return tryLater("4.7.0 message is administratively expired")
	case m.probe() && q.probes > conf.AddressVerifyPendingRequestLimit:
		return tryLater("4.3.2 Too many address verification requests")
	case m.filter != "" && m.trace&deliver.FlagTraceOnly == 0:
		return q.toFilter(m.filter, r.Address)
	}
	answer := q.whereTo(m, r.Address)
	w := way{answer.Transport, answer.NextHop, answer.Recipient, false}
	switch {
	case answer.Flags&rewrite.FlagError != 0:
		return giveUp("5.1.3 bad address syntax")
	case answer.Flags&rewrite.FlagFail != 0:
		return tryLater("4.3.0 address resolver failure")
	case answer.Flags&rewrite.ClassLocal != 0 && isDoubleBounce(answer.Recipient):
		w.discard = true
		return w
	}
	if q.waits[w.transport] && !m.flush {
		later := tryLater("4.3.2 deferred transport")
		later.address = w.address
		return later
	}
	return w
}

// isDoubleBounce says whether mail is a notice about a notice, which nobody
// could take.
func isDoubleBounce(addr string) bool {
	local, _, _ := address.Split(addr)
	return strings.EqualFold(local, conf.Address.DoubleBounceSender)
}

// toFilter is the way to a content filter. A filter without a next hop gets
// the domain of the recipient.
func (q *manager) toFilter(filter, recipient string) way {
	transport, nextHop, _ := strings.Cut(filter, ":")
	if nextHop == "" {
		nextHop = conf.DefaultFilterNexthop
	}
	if nextHop == "" {
		nextHop = address.Domain(recipient)
	}
	if nextHop == "" {
		nextHop = conf.MyHostname
	}
	w := way{transport: transport, nextHop: nextHop}
	return w
}

// A question is what the address resolver is asked.
type question struct {
	probe           bool
	sender, address string
}

type answer struct {
	rewrite.ResolveReply
	until time.Time
}

// Limits of what is remembered of the address resolver.
const (
	rememberFor  = 30 * time.Second
	rememberMost = 1000
)

// whereTo asks the address resolver, unless the answer to the same question is
// still fresh.
func (q *manager) whereTo(m *message, recipient string) rewrite.ResolveReply {
	ask := question{m.probe(), m.sender, recipient}
	if known, ok := q.answers[ask]; ok && q.now.Before(known.until) {
		return known.ResolveReply
	}
	resolve := q.rewrite.Resolve
	if ask.probe {
		resolve = q.rewrite.ResolveProbe
	}
	reply := resolve(ask.sender, ask.address)
	if reply.Flags&rewrite.FlagFail == 0 {
		if len(q.answers) >= rememberMost {
			clear(q.answers)
		}
		q.answers[ask] = answer{reply, q.now.Add(rememberFor)}
	}
	return reply
}

// add gives a recipient to the scheduler. One whose transport or destination
// is dead waits with the retry transport, and when that one is dead too, on
// disk.
func (q *manager) add(m *message, r sched.Recipient, w way) {
	t := q.sched.Transport(w.transport)
	key := destinationKey(t, w.nextHop, r.Address)
	if m.wakes {
		t.Revive()
		if d := t.Destination(key); d != nil {
			d.Revive()
		}
	}
	why := q.sched.Add(&m.Message, t, key, w.nextHop, r)
	switch {
	case why != nil:
		q.reroute(m, r, *why)
	case conf.ClogWarnTime > 0:
		q.warnClogged(t.Destination(key))
	}
}

// destinationKey tells destinations apart. When each recipient gets a delivery
// of its own, recipients are destinations. The next hop of the transports that
// do not deliver is a text.
func destinationKey(t *sched.Transport, nextHop, addr string) string {
	if t.Name == conf.ErrorServiceName || t.Name == retryTransport {
		return nextHop
	}
	nextHop = strings.ToLower(nextHop)
	if t.Limits.EntryRecipients != 1 {
		return nextHop
	}
	local, _, _ := address.Split(addr)
	if conf.Address.RecipientDelimiter != "" {
		local, _, _ = address.SplitExtension(local, conf.Address.RecipientDelimiter)
	}
	return strings.ToLower(local) + "@" + nextHop
}

// reroute finds something else for a recipient that cannot be delivered now.
func (q *manager) reroute(m *message, r sched.Recipient, why sched.Trouble) {
	t := q.sched.Transport(retryTransport)
	if t.Trouble() == nil {
		reason := why.Status + " " + why.Reason
		if q.sched.Add(&m.Message, t, reason, reason, r) == nil {
			return
		}
	}
	q.deferRecipient(m, r, why)
}

// discard finishes a recipient that nobody wants mail for.
func (q *manager) discard(m *message, f *queue.File, r sched.Recipient) {
	to := toDeliver(r)
	if q.reporter(m).Record(&to, "none", agent.Sent("2.0.0", "undeliverable postmaster notification discarded")) {
		if err := f.MarkDone(r.Offset); err != nil {
			msg.Fatal("%s: %v", m.id, err)
		}
		return
	}
	m.failed = true
}

// reporter records what the queue manager itself does with a recipient.
func (q *manager) reporter(m *message) *agent.Reporter {
	return &agent.Reporter{Params: &conf.Report, ID: m.id, Flags: m.trace, Times: m.times(), Timeout: conf.IPCTimeout}
}

func (m *message) times() deliver.Times { return deliver.Times{Arrival: m.arrival, Active: m.active} }

func toDeliver(r sched.Recipient) deliver.Recipient {
	return deliver.Recipient{Original: r.Original, Address: r.Address, Offset: r.Offset, OriginalDSN: r.DSN, Notify: dsn.Notify(r.Notify)}
}

// clogShare is the part of the active queue that one destination may fill
// before there is a warning.
const clogShare = 5

// warnClogged tells the administrator that one destination fills the active
// queue, and what to do about it.
func (q *manager) warnClogged(d *sched.Destination) {
	if d == nil {
		return
	}
	waiting, busy := d.Load()
	all := waiting + busy
	if all <= conf.MessageActiveLimit/clogShare || !d.Warn(conf.ClogWarnTime) {
		return
	}
	t := d.Transport()
	limit := t.Limits.Concurrency
	msg.Warn("mail for %s is using up %d of %d active queue entries", d.NextHop, all, len(q.messages))
	switch {
	case limit > 0 && limit <= busy+1:
		msg.Warn("you may need to increase the main.cf %s_destination_concurrency_limit from %d", t.Name, limit)
	case d.Shared():
		msg.Warn("you may need a separate master.cf transport for %s", d.NextHop)
	default:
		msg.Warn("you may need to reduce the time limits of %s for hosts that do not answer, or to increase its process limit in master.cf", t.Name)
	}
	msg.Warn("please avoid flushing the whole queue while there is lots of deferred mail; to turn off these warnings specify: qmgr_clog_warn_time = 0")
}
