// Cleanup takes messages from other daemons into the incoming queue, and wakes
// up the queue manager.
//
// It makes incomplete headers whole, brings addresses into standard form,
// maps them with canonical_maps and virtual_alias_maps, adds automatic copies,
// drops duplicate recipients, limits sizes and hops, shows the message to mail
// filters (milters) and makes the changes that they want, and reports to its
// client only when the message is on disk.
//
// # STANDARDS
//
// RFC 5322 (messages), RFC 2045 (encodings), RFC 3464 (notices), RFC 6531
// (UTF-8).
//
// # SECURITY
//
// Cleanup talks to local daemons only, and reads mail from anybody: all sizes
// are limited. It needs no privileges and can run chrooted.
//
// # DIAGNOSTICS
//
// Problems are logged. What a client gets is a status and, with flag
// SMTP_REPLY, the words for its own client.
package main

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	_ "postrider/lib/base/table/all"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
	"postrider/lib/service/ipc"
	"postrider/lib/service/rewrite"
)

func main() {
	server.Main(server.Daemon{
		Name:     "cleanup",
		Params:   &conf,
		Limit:    server.NoLimit,
		PreJail:  openTables,
		PostJail: prepare,
		Serve:    server.Single(serve),
	})
}

var (
	addresses *rewrite.Client
	maps      *tables
	waker     *ipc.Waker // of the queue manager
)

// prepare limits what a message can take of the disk, and keeps unfinished
// files from staying behind.
func prepare(p *server.Process) {
	waker = ipc.NewWaker("public/" + conf.Wake.QueueServiceName)
	addresses = rewrite.New(conf.Rewrite, p.IPCTimeout, p.IPCIdle, p.IPCTTL)
	if limit := conf.MessageSizeLimit; limit > 0 {
		var r syscall.Rlimit
		syscall.Getrlimit(syscall.RLIMIT_FSIZE, &r)
		r.Cur = min(uint64(limit), r.Max)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &r); err != nil {
			msg.Fatal("limit the file size to message_size_limit: %v", err)
		}
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	go func() {
		<-c
		unfinished.remove()
		os.Exit(0)
	}()
}

// unfinished is the file that must not stay behind when the process is told to
// end.
var unfinished leftover

// A leftover has a lock that decides: a file that was removed is never reported
// as taken, and one that is about to be reported is never removed.
type leftover struct {
	sync.Mutex
	path string // "": none
}

func (l *leftover) set(path string) {
	l.Lock()
	l.path = path
	l.Unlock()
}

// remove keeps the lock: what it removed must not be reported any more.
func (l *leftover) remove() {
	l.Lock()
	if l.path != "" {
		os.Remove(l.path)
	}
}

// serve takes one message.
func serve(s *stream.Stream, c server.Client) {
	if c.FD >= 0 && !server.FlowTake() && conf.InFlowDelay > 0 {
		// The queue manager cannot keep up: slow down.
		time.Sleep(conf.InFlowDelay)
	}
	f, err := queue.Create(queue.Incoming, 0)
	if err != nil {
		msg.Fatal("%v", err)
	}
	unfinished.set(f.Path())
	defer unfinished.set("") // the reply goes out after that
	m := newMessage(f)
	defer m.milters.end()
	removeLogs(f.ID)
	attr.Write(s, cleanup.Announcement{Protocol: cleanup.Protocol, QueueID: f.ID})
	if !m.receive(s, c.FD) {
		f.Discard()
		return
	}
	attr.Write(s, m.finish())
}

// removeLogs removes what an older message with the same ID left.
func removeLogs(id string) {
	for _, name := range []queue.Name{queue.Defer, queue.Bounce, queue.Trace} {
		syscall.Unlink(queue.Path(name, id))
	}
}

// receive reads flags and records. False: the client went away, or speaks
// another language; nobody waits for an answer.
func (m *message) receive(s *stream.Stream, fd int) bool {
	var flags cleanup.Flags
	if err := attr.Read(s, &flags); err != nil {
		if !errors.Is(err, io.EOF) {
			msg.Warn("%s: cleanup request: %v", m.id, err)
		}
		return false
	}
	m.flags = flags.Flags
	for {
		t, data, err := record.Read(s, recordLimit)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				msg.Warn("%s: message from %s: %v", m.id, m.origin(), err)
			}
			return false
		}
		if t == record.Milters {
			if err := m.takeMilters(s, fd, data); err != nil {
				msg.Warn("%s: message from %s: %v", m.id, m.origin(), err)
				return false
			}
			continue
		}
		m.take(t, data)
		if t == record.End {
			return true
		}
	}
}

// recordLimit is the longest record that a client may send. Text comes in
// pieces of line_length_limit; addresses are limited by SMTP.
const recordLimit = 1 << 20
