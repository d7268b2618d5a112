// Package agent is the frame of a delivery agent. It takes requests of the
// queue manager, and records what became of each recipient: in the log, in the
// logs that bounce(8) keeps, and in the queue file. An agent itself only
// delivers, and says how it went.
package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/base/table"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/address"
	"postrider/lib/mail/dsn"
	"postrider/lib/mail/param"
	"postrider/lib/mail/queue"
	"postrider/lib/service/bounce"
	"postrider/lib/service/deliver"
	"postrider/lib/service/flush"
	"postrider/lib/service/ipc"
	"postrider/lib/service/verify"
)

// Params are the parameters of every delivery agent.
type Params struct {
	server.Params
	Report

	// Tables that replace the status code and the text of deliveries:
	// "5.1.1 text" is looked up and replaced by a line of the same form.
	// Success cannot be made failure, nor the reverse. Agents have parameters
	// of their own with this default.
	DefaultStatusFilter string `param:"default_delivery_status_filter" default:""`
}

// Report are the parameters for recording what became of a recipient. The
// queue manager and cleanup(8) use them too.
type Report struct {
	Bounce bounce.Params
	Flush  flush.Params

	bounce.Soft
	Verify   verify.Params
	Negative verify.Negative

	// The number of digits behind the decimal point of short delays in the
	// log.
	DelayResolution int `param:"delay_logging_resolution_limit" default:"2" min:"0" max:"6"`

	flush.Domains

	// How addresses look in log lines: external, with quotes where a local
	// part needs them, or internal.
	LogAddressFormat string `param:"info_log_address_format" default:"external"`
}

// An Agent is a delivery agent as a value; Main does the rest.
type Agent struct {
	Name       string
	Params     any // pointer to the program's parameters; embeds agent.Params
	Privileged bool
	PreJail    func(*server.Process)
	PostJail   func(*server.Process)
	LoadParams func(*param.Settings) error

	// StatusFilter points to the parameter that names the tables which
	// replace status codes and texts, when the agent has one.
	StatusFilter *string

	// Deliver delivers to all recipients of the request and calls Report for
	// each. What it returns is empty, or says why the whole destination is
	// in trouble, so that no more mail is sent there for a while.
	Deliver func(*Request) deliver.Report

	// Idle is called when no request has come for a moment, and when the queue
	// manager is gone, so that the agent can let go of what it keeps for the
	// next one. It returns when it wants to be called again if there still is
	// no request; 0 for never.
	Idle func(gone bool) time.Duration

	filter *table.List
}

func (p *Params) agentParams() *Params { return p }

func (a *Agent) params() *Params {
	family, ok := a.Params.(interface{ agentParams() *Params })
	if !ok {
		msg.Panic("parameters of %s do not embed agent.Params", a.Name)
	}
	return family.agentParams()
}

// Main runs the agent and never returns.
func Main(a Agent) {
	a.params() // or panic at once
	server.Main(server.Daemon{
		Name:       a.Name,
		Params:     a.Params,
		Privileged: a.Privileged,
		PreJail: func(p *server.Process) {
			if a.PreJail != nil {
				a.PreJail(p)
			}
			a.openFilter()
		},
		PostJail:   a.PostJail,
		LoadParams: a.LoadParams,
		Serve: server.Single(func(s *stream.Stream, c server.Client) {
			serve(s, c, &a)
		}),
	})
}

// A Request is a message, and the recipients that this agent shall deliver to.
type Request struct {
	deliver.Request
	Times      deliver.Times
	Recipients []*Recipient
	File       *queue.File // open for reading and marks, with a shared lock
	Service    string      // name of the agent's service in master.cf
	Features   string      // for the log: how TLS was used

	params *Params
	filter *table.List
	retry  bool
}

// A Recipient is one address of a request. An agent that expands it may make
// others like it with another address.
type Recipient struct {
	deliver.Recipient
	Answered bool // Report was called: nothing more is to be done
}

// maxRecipients is the most that one request may have.
const maxRecipients = 100_000

// An announcement to a queue manager of ours offers to keep the connection.
type announcement struct {
	Protocol string `attr:"protocol"`
	Keep     bool   `attr:"keep"`
}

// serve does the requests of one connection: one for a stock queue manager, as
// many as come for one of ours, which sends its request before it was greeted.
func serve(s *stream.Stream, c server.Client, a *Agent) {
	var idle func() time.Duration
	if a.Idle != nil {
		defer a.Idle(true)
		idle = func() time.Duration { return a.Idle(false) }
	}
	s.Prefetch()
	keep := s.Buffered() > 0 && c.FD >= 0
	if !keep {
		Serve(s, c.Service, a)
		return
	}
	// Greeting and answer go out together.
	attr.Write(s, announcement{deliver.Protocol, true})
	for serveOne(s, c.Service, a, func() bool { return closed(c.FD) }) && c.More(s, moment, idle) {
	}
}

// moment is how long a request may take to come when there are more.
const moment = 20 * time.Millisecond

// closed reports whether the other side has closed the connection.
func closed(fd int) bool {
	var b [1]byte
	n, _, err := syscall.Recvfrom(fd, b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n == 0 && err == nil
}

// Serve does one request of a client, for a service with that name in
// master.cf.
func Serve(s *stream.Stream, service string, a *Agent) {
	ipc.Announce(s, deliver.Protocol)
	serveOne(s, service, a, func() bool { return false })
}

// serveOne does one request; false means that the connection is of no more use.
//
// A request may have waited for a free agent while the queue manager went away.
// The next one then looks at the message again, and this must not be a second
// delivery. It starts after the end of the first, and passes by a message that
// is locked: so a requester who is still there after the lock was taken is the
// only one.
func serveOne(s *stream.Stream, service string, a *Agent, gone func() bool) bool {
	r, err := read(s)
	if err != nil {
		if !errors.Is(err, io.EOF) {
			msg.Warn("delivery request: %v", err)
		}
		return false
	}
	r.params, r.filter, r.Service = a.params(), a.filter, service
	if err := r.open(); err != nil {
		if gone() {
			return false
		}
		if !errors.Is(err, os.ErrNotExist) {
			msg.Fatal("open message %s: %v", r.QueueID, err)
		}
		msg.Warn("%s: the message is gone: %v", r.QueueID, err)
		attr.Write(s, deliver.Reply{Status: 1})
		return true
	}
	if gone() {
		r.File.Close()
		return false
	}
	trouble := a.Deliver(r)
	r.File.Close()
	reply := deliver.Reply{Report: trouble}
	switch {
	case r.Unfinished():
		reply.Status = 1
	case r.TraceOnly():
		reply.Report = deliver.Report{} // that a probe failed is no reason to hold mail back
	}
	attr.Write(s, reply)
	return true
}

// read takes the request from the stream. The end of the stream before it
// means that the queue manager had a connection too many.
func read(s *stream.Stream) (*Request, error) {
	r := &Request{}
	list, err := attr.ReadList(s, 0)
	if err != nil {
		return nil, err
	}
	if err := list.Into(&r.Request); err != nil {
		return nil, err
	}
	if r.Times, err = deliver.DecodeTimes(r.Time); err != nil {
		return nil, err
	}
	if !queue.ValidName(r.QueueName) || !queue.ValidID(r.QueueID) {
		return nil, fmt.Errorf("bad queue file name %q/%q", r.QueueName, r.QueueID)
	}
	if r.RecipientCount < 1 || r.RecipientCount > maxRecipients {
		return nil, fmt.Errorf("%s: bad number of recipients: %d", r.QueueID, r.RecipientCount)
	}
	for range r.RecipientCount {
		recipient := &Recipient{}
		if err := attr.Read(s, &recipient.Recipient); err != nil {
			return nil, fmt.Errorf("%s: recipient: %w", r.QueueID, err)
		}
		r.Recipients = append(r.Recipients, recipient)
	}
	r.Times.Handoff = time.Now()
	return r, nil
}

func (r *Request) open() (err error) {
	r.File, err = queue.Open(queue.Name(r.QueueName), r.QueueID)
	if err != nil {
		return err
	}
	ok, err := r.File.Lock(false)
	if err == nil && !ok {
		err = errors.New("somebody else has it locked")
	}
	if err != nil {
		r.File.Close()
	}
	return err
}

// Unfinished reports whether a recipient must be tried again.
func (r *Request) Unfinished() bool {
	for _, recipient := range r.Recipients {
		if !recipient.Answered {
			return true
		}
	}
	return r.retry
}

// Param returns the parameters of the frame.
func (r *Request) Param() *Params { return r.params }

// TraceOnly reports whether nothing may be delivered: the sender only wants to
// know what would happen.
func (r *Request) TraceOnly() bool { return r.Flags&deliver.FlagTraceOnly != 0 }

// An Outcome says what became of the mail for one recipient. Class '2' of the
// status means sent, '4' try again later, '5' return to sender.
type Outcome struct {
	Status     dsn.Status
	Reason     string // one line, for the log and for the sender
	Action     string // of RFC 3464, where it is not what the class says: "relayed", "expanded"
	DiagType   string // "smtp", "x-unix"; with DiagText
	DiagText   string // what a server or a command said
	RemoteName string // host that said so
}

// Outcomes of the three kinds.
func Sent(status dsn.Status, format string, args ...any) Outcome {
	return Outcome{Status: status, Reason: fmt.Sprintf(format, args...)}
}

// Deferred and Bounced read better than Sent where they mean the opposite.
var Deferred, Bounced = Sent, Sent

// Report records what became of a recipient and marks it in the queue file
// when nothing more is to be done. The relay is what the log names: a host, or
// the agent. It returns false when the recipient must be tried again.
func (r *Request) Report(to *Recipient, relay string, o Outcome) bool {
	done := r.Record(to, relay, o)
	if done {
		r.Done(to)
	} else {
		r.retry = true
		to.Answered = true
	}
	return done
}

// Record is Report without the mark: for the parts of a recipient that was
// expanded.
func (r *Request) Record(to *Recipient, relay string, o Outcome) bool {
	return r.Reporter().Record(&to.Recipient, relay, o)
}

// Reporter returns what records outcomes for this request.
func (r *Request) Reporter() *Reporter {
	return &Reporter{Params: &r.params.Report, ID: r.QueueID, Flags: r.Flags, Times: r.Times,
		Timeout: r.params.IPCTimeout, Filter: r.filter, Features: r.Features}
}

// Done marks a recipient as finished in the queue file. The mail is at its
// destination, on disk, or the failure is in the bounce log.
func (r *Request) Done(to *Recipient) {
	to.Answered = true
	if to.Offset <= 0 {
		return
	}
	if err := r.File.MarkDone(to.Offset); err != nil {
		msg.Fatal("%s: mark recipient %s as done: %v", r.QueueID, address.Quote(to.Address), err)
	}
}

// Corrupt sets a queue file aside that cannot be read. The queue manager moves
// it out of the way.
func (r *Request) Corrupt(err error) {
	msg.Warn("%s: corrupted queue file: %v", r.QueueID, err)
	if err := r.File.Chmod(queue.ModeCorrupt); err != nil {
		msg.Warn("%s: %v", r.QueueID, err)
	}
	r.retry = true
}
