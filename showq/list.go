package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/mail/address"
	"postrider/lib/mail/dsnlog"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/record"
	"postrider/lib/service/showq"
)

// queues are listed in this order, so that a message that moves on while the
// list is made is rather listed twice than not at all.
var queues = []queue.Name{queue.Maildrop, queue.Active, queue.Incoming, queue.Deferred, queue.Hold}

// A lister sends a list of messages to one client. Its buffers serve for all
// of them: a queue may hold a hundred thousand.
type lister struct {
	out   *stream.Stream
	in    *record.Reader
	log   *dsnlog.Parser
	shown map[string]bool // recipients of the message at hand
}

func newLister(out *stream.Stream) *lister {
	return &lister{
		out:   out,
		in:    record.NewReader(nil),
		log:   dsnlog.NewParser(nil, "", true),
		shown: map[string]bool{},
	}
}

// all lists all queues and ends the list.
func (l *lister) all() {
	for _, name := range queues {
		for id, err := range name.Scan() {
			if err != nil {
				msg.Warn("%v", err)
				break
			}
			if l.file(name, id) != nil {
				return // the client is gone
			}
		}
	}
	l.out.WriteByte(0)
}

// file lists one message. Files that are not complete are left out; so are
// those that are gone meanwhile. The error is that of the client.
func (l *lister) file(name queue.Name, id string) error {
	f, err := queue.OpenRead(name, id)
	if err != nil {
		return nil
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG || !queue.Ready(st.Mode) {
		return nil
	}
	l.in.Reset(f)
	m := message{lister: l, name: name, id: id, time: st.Mtim.Sec, size: st.Size, expire: st.Mode&queue.ModeExpire != 0}
	if err := m.read(); err != nil {
		msg.Warn("%s: queue %s: %v", id, name, err)
	}
	if !m.begun {
		return nil
	}
	return l.out.WriteByte(0)
}

// A message is what is known of one while its file is read.
type message struct {
	*lister
	name   queue.Name
	id     string
	time   int64
	size   int64
	expire bool

	sizes      record.Sizes
	begun      bool // the sender was seen, and all before it sent
	recipients int64
}

// read goes through the records of a message. Recipients stand in the envelope,
// or behind the content when they came from headers; there is no need to look
// behind it when the envelope had them all.
func (m *message) read() error {
	inside := false // content without a size in front, as in maildrop
	for {
		t, data, err := m.in.Next()
		if err == io.EOF && inside {
			return nil
		}
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		switch t {
		case record.Size:
			if sizes, err := record.ParseSizes(data); err == nil {
				m.sizes, m.size = sizes, sizes.Span
			}
		case record.Time:
			m.setTime(string(data))
		case record.From:
			m.begin(string(data))
		case record.Recipient:
			m.recipients++
			m.recipient(string(data))
		case record.Done, record.Canceled:
			m.recipients++
		case record.Message:
			if inside = m.sizes.DataOffset == 0; inside {
				continue
			}
			if m.recipients >= m.sizes.Recipients {
				return nil
			}
			m.in.SeekTo(m.sizes.DataOffset + m.sizes.Span)
		case record.End:
			return nil
		}
	}
}

func (m *message) setTime(text string) {
	seconds, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	if n, err := strconv.ParseInt(seconds, 10, 64); err == nil && n >= 0 {
		m.time = n
	}
}

// begin sends what stands in front of the recipients, and those recipients
// whose delivery was tried, with the reason why it failed.
func (m *message) begin(sender string) {
	if m.begun {
		return
	}
	m.begun = true
	attr.WriteMore(m.out, showq.Message{
		QueueName: string(m.name), QueueID: m.id, Time: m.time, Size: max(m.size, 0),
		ForcedExpire: m.expire, Sender: external(sender),
	})
	clear(m.shown)
	if m.name != queue.Maildrop {
		m.deferred()
	}
}

// deferred lists the recipients in the log of delays.
func (m *message) deferred() {
	f, err := queue.OpenRead(queue.Defer, m.id)
	if err != nil {
		if !os.IsNotExist(err) {
			msg.Warn("%s: %v", m.id, err)
		}
		return
	}
	defer f.Close()
	m.log.Reset(&shortReader{fd: f.Fd()}, "defer/"+m.id)
	for e := range m.log.Entries {
		recipient := e.Recipient
		if recipient == "<>" {
			recipient = conf.EmptyAddressRecipient
		}
		m.show(recipient, e.Reason)
	}
}

func (m *message) recipient(internal string) {
	if r := external(internal); m.begun && !m.shown[r] {
		m.show(r, "")
	}
}

func (m *message) show(recipient, reason string) {
	if conf.DuplicateFilterLimit == 0 || len(m.shown) < conf.DuplicateFilterLimit {
		m.shown[recipient] = true
	}
	attr.WriteMore(m.out, showq.Recipient{Address: recipient, Reason: reason})
}

func external(internal string) string {
	if internal == "" {
		return conf.EmptyAddressRecipient
	}
	return msg.Printable(address.Quote(internal))
}

// A shortReader reads a regular file and takes a short read for its end: that
// saves a system call for each message.
type shortReader struct {
	fd   int
	done bool
}

func (r *shortReader) Read(p []byte) (int, error) {
	if r.done {
		return 0, io.EOF
	}
	n, err := stream.FD(r.fd).Read(p)
	r.done = err != nil || n < len(p)
	return n, err
}
