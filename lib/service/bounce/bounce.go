// Package bounce asks bounce(8) to log what happened to a recipient, and to
// tell the sender.
package bounce

import (
	"fmt"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/mail/dsn"
	"postrider/lib/service/deliver"
	"postrider/lib/service/ipc"
)

// Protocol is what the server announces.
const Protocol = "delivery_status_protocol"

// Requests.
const (
	Append = 0
	Flush  = 1 // send the log to the sender as failures
	Warn   = 2 // send the log to the sender as delays
	Verp   = 3 // one notice for each recipient, to a variable sender
	One    = 4 // a notice for one recipient, without a log
	Trace  = 5 // send the log to the sender as a report
)

// Request flags.
const (
	FlagNone             = 0
	FlagClean            = 1 // remove the log when something goes wrong
	FlagDeleteRecipients = 2 // mark the recipients of the log as done
)

// A LogEntry is an Append request.
type LogEntry struct {
	Request int    `attr:"nrequest"`
	Flags   int    `attr:"flags"`
	QueueID string `attr:"queue_id"`
	deliver.Recipient
	deliver.Report
}

// A Notice is a Flush, Warn or Trace request.
type Notice struct {
	Request    int        `attr:"nrequest"`
	Flags      int        `attr:"flags"`
	QueueName  string     `attr:"queue_name"`
	QueueID    string     `attr:"queue_id"`
	Encoding   string     `attr:"encoding"`
	SMTPUTF8   int        `attr:"smtputf8|sendopts"`
	Sender     string     `attr:"sender"`
	EnvelopeID string     `attr:"envelope_id"`
	Return     dsn.Return `attr:"ret_flags"`
}

// A VerpNotice is a Verp request.
type VerpNotice struct {
	Notice
	Delimiters string `attr:"verp_delimiters"`
}

// A SingleNotice is a One request.
type SingleNotice struct {
	Notice
	deliver.Recipient
	deliver.Report
}

// A Reply is 0, or -1 when the request could not be done.
type Reply struct {
	Status int `attr:"status"`
}

// Soft is for a new configuration that is tried.
type Soft struct {
	// Return no mail: what would be a permanent failure is tried again, and
	// smtpd(8) gives 4xx instead of 5xx replies.
	SoftBounce bool `param:"soft_bounce" default:"no"`
}

// Params are the names of the three services.
type Params struct {
	// The name of the bounce service, which keeps a record of failed
	// delivery attempts and tells the sender.
	BounceServiceName string `param:"bounce_service_name" default:"bounce"`

	// The name of the defer service, which keeps a record of delayed
	// deliveries and tells the sender.
	DeferServiceName string `param:"defer_service_name" default:"defer"`

	// The name of the trace service, which keeps a record of deliveries
	// that the sender wants to hear of.
	TraceServiceName string `param:"trace_service_name" default:"trace"`
}

// Send makes one request (a LogEntry, Notice, VerpNotice or SingleNotice) of the
// service name ("bounce") and waits for the result.
func Send(name string, request any, timeout time.Duration) error {
	path := "private/" + name
	s, err := ipc.Dial(path, timeout)
	if err != nil {
		return err
	}
	defer s.Close()
	// The request goes out before the announcement was seen: one wait less.
	attr.Write(s, request)
	if err := ipc.Expect(s, Protocol); err != nil {
		return fmt.Errorf("service %s: %w", path, err)
	}
	var r Reply
	if err := attr.Read(s, &r); err != nil {
		return fmt.Errorf("service %s: %w", path, err)
	}
	if r.Status != 0 {
		return fmt.Errorf("service %s: request failed with status %d", path, r.Status)
	}
	return nil
}
