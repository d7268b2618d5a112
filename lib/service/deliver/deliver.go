// Package deliver is the conversation between the queue manager and the
// delivery agents.
package deliver

import (
	"encoding/binary"
	"fmt"
	"time"

	"postrider/lib/mail/dsn"
)

// Protocol is what an agent announces.
const Protocol = "delivery_request_protocol"

// Keep is the name of an attribute, behind the protocol, with which an agent
// of ours offers a queue manager of ours to take more than one request over a
// connection.
const Keep = "keep"

// Flags of a request.
const (
	FlagSuccess    = 1    // mark successful recipients
	FlagBounce     = 2    // mark bounced recipients
	FlagProbe      = 256  // report to verify(8), deliver nothing
	FlagUserProbe  = 512  // report to the sender, deliver nothing
	FlagRecord     = 1024 // deliver, and report each recipient to the sender
	FlagCacheLoad  = 2048 // a cached connection may be used
	FlagCacheStore = 4096 // the connection should be cached
	FlagDelayed    = 8192 // report success: the sender was told of a delay

	FlagDefault   = FlagSuccess | FlagBounce
	FlagTraceOnly = FlagProbe | FlagUserProbe
)

// NoOffset stands for a recipient that the receiver of the request does not
// mark as done.
const NoOffset = -1

// A Request is a message and its way; the recipients follow.
type Request struct {
	Flags          int        `attr:"flags"`
	QueueName      string     `attr:"queue_name"`
	QueueID        string     `attr:"queue_id"`
	Offset         int64      `attr:"offset"` // of the content in the queue file
	Size           int64      `attr:"size"`   // of the content
	NextHop        string     `attr:"nexthop"`
	Encoding       string     `attr:"encoding"` // "", "7bit", "8bit"
	SMTPUTF8       int        `attr:"smtputf8|sendopts"`
	Sender         string     `attr:"sender"` // internal form
	EnvelopeID     string     `attr:"envelope_id"`
	Return         dsn.Return `attr:"ret_flags"`
	Time           []byte     `attr:"time"` // a Times
	ClientName     string     `attr:"log_client_name"`
	ClientAddress  string     `attr:"log_client_address"`
	ClientPort     string     `attr:"log_client_port"`
	ClientProtocol string     `attr:"log_protocol_name"`
	ClientHelo     string     `attr:"log_helo_name"`
	SASLMethod     string     `attr:"sasl_method"`
	SASLUsername   string     `attr:"sasl_username"`
	SASLSender     string     `attr:"sasl_sender"`
	LogIdent       string     `attr:"log_ident"`
	RewriteContext string     `attr:"rewrite_context"`
	RecipientCount int        `attr:"recipient_count"`
}

// A Recipient is one address of a request.
type Recipient struct {
	Original    string     `attr:"original_recipient"`
	Address     string     `attr:"recipient"` // internal form
	Offset      int64      `attr:"offset"`    // of its record in the queue file
	OriginalDSN string     `attr:"dsn_orig_rcpt"`
	Notify      dsn.Notify `attr:"notify_flags"`
}

// A Report says what happened, in the words of RFC 3464. It is part of
// several protocols.
type Report struct {
	Status     dsn.Status `attr:"status"`    // "4.4.1"
	DiagType   string     `attr:"diag_type"` // "smtp", with DiagText
	DiagText   string     `attr:"diag_text"` // "550 5.1.1 ..."
	RemoteType string     `attr:"mta_type"`  // "dns", with RemoteName
	RemoteName string     `attr:"mta_mname"` // "mx.example.com"
	Action     string     `attr:"action"`    // "failed"
	Reason     string     `attr:"reason"`    // one line
}

// A Reply ends a request. Status 0: each recipient has a final answer; else
// something must be tried again. The report is empty unless the whole
// destination is in trouble.
type Reply struct {
	Report
	Status int `attr:"status"`
}

// Times are the stages of a delivery, for the delays in the log.
type Times struct {
	Arrival   time.Time // of the message
	Active    time.Time // the queue manager took it
	Handoff   time.Time // the agent got it
	Connected time.Time // the agent reached the destination
	Done      time.Time
	Reuse     int // how often the connection was used before
}

// timesSize is the size of the structure that stock systems send raw: five
// pairs of 64-bit seconds and microseconds, a 32-bit count, padding.
const timesSize = 88

// Encode returns the raw structure.
func (t Times) Encode() []byte {
	b := make([]byte, 0, timesSize)
	for _, at := range []time.Time{t.Arrival, t.Active, t.Handoff, t.Connected, t.Done} {
		var sec, usec uint64
		if !at.IsZero() {
			sec, usec = uint64(at.Unix()), uint64(at.Nanosecond()/1000)
		}
		b = binary.NativeEndian.AppendUint64(b, sec)
		b = binary.NativeEndian.AppendUint64(b, usec)
	}
	b = binary.NativeEndian.AppendUint32(b, uint32(t.Reuse))
	return append(b, 0, 0, 0, 0)
}

// DecodeTimes reads the raw structure.
func DecodeTimes(b []byte) (Times, error) {
	if len(b) != timesSize {
		return Times{}, fmt.Errorf("time attribute has %d bytes instead of %d: the peer was built for another architecture", len(b), timesSize)
	}
	var at [5]time.Time
	for i := range at {
		sec := int64(binary.NativeEndian.Uint64(b[16*i:]))
		usec := int64(binary.NativeEndian.Uint64(b[16*i+8:]))
		if sec != 0 || usec != 0 {
			at[i] = time.Unix(sec, usec*1000)
		}
	}
	return Times{at[0], at[1], at[2], at[3], at[4], int(int32(binary.NativeEndian.Uint32(b[80:])))}, nil
}

// ErrorService is the service that returns mail.
type ErrorService struct {
	// The name of the service that returns undeliverable mail. Its next hop
	// is the reason.
	ErrorServiceName string `param:"error_service_name" default:"error"`
}
