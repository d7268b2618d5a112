package main

import (
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/mail/record"
	"postrider/lib/mail/verp"
	"postrider/lib/service/deliver"
	"postrider/qmgr/sched"
)

// crowded is the pause when too many clients wait for a transport.
const crowded = 100 * time.Millisecond

// A delivery is a request to a delivery agent that is under way.
type delivery struct {
	call
	entry   *sched.Entry
	since   time.Time
	pending bool // no agent has taken it yet, as far as we know
	watched bool // we hear when an agent takes it
}

// dispatch starts all deliveries that may be made now.
func (q *manager) dispatch() {
	for t := q.sched.Ready(); t != nil; t = q.sched.Ready() {
		if k := q.pool.take(t); k != nil {
			q.deliverAgain(t, k)
			continue
		}
		fd, err := connect("private/" + t.Name)
		switch err {
		case nil:
			q.deliver(t, fd)
		case unix.EAGAIN:
			t.Pause(crowded)
		default:
			q.broken(t, err)
		}
	}
	for _, t := range q.sched.Congested() {
		q.watchPending(t)
	}
}

// broken leaves a transport alone that does not work.
func (q *manager) broken(t *sched.Transport, err error) {
	if t.Trouble() != nil {
		return
	}
	msg.Warn("connect to transport private/%s: %v", t.Name, err)
	t.Fail(sched.Trouble{Status: "4.3.0", Reason: "mail transport unavailable"})
}

// deliver sends the next request of a transport. The request goes out before
// an agent has greeted: agents of all kinds read it when they are ready, and
// the queue manager wakes up once less.
func (q *manager) deliver(t *sched.Transport, fd int) {
	e := t.Next()
	if e == nil {
		unix.Close(fd) // agents expect that connections may not be used
		return
	}
	q.send(t, e, fd)
}

func (q *manager) send(t *sched.Transport, e *sched.Entry, fd int) {
	d := q.delivery(t, e)
	d.pending = true
	q.pending[t] = append(q.pending[t], d)
	d.start(fd, q.request(e.Message.Mail.(*message), e), q.agentLimit)
}

func (q *manager) delivery(t *sched.Transport, e *sched.Entry) *delivery {
	d := &delivery{entry: e, since: q.loop.now}
	d.call = call{loop: q.loop, path: "private/" + t.Name, protocol: deliver.Protocol, accepted: func() { q.taken(d) }}
	d.call.release = func(fd, uses int) {
		if d.watched {
			// Answer and end of an agent may come as one edge.
			q.loop.change(fd, readable)
		}
		q.pool.put(t, fd, uses, q.waiting(t, d))
	}
	d.call.done = func(reply attr.List, err error) { q.delivered(d, reply, err) }
	return d
}

// deliverAgain sends the next request of a transport to an agent that is done
// with another one.
func (q *manager) deliverAgain(t *sched.Transport, k *kept) {
	e := t.Next()
	if e == nil {
		q.loop.close(k.fd)
		return
	}
	t.Accepted()
	d := q.delivery(t, e)
	d.call.done = func(reply attr.List, err error) {
		// The agent may have left, as all do after some time, while the
		// request was on its way.
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) {
			if fd, err := connect("private/" + t.Name); err == nil {
				q.send(t, e, fd)
				return
			}
		}
		q.delivered(d, reply, err)
	}
	d.resume(k, q.request(e.Message.Mail.(*message), e), q.agentLimit)
}

// request makes the request for an entry.
func (q *manager) request(m *message, e *sched.Entry) []byte {
	r := deliver.Request{
		Flags:          deliver.FlagDefault | m.trace,
		QueueName:      "active",
		QueueID:        m.id,
		Offset:         m.sizes.DataOffset,
		Size:           m.sizes.Content,
		NextHop:        e.Destination.NextHop,
		Encoding:       m.attributes.encoding,
		SMTPUTF8:       smtputf8(m, e.Recipients),
		Sender:         m.sender,
		EnvelopeID:     m.envelopeID,
		Return:         m.ret,
		Time:           m.times().Encode(),
		ClientName:     m.attributes.clientName,
		ClientAddress:  m.attributes.clientAddress,
		ClientPort:     m.attributes.clientPort,
		ClientProtocol: m.attributes.clientProtocol,
		ClientHelo:     m.attributes.clientHelo,
		SASLMethod:     m.attributes.saslMethod,
		SASLUsername:   m.attributes.saslUsername,
		SASLSender:     m.attributes.saslSender,
		LogIdent:       m.attributes.ident,
		RewriteContext: m.attributes.context,
		RecipientCount: len(e.Recipients),
	}
	if r.RewriteContext == "" {
		r.RewriteContext = "local"
	}
	if m.verp != "" {
		to := e.Recipients[0].Original
		if to == "" {
			to = e.Recipients[0].Address
		}
		r.Sender = verp.Sender(m.verp, m.sender, to)
	}
	if e.Load {
		r.Flags |= deliver.FlagCacheLoad
	}
	if e.Store {
		r.Flags |= deliver.FlagCacheStore
	}
	out := attr.Encode(make([]byte, 0, 1024+256*len(e.Recipients)), r)
	for _, to := range e.Recipients {
		out = attr.Encode(out, toDeliver(to))
	}
	return out
}

// smtputf8 adds to the flags of the message whether a recipient of the request
// needs them. Source: RFC 6531.
func smtputf8(m *message, recipients []sched.Recipient) int {
	flags := int(m.sizes.SMTPUTF8) & knownUTF8
	if flags&record.UTF8Requested == 0 {
		return flags
	}
	for _, r := range recipients {
		for i := range len(r.Address) {
			if r.Address[i] >= 0x80 {
				return flags | record.UTF8Recipient
			}
		}
	}
	return flags
}

const knownUTF8 = record.UTF8Requested | record.UTF8Header | record.UTF8Sender | record.TLSOptional | record.RequireTLS

// taken notes that an agent has the request, so that another one may be sent.
func (q *manager) taken(d *delivery) {
	if !d.pending {
		return
	}
	q.drop(d)
	d.entry.Destination.Transport().Accepted()
}

func (q *manager) drop(d *delivery) {
	d.pending = false
	t := d.entry.Destination.Transport()
	list := q.pending[t]
	for i, other := range list {
		if other == d {
			list[i] = list[len(list)-1]
			list[len(list)-1] = nil
			q.pending[t] = list[:len(list)-1]
			return
		}
	}
}

// watchPending finds out which requests of a transport agents have taken
// without saying so yet. An agent of ours greets together with its answer; but
// the socket tells when it has read the request.
func (q *manager) watchPending(t *sched.Transport) {
	for _, d := range append([]*delivery(nil), q.pending[t]...) {
		if !d.watched && len(d.out) == 0 {
			d.watched = true
			q.loop.change(d.fd, readable|writable|unix.EPOLLET)
		}
		if d.wasRead() {
			q.taken(d)
		}
	}
}

// waiting returns for how long a request of the transport has been waiting for an
// agent, other than this one: 0 when none waits.
func (q *manager) waiting(t *sched.Transport, done *delivery) (longest time.Duration) {
	for _, d := range append([]*delivery(nil), q.pending[t]...) {
		switch {
		case d == done:
		case d.wasRead():
			q.taken(d)
		default:
			longest = max(longest, q.loop.now.Sub(d.since), 1)
		}
	}
	return longest
}

// wasRead says whether the peer has read all that was sent.
func (d *delivery) wasRead() bool {
	n, err := unix.IoctlGetInt(d.fd, unix.SIOCOUTQ)
	return err == nil && n == 0 && len(d.out) == 0
}

// delivered acts on the answer of an agent, or on its end.
func (q *manager) delivered(d *delivery, list attr.List, err error) {
	e := d.entry
	m, t := e.Message.Mail.(*message), e.Destination.Transport()
	var reply deliver.Reply
	if err == nil {
		err = list.Into(&reply)
	}
	switch {
	case errors.Is(err, unix.ETIMEDOUT) && d.pending:
		msg.Fatal("timeout connecting to transport: %s", t.Name)
	case errors.Is(err, unix.ETIMEDOUT):
		msg.Fatal("%s: timeout receiving delivery status from transport: %s", m.id, t.Name)
	case errors.Is(err, errAnnouncement) && d.pending && !errors.Is(err, io.ErrUnexpectedEOF):
		q.drop(d)
		q.broken(t, err)
		q.sched.Return(e)
		return
	}
	q.taken(d)
	switch {
	case err != nil:
		msg.Warn("%s: delivery agent: %v", m.id, err)
		m.failed = true
		e.Destination.Failed(sched.Trouble{Status: "4.3.0", Reason: suspended + "unknown mail transport error"})
	case reply.Reason != "":
		t.Revive()
		e.Destination.Failed(sched.Trouble{Status: string(reply.Report.Status), Reason: suspended + reply.Reason})
	default:
		t.Revive()
		e.Destination.Succeeded()
	}
	if reply.Status != 0 {
		m.failed = true
	}
	if conf.DestinationConcurrencyFeedbackDebug {
		msg.Info("queue %s: window %d", e.Destination.Key, e.Destination.Window())
	}
	q.sched.Done(e)
}

const suspended = "delivery temporarily suspended: "
