package main

import (
	"time"

	"postrider/lib/mail/dsn"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/record"
	"postrider/lib/service/deliver"
	"postrider/qmgr/sched"
)

// A message is in the active queue: what its file says, and what became of it
// so far.
type message struct {
	sched.Message
	id     string
	from   queue.Name // where it was before
	active time.Time  // when it came into the active queue

	sizes      record.Sizes
	arrival    time.Time
	created    time.Time
	sender     string // internal form
	hasSender  bool
	filter     string // content filter: transport:nexthop
	redirect   string // replaces all recipients
	verp       string // delimiters
	envelopeID string
	ret        dsn.Return
	warn       int64 // Unix time of the delay warning; 0: none
	warnAt     int64 // offset of its record
	trace      int   // flags of the delivery requests
	traceAt    int64 // offset of the trace_flags record
	attributes attributes

	next   int64 // where unread recipients begin; 0: all were read
	seen   int   // recipient records so far
	failed bool  // something must be tried again
	gone   bool  // the file is not in the active queue any more
	flush  bool  // deliver even what waits for an administrator
	wakes  bool  // try destinations even when they are dead
	expire bool  // an administrator wants it returned
}

// attributes are passed on to delivery agents.
type attributes struct {
	encoding                                    string
	clientName, clientAddress, clientPort       string
	clientProtocol, clientHelo                  string
	saslMethod, saslUsername, saslSender, ident string
	context                                     string
}

// age is the time since the message came into the mail system.
func (m *message) age(now time.Time) time.Duration { return now.Sub(m.created) }

// probe says whether the message only asks if an address works.
func (m *message) probe() bool { return m.trace&deliver.FlagProbe != 0 }

// wantsReport says whether the sender wants to hear of deliveries.
func (m *message) wantsReport() bool {
	const notifySuccess = int64(dsn.NotifySuccess) << 1
	return m.trace&(deliver.FlagUserProbe|deliver.FlagRecord|deliver.FlagDelayed) != 0 || m.sizes.Flags&notifySuccess != 0
}
