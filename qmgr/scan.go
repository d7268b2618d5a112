package main

import (
	"errors"
	"os"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/mail/queue"
	"postrider/lib/service/ipc"
)

// A scan goes through a queue directory, one file at a time, as long as the
// active queue has room. Requests that come while it is under way make it
// start over when it is done.
type scan struct {
	name    queue.Name
	scanner *queue.Scanner // nil: not under way
	again   bool
	mode    scanMode // of the scan under way
	next    scanMode // of the one to come
}

// A scanMode says what a scan does besides what it always does.
type scanMode struct {
	all   bool // ignore time stamps
	flush bool // deliver what waits for an administrator, too
}

func (m scanMode) with(other scanMode) scanMode {
	return scanMode{m.all || other.all, m.flush || other.flush}
}

// request starts a scan, or lets the one under way start over.
func (s *scan) request() {
	if s.scanner != nil {
		s.again = true
		return
	}
	scanner, err := queue.NewScanner(s.name)
	if err != nil {
		msg.Fatal("%v", err)
	}
	s.scanner, s.mode, s.next = scanner, s.next, scanMode{}
}

// file returns the next file, or "" when there is none.
func (s *scan) file() string {
	if s.scanner == nil {
		return ""
	}
	id, err := s.scanner.Next()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		msg.Fatal("%v", err)
	}
	if id != "" {
		return id
	}
	s.scanner.Close()
	s.scanner = nil
	if s.again {
		s.again = false
		s.request()
	}
	return ""
}

// wakeup acts on the bytes of a wake-up request. All of them count at once:
// those that say how to scan before those that start a scan.
func (q *manager) wakeup(requests []byte) {
	has := func(request string) bool { return strings.IndexByte(string(requests), request[0]) >= 0 }
	mode := scanMode{all: has(ipc.IgnoreTimes), flush: has(ipc.Unthrottle)}
	if mode.flush {
		q.sched.Forgive()
	}
	for _, s := range []*scan{&q.incoming, &q.deferred} {
		s.next = s.next.with(mode)
		if s.scanner != nil {
			s.mode.flush = s.mode.flush || mode.flush
		}
	}
	if has(ipc.ScanDeferred) {
		q.deferred.request()
	}
	if has(ipc.ScanIncoming) || has(ipc.Wakeup) {
		q.incoming.request()
	}
}

// runDeferred looks into the deferred queue now and every queue_run_delay.
func (q *manager) runDeferred() {
	q.deferred.request()
	q.after(conf.QueueRunDelay, q.runDeferred)
}

// feed takes one message from the incoming queue and one from the deferred
// queue into the active queue, so that neither holds up the other. It says
// whether there may be more to do at once.
func (q *manager) feed() (more bool) {
	for _, s := range []*scan{&q.incoming, &q.deferred} {
		if len(q.messages) >= conf.MessageActiveLimit {
			return false
		}
		if id := s.file(); id != "" {
			q.activate(s.name, id, s.mode)
		}
		more = more || s.scanner != nil
	}
	return more && len(q.messages) < conf.MessageActiveLimit
}

// restore puts what was active when the last queue manager ended back into the
// incoming queue.
func restore() {
	now := time.Now()
	for id, err := range queue.Active.Scan() {
		if err != nil {
			msg.Fatal("%v", err)
		}
		if err := queue.SetTime(queue.Active, id, now); err != nil && !errors.Is(err, os.ErrNotExist) {
			msg.Fatal("%v", err)
		}
		if err := queue.Rename(id, queue.Active, queue.Incoming); err != nil && !errors.Is(err, os.ErrNotExist) {
			msg.Fatal("%v", err)
		}
	}
}
