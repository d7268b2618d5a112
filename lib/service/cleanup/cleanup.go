// Package cleanup is the conversation with cleanup(8), through which every
// message enters the queue.
package cleanup

import (
	"fmt"
	"strings"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/stream"
	"postrider/lib/mail/record"
	"postrider/lib/service/ipc"
)

// Protocol is what the server announces.
const Protocol = "cleanup_protocol"

// Flags of a request.
const (
	FlagBounce    = 1   // return a bad message to its sender instead of reporting it
	FlagFilter    = 2   // do header and body checks
	FlagHold      = 4   // put on hold
	FlagDiscard   = 8   // pretend success
	FlagBcc       = 16  // allow automatic copies
	FlagMap       = 32  // allow canonical and virtual mapping
	FlagMilter    = 64  // apply milters
	FlagSMTPReply = 128 // the reason is a complete SMTP reply
	FlagSMTPUTF8  = 256 // the client asked for SMTPUTF8
	FlagAutoUTF8  = 512 // find out whether SMTPUTF8 is needed

	FlagRequireTLS = 1024 // the client asked for REQUIRETLS

	MaskExtra    = FlagHold | FlagDiscard         // may follow in a flags record
	MaskInternal = FlagMap                        // for mail that the system writes itself
	MaskExternal = FlagFilter | FlagBcc | FlagMap // for mail from a network client
)

// A Status is what became of a message: 0, or bits that say what was wrong.
type Status int

// Status bits.
const (
	StatusBad    Status = 1
	StatusWrite  Status = 2
	StatusSize   Status = 4
	StatusCont   Status = 8
	StatusHops   Status = 16
	StatusRcpt   Status = 64
	StatusProxy  Status = 128
	StatusDefer  Status = 256
	StatusNoPerm Status = 512
	StatusBareLF Status = 65536
)

// details say what each bit means to an SMTP client, worst first.
var details = []struct {
	bit  Status
	code int
	dsn  string
	text string
}{
	{StatusBareLF, 521, "5.5.2", "bare <LF> received"},
	{StatusDefer, 451, "4.7.1", "service unavailable"},
	{StatusBad, 451, "4.3.0", "internal protocol error"},
	{StatusRcpt, 550, "5.1.0", "no recipients specified"},
	{StatusSize, 552, "5.3.4", "message file too big"},
	{StatusHops, 554, "5.4.0", "too many hops"},
	{StatusCont, 550, "5.7.1", "message content rejected"},
	{StatusWrite, 451, "4.3.0", "queue file write error"},
	{StatusProxy, 451, "4.3.0", "queue file write error"},
	{StatusNoPerm, 550, "5.7.1", "service denied"},
}

// Detail is the SMTP code, status code and words for the worst bit that is set.
func (s Status) Detail() (code int, dsn, text string) {
	for _, d := range details {
		if s&d.bit != 0 {
			return d.code, d.dsn, d.text
		}
	}
	return 451, "4.3.0", "internal error"
}

// Text is the words for the worst bit that is set.
func (s Status) Text() string {
	_, _, text := s.Detail()
	return text
}

// Params name the service.
type Params struct {
	// The name of the cleanup service, through which all mail goes into the
	// queue.
	CleanupServiceName string `param:"cleanup_service_name" default:"cleanup"`
}

// Path is where the service listens.
func (p Params) Path() string { return "public/" + p.CleanupServiceName }

// An Announcement is the first list of the server; the queue file exists.
type Announcement struct {
	Protocol string `attr:"protocol"`
	QueueID  string `attr:"queue_id"`
}

// Flags is the first list of the client.
type Flags struct {
	Flags int `attr:"flags"`
}

// A Reply is the last list of the server.
type Reply struct {
	Status Status `attr:"status"`
	Reason string `attr:"reason"`
}

// A Writer sends one message. Errors of writing are kept and reported by
// Finish; records go out when a buffer is full or an answer is needed.
type Writer struct {
	s     *stream.Stream
	id    string
	err   error
	flags int  // go out with the first record, not in a packet of their own
	begun bool // they did
}

// Open connects to the service at path ("public/cleanup"). The announcement is
// read when the queue ID is first asked for.
func Open(path string, flags int, timeout time.Duration) (*Writer, error) {
	s := stream.New(nil)
	return OpenOn(s, path, flags, timeout)
}

// OpenOn is Open with a stream whose buffers are used again.
func OpenOn(s *stream.Stream, path string, flags int, timeout time.Duration) (*Writer, error) {
	if err := ipc.DialCritical(s, path, timeout); err != nil {
		return nil, err
	}
	return &Writer{s: s, flags: flags}, nil
}

// ID is the queue ID of the message. It waits for the announcement.
func (w *Writer) ID() (string, error) {
	if w.id == "" && w.err == nil {
		// The announcement has mostly come by now. Then nothing is sent
		// for it, and the server wakes up once less.
		w.s.Prefetch()
		var a Announcement
		if w.err = attr.Read(w.s, &a); w.err == nil && a.Protocol != Protocol {
			w.err = fmt.Errorf("the cleanup service speaks %q", a.Protocol)
		}
		w.id = a.QueueID
	}
	return w.id, w.err
}

// begin sends the flags, once.
func (w *Writer) begin() {
	if !w.begun {
		w.begun = true
		attr.Write(w.s, Flags{w.flags})
	}
}

// Raw sends records that are made already.
func (w *Writer) Raw(records []byte) {
	if w.err == nil {
		w.begin()
		_, w.err = w.s.Write(records)
	}
}

// Record sends one record.
func (w *Writer) Record(t record.Type, data string) {
	if w.err == nil {
		w.begin()
		w.err = record.Write(w.s, t, data)
	}
}

// RecordBytes sends one record.
func (w *Writer) RecordBytes(t record.Type, data []byte) {
	if w.err == nil {
		w.begin()
		w.err = record.Write(w.s, t, data)
	}
}

// Recordf sends one record of formatted text.
func (w *Writer) Recordf(t record.Type, format string, args ...any) {
	w.Record(t, fmt.Sprintf(format, args...))
}

// Attribute sends name=value; an empty value is left out.
func (w *Writer) Attribute(name, value string) {
	if value != "" {
		w.Record(record.Attribute, name+"="+value)
	}
}

// Time sends the arrival time.
func (w *Writer) Time(t time.Time) {
	w.Recordf(record.Time, "%d %d", t.Unix(), t.Nanosecond()/1000)
}

// Line sends text lines, each as one record; longer ones are split at limit.
func (w *Writer) Line(text string, limit int) {
	for line := range strings.SplitSeq(text, "\n") {
		for limit > 0 && len(line) > limit {
			w.Record(record.Continued, line[:limit])
			line = line[limit:]
		}
		w.Record(record.Text, line)
	}
}

// Err is the first error of this conversation, or nil.
func (w *Writer) Err() error { return w.err }

// Stream is the connection, for what this type does not know.
func (w *Writer) Stream() *stream.Stream {
	w.begin()
	return w.s
}

// Finish reads the verdict and closes. After a nil error and status 0 the
// message is on disk. The end record must have been sent.
func (w *Writer) Finish() (Status, string, error) {
	defer w.s.Close()
	if _, err := w.ID(); err != nil {
		return StatusWrite, "", err
	}
	var r Reply
	if err := attr.Read(w.s, &r); err != nil {
		return StatusWrite, "", err
	}
	return r.Status, r.Reason, nil
}

// Abort closes without an end record: the server throws the message away.
func (w *Writer) Abort() { w.s.Conn().Close() }
