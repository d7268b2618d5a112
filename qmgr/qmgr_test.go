package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/mail/queue"
	"postrider/lib/service/deliver"
	"postrider/qmgr/sched"
)

// TestDelivery: S2.5. Mail from the incoming queue goes to agents, then away.
func TestDelivery(t *testing.T) {
	w := newWorld(t)
	id := w.put(queue.Incoming, mail{sender: "joe@here", to: []string{"a@x", "b@y", "c@x"},
		extra: []string{"Alog_client_name=client", "Aencoding=8bit", "Aenvelope_id=env", "Aret_flags=2", "Asasl_username=u"},
		perTo: []string{"Anotify_flags=4", "Adsn_orig_rcpt=rfc822;orig@z", "Oorig@z"}})
	w.start()
	w.wantIn(id, "")
	w.wantLog("%s: from=<joe@here>, size=15, nrcpt=3 (queue active)", id)
	w.wantLog("%s: removed", id)
	if len(w.requests) != 2 {
		t.Fatalf("%d requests, want 2", len(w.requests))
	}
	r := w.requests[0]
	if r.NextHop != "x" || len(r.to) != 2 {
		r = w.requests[1]
	}
	if r.NextHop != "x" || len(r.to) != 2 || r.Flags != 3 || r.QueueName != "active" || r.QueueID != id || r.Sender != "joe@here" ||
		r.ClientName != "client" || r.Encoding != "8bit" || r.EnvelopeID != "env" || r.Return != 2 || r.SASLUsername != "u" ||
		r.RewriteContext != "local" || r.Size != 15 {
		t.Errorf("request %+v", r)
	}
	if to := r.to[0]; to.Address != "a@x" || to.Original != "orig@z" || to.OriginalDSN != "rfc822;orig@z" || to.Notify != 4 || to.Offset == 0 {
		t.Errorf("recipient %+v", to)
	}
	if times, err := deliver.DecodeTimes(r.Time); err != nil || times.Active.IsZero() || times.Arrival.IsZero() {
		t.Errorf("times %+v, %v", times, err)
	}
	w.wantNotices()
}

// TestDeferral: S1.9. What fails waits, as long as it is old.
func TestDeferral(t *testing.T) {
	w := newWorld(t)
	w.answer = func(string, deliver.Request, []deliver.Recipient) deliver.Reply { return deliver.Reply{Status: 1} }
	young := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}})
	older := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}, created: time.Now().Add(-1000 * time.Second)})
	oldest := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}, created: time.Now().Add(-9000 * time.Second)})
	w.start()
	for id, want := range map[string]int{young: 300, older: 1000, oldest: 4000} {
		w.wantIn(id, queue.Deferred)
		st, err := queue.Stat(queue.Deferred, id)
		if err != nil {
			t.Fatal(err)
		}
		if got := int(st.Mtim.Sec - time.Now().Unix()); got < want-3 || got > want+3 {
			t.Errorf("%s waits %d s, want %d", id, got, want)
		}
	}
	n := len(w.requests)
	w.q.wakeup([]byte("D"))
	w.run()
	if len(w.requests) != n {
		t.Error("deferred mail was tried before its time")
	}
	w.answer = nil
	w.q.wakeup([]byte("FADI"))
	w.run()
	for _, id := range []string{young, older, oldest} {
		w.wantIn(id, "")
	}
}

// TestBounce: what an agent wrote into the bounce log goes to the sender.
func TestBounce(t *testing.T) {
	w := newWorld(t)
	bad := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@bad", ""}})
	w.start()
	w.wantIn(bad, "")
	w.wantNotices("bounce 1 " + bad)
	var hops []string
	for _, r := range w.requests {
		hops = append(hops, r.service+" "+r.NextHop)
	}
	text := strings.Join(hops, ", ")
	if !strings.Contains(text, "error 5.1.3 bad address syntax") || !strings.Contains(text, "error 5.1.3 null recipient address") {
		t.Errorf("requests: %s", text)
	}
}

// TestBounceFails keeps the message when the sender cannot be told.
func TestBounceFails(t *testing.T) {
	w := newWorld(t)
	w.notify = func(service string, _ attr.List) int { return -1 }
	id := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@bad"}})
	w.start()
	w.wantIn(id, queue.Deferred)
}

func TestResolverFailure(t *testing.T) {
	w := newWorld(t)
	id := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@fail"}})
	w.start()
	w.wantIn(id, queue.Deferred)
	if len(w.requests) != 1 || w.requests[0].service != "retry" || w.requests[0].NextHop != "4.3.0 address resolver failure" {
		t.Errorf("requests: %+v", w.requests)
	}
}

// TestDoubleBounce: a notice about a notice is thrown away.
func TestDoubleBounce(t *testing.T) {
	w := newWorld(t)
	id := w.put(queue.Incoming, mail{to: []string{"double-bounce@mx.example.test"}})
	w.start()
	w.wantIn(id, "")
	w.wantLog("%s: to=<double-bounce@mx.example.test>, relay=none, ", id)
	w.wantLog("dsn=2.0.0, status=sent (undeliverable postmaster notification discarded)")
	if len(w.requests) != 0 {
		t.Errorf("requests: %+v", w.requests)
	}
}

// TestExpiry: S1.9, S4.4.5. Mail that is too old goes back to the sender; the
// null sender has a life time of its own.
func TestExpiry(t *testing.T) {
	w := newWorld(t, "bounce_queue_lifetime=1d")
	w.answer = func(string, deliver.Request, []deliver.Recipient) deliver.Reply { return deliver.Reply{Status: 1} }
	day := 24 * time.Hour
	old := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}, created: time.Now().Add(-6 * day)})
	young := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}, created: time.Now().Add(-2 * day)})
	null := w.put(queue.Incoming, mail{to: []string{"a@x"}, created: time.Now().Add(-2 * day)})
	w.start()
	w.wantIn(old, "")
	w.wantIn(young, queue.Deferred)
	w.wantIn(null, "")
	w.wantLog("%s: from=<s@h>, status=expired, returned to sender", old)
	w.wantLog("%s: from=<>, status=expired, returned to sender", null)
	if text := strings.Join(w.notices, ", "); !strings.Contains(text, "defer 1 "+old) || !strings.Contains(text, "defer 1 "+null) {
		t.Errorf("notices: %s", text)
	}
}

// TestForceExpire: postsuper -e returns a message without another attempt when
// the reasons of earlier ones are known, and with a reason of its own else.
func TestForceExpire(t *testing.T) {
	w := newWorld(t)
	known := w.put(queue.Deferred, mail{sender: "s@h", to: []string{"a@x"}, mode: queue.ModeReady | queue.ModeExpire})
	w.append(queue.Defer, known, "a@x: no")
	fresh := w.put(queue.Deferred, mail{sender: "s@h", to: []string{"b@x"}, mode: queue.ModeReady | queue.ModeExpire})
	w.start()
	w.wantIn(known, "")
	w.wantIn(fresh, "")
	w.wantLog("%s: from=<s@h>, status=force-expired, returned to sender", known)
	w.wantLog("%s: from=<s@h>, status=force-expired, returned to sender", fresh)
	if len(w.requests) != 1 || w.requests[0].NextHop != "4.7.0 message is administratively expired" {
		t.Errorf("requests: %+v", w.requests)
	}
}

// TestWarning: the sender hears once that mail is late.
func TestWarning(t *testing.T) {
	w := newWorld(t, "confirm_delay_cleared=yes")
	w.answer = func(string, deliver.Request, []deliver.Recipient) deliver.Reply { return deliver.Reply{Status: 1} }
	at := fmt.Sprintf("W%15d", time.Now().Unix()-5)
	id := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}, extra: []string{at}})
	later := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}, extra: []string{fmt.Sprintf("W%15d", time.Now().Unix()+500)}})
	w.start()
	w.wantNotices("defer 2 " + id)
	w.q.wakeup([]byte("AD"))
	w.run()
	w.wantNotices("defer 2 " + id)
	w.wantIn(later, queue.Deferred)
	last := w.requests[len(w.requests)-1]
	if last.QueueID != id {
		last = w.requests[len(w.requests)-2]
	}
	if last.Flags&deliver.FlagDelayed == 0 {
		t.Errorf("flags %d: the agent does not report the end of the delay", last.Flags)
	}
}

// TestReport: a report of success is asked for once.
func TestReport(t *testing.T) {
	w := newWorld(t)
	w.answer = func(_ string, r deliver.Request, to []deliver.Recipient) deliver.Reply {
		w.append(queue.Trace, r.QueueID, "sent")
		return deliver.Reply{Status: 1}
	}
	id := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}, extra: []string{"Atrace_flags=1024"}})
	notify := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}, notify: 2})
	none := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}})
	w.start()
	if text := strings.Join(w.notices, ", "); !strings.Contains(text, "trace 5 "+id) || !strings.Contains(text, "trace 5 "+notify) ||
		strings.Contains(text, none) {
		t.Errorf("notices: %s", text)
	}
	b, _ := os.ReadFile(queue.Path(queue.Deferred, id))
	if !strings.Contains(string(b), "K\x10trace_flags=1024") {
		t.Error("trace_flags is still there")
	}
}

// TestVerp: each recipient gets a delivery and a sender address of its own.
func TestVerp(t *testing.T) {
	w := newWorld(t)
	id := w.put(queue.Incoming, mail{sender: "owner-list@h", to: []string{"a@x", "b@x"}, extra: []string{"V+="}})
	bad := w.put(queue.Incoming, mail{sender: "owner-list@h", to: []string{"a@y"}, extra: []string{"V!!"}})
	w.start()
	senders := map[string]bool{}
	for _, r := range w.requests {
		senders[r.Sender] = true
	}
	for _, want := range []string{"owner-list+a=x@h", "owner-list+b=x@h", "owner-list@h"} {
		if !senders[want] {
			t.Errorf("no delivery from %s: %v", want, senders)
		}
	}
	w.wantLog("%s: ignoring bad VERP request: \"!!\"", bad)
	w.wantIn(id, "")
}

// TestCorrupt: S1.6. Damaged files go to the corrupt queue.
func TestCorrupt(t *testing.T) {
	w := newWorld(t)
	to := []string{"a@x"}
	for name, m := range map[string]mail{
		"missing end record":           {sender: "s@h", to: to, noEnd: true},
		"size record does not match":   {sender: "s@h", to: to, span: 2},
		"missing sender record":        {to: to, noSender: true},
		"unexpected record type \"q\"": {sender: "s@h", to: to, extra: []string{"qx"}},
	} {
		id := w.put(queue.Incoming, m)
		w.start()
		w.wantIn(id, queue.Corrupt)
		w.wantLog("%s: message rejected: %s", id, name)
		w.wantLog("saving corrupt file \"%s\" from queue \"active\" to queue \"corrupt\"", id)
	}
	if len(w.requests) != 0 {
		t.Errorf("requests: %+v", w.requests)
	}
}

// TestAgentFoundCorrupt: an agent takes away the mode bits of a bad file.
func TestAgentFoundCorrupt(t *testing.T) {
	w := newWorld(t)
	w.answer = func(_ string, r deliver.Request, _ []deliver.Recipient) deliver.Reply {
		os.Chmod(queue.Path(queue.Active, r.QueueID), queue.ModeCorrupt)
		return deliver.Reply{Status: 1}
	}
	id := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}})
	w.start()
	w.wantIn(id, queue.Corrupt)
}

// TestDeadTransport: S4.5.5. A service that does not exist, that speaks
// something else, or that hangs up.
func TestDeadTransport(t *testing.T) {
	for name, serve := range map[string]func(w *world){
		"missing": func(*world) {},
		"wrong":   func(w *world) { w.serve("gone", "other_protocol", w.resolve) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.ways["x"] = "gone:"
			serve(w)
			id := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x", "b@x"}})
			w.start()
			w.wantIn(id, queue.Deferred)
			w.wantLog("warning: connect to transport private/gone: ")
			second := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"c@x"}})
			w.q.wakeup([]byte("W"))
			w.run()
			w.wantIn(second, queue.Deferred)
			for _, r := range w.requests {
				if r.service != "retry" || r.NextHop != "4.3.0 mail transport unavailable" {
					t.Errorf("request to %s, next hop %s", r.service, r.NextHop)
				}
			}
			if len(w.requests) != 2 {
				t.Errorf("%d requests, want 2", len(w.requests))
			}
		})
	}
}

// TestNoRetryAgent: even without the retry service nothing is lost.
func TestNoRetryAgent(t *testing.T) {
	w := newWorld(t)
	w.ways["x"] = "gone:"
	os.Remove("private/retry")
	id := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}})
	w.start()
	w.wantIn(id, queue.Deferred)
	w.wantNotices("defer 0 " + id)
	w.wantLog("%s: to=<a@x>, relay=none, ", id)
	w.wantLog("dsn=4.3.0, status=deferred (mail transport unavailable)")
}

// TestAgentDies: the recipients are tried again later.
func TestAgentDies(t *testing.T) {
	w := newWorld(t)
	w.answer = func(string, deliver.Request, []deliver.Recipient) deliver.Reply { return deliver.Reply{Status: -99} }
	id := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}})
	w.start()
	w.wantIn(id, queue.Deferred)
}

// TestDeadDestination: S1.10. After a windowful of failures the rest is not
// tried any more.
func TestDeadDestination(t *testing.T) {
	w := newWorld(t, "initial_destination_concurrency=2")
	w.answer = func(service string, r deliver.Request, _ []deliver.Recipient) deliver.Reply {
		reply := deliver.Reply{Status: 1}
		if service == "smtp" {
			reply.Report.Status, reply.Reason = "4.4.1", "connect to x: Connection refused"
		}
		return reply
	}
	for range 10 {
		w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}})
	}
	w.start()
	tried, rest := 0, 0
	for _, r := range w.requests {
		switch {
		case r.service == "smtp":
			tried++
		case r.NextHop == "4.4.1 delivery temporarily suspended: connect to x: Connection refused":
			rest++
		}
	}
	if tried < 2 || tried > 4 || tried+rest != 10 {
		t.Errorf("%d tried, %d not", tried, rest)
	}
}

// TestDeferTransports: S4.4.4. Mail waits until somebody says sendmail -q.
func TestDeferTransports(t *testing.T) {
	w := newWorld(t, "defer_transports=uucp, smtp")
	id := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}})
	w.start()
	w.wantIn(id, queue.Deferred)
	if len(w.requests) != 1 || w.requests[0].NextHop != "4.3.2 deferred transport" {
		t.Fatalf("requests: %+v", w.requests)
	}
	w.q.wakeup([]byte("FAD"))
	w.run()
	w.wantIn(id, "")
}

// TestFlushOne: a file with the flush mode bit is delivered though its
// transport waits and its destination is dead; the bit goes away.
func TestFlushOne(t *testing.T) {
	w := newWorld(t, "defer_transports=smtp")
	id := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}, mode: queue.ModeReady | queue.ModeFlush})
	w.answer = func(string, deliver.Request, []deliver.Recipient) deliver.Reply { return deliver.Reply{Status: 1} }
	w.start()
	if len(w.requests) != 1 || w.requests[0].service != "smtp" {
		t.Errorf("requests: %+v", w.requests)
	}
	if st, err := queue.Stat(queue.Deferred, id); err != nil || st.Mode&queue.ModeFlush != 0 {
		t.Errorf("mode %o, %v", st.Mode, err)
	}
}

// TestFilter: content filters come before the resolver, but not for probes.
func TestFilter(t *testing.T) {
	w := newWorld(t)
	w.agent("filter")
	w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}, extra: []string{"Lfilter:[127.0.0.1]:10025"}})
	w.put(queue.Incoming, mail{sender: "s@h", to: []string{"b@y"}, after: []string{"Lfilter:"}})
	w.start()
	hops := map[string]bool{}
	for _, r := range w.requests {
		hops[r.service+":"+r.NextHop] = true
	}
	if !hops["filter:[127.0.0.1]:10025"] || !hops["filter:y"] {
		t.Errorf("ways: %v", hops)
	}
}

// TestRedirect: one copy to one address instead of all recipients.
func TestRedirect(t *testing.T) {
	w := newWorld(t)
	id := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x", "b@y"}, after: []string{">c@z"}})
	w.start()
	w.wantIn(id, "")
	if len(w.requests) != 1 || w.requests[0].to[0].Address != "c@z" {
		t.Errorf("requests: %+v", w.requests)
	}
}

// TestManyRecipients: S4.5.2. Recipients are read in portions, and each is
// delivered to once.
func TestManyRecipients(t *testing.T) {
	for _, mixed := range []bool{false, true} {
		w := newWorld(t, "qmgr_message_recipient_limit=50", "default_recipient_limit=70", "default_recipient_refill_limit=20")
		var to []string
		for i := range 1000 {
			to = append(to, fmt.Sprintf("u%d@d%d", i, i%7))
		}
		most := 0
		w.answer = func(string, deliver.Request, []deliver.Recipient) deliver.Reply { return deliver.Reply{} }
		id := w.put(queue.Incoming, mail{sender: "s@h", to: to, mixed: mixed, after: []string{"Aencoding=7bit"}})
		w.q.start()
		w.until(func() bool {
			most = max(most, w.q.sched.Recipients())
			return len(w.q.messages) == 0 && w.q.incoming.scanner == nil
		})
		w.wantIn(id, "")
		seen := map[string]int{}
		for _, r := range w.requests {
			for _, to := range r.to {
				seen[to.Address]++
			}
			if r.Encoding != "7bit" {
				t.Fatalf("encoding %q: the extracted records were not read", r.Encoding)
			}
		}
		for _, a := range to {
			if seen[a] != 1 {
				t.Errorf("%s: %d deliveries", a, seen[a])
			}
		}
		if most > 150 {
			t.Errorf("%d recipients in memory", most)
		}
		if strings.Contains(w.logText(), "mismatch") {
			t.Error(w.logText())
		}
	}
}

// TestActiveLimit: S1.6, S1.8, S4.5.2. The active queue is bounded, and new
// mail and deferred mail take turns.
func TestActiveLimit(t *testing.T) {
	w := newWorld(t, "qmgr_message_active_limit=4")
	for range 10 {
		w.put(queue.Incoming, mail{sender: "new@h", to: []string{"a@x"}})
		w.put(queue.Deferred, mail{sender: "old@h", to: []string{"b@y"}})
	}
	w.inflight = make(chan struct{})
	w.q.start()
	w.until(func() bool { return len(w.q.messages) == 4 })
	for range 20 {
		w.q.after(time.Millisecond, func() {})
		w.q.step()
	}
	news := 0
	for _, m := range w.q.messages {
		if m.sender == "new@h" {
			news++
		}
	}
	if len(w.q.messages) != 4 || news != 2 {
		t.Errorf("%d messages are active, %d of them new", len(w.q.messages), news)
	}
	close(w.inflight)
	w.mu.Lock()
	w.inflight = nil
	w.mu.Unlock()
	w.run()
	if len(w.requests) != 20 {
		t.Errorf("%d deliveries", len(w.requests))
	}
}

// TestRestart: what was active when a queue manager ended starts again; a file
// that an old agent still works on is left alone for a while.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	id := w.put(queue.Active, mail{sender: "s@h", to: []string{"a@x"}})
	busy := w.put(queue.Active, mail{sender: "s@h", to: []string{"b@x"}})
	f, err := queue.Open(queue.Active, busy)
	if err != nil {
		t.Fatal(err)
	}
	f.Lock(false)
	w.start()
	w.wantIn(id, "")
	w.wantIn(busy, queue.Incoming)
	w.wantLog("%s: skipped, still being delivered", busy)
	f.Close()
	w.q.wakeup([]byte("IA"))
	w.run()
	w.wantIn(busy, "")
}

// TestNotReady: S1.6. Unfinished files are nobody's business.
func TestNotReady(t *testing.T) {
	w := newWorld(t)
	id := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}, mode: 0o600})
	w.start()
	if _, err := os.Lstat(queue.Path(queue.Incoming, id)); err != nil || len(w.requests) != 0 {
		t.Errorf("%v, %d requests", err, len(w.requests))
	}
}

// TestAdministratorRemoves: postsuper -d while the message is active.
func TestAdministratorRemoves(t *testing.T) {
	w := newWorld(t)
	w.answer = func(_ string, r deliver.Request, _ []deliver.Recipient) deliver.Reply {
		queue.Remove(queue.Active, r.QueueID)
		return deliver.Reply{Status: 1}
	}
	w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}})
	w.start()
	if len(w.q.messages) != 0 {
		t.Error("message is still there")
	}
}

// TestLargeRequest does not fit into the socket at once.
func TestLargeRequest(t *testing.T) {
	w := newWorld(t, "default_destination_recipient_limit=5000")
	var to []string
	for i := range 5000 {
		to = append(to, fmt.Sprintf("%d%s@x", i, strings.Repeat("y", 60)))
	}
	id := w.put(queue.Incoming, mail{sender: "s@h", to: to})
	w.start()
	w.wantIn(id, "")
	if len(w.requests) != 1 || len(w.requests[0].to) != 5000 {
		t.Errorf("%d requests", len(w.requests))
	}
}

// TestSilentGreeting: agents that greet together with their answer do not hold
// up other deliveries.
func TestSilentGreeting(t *testing.T) {
	w := newWorld(t)
	w.ways["x"] = "quiet:"
	w.quiet("quiet")
	w.inflight = make(chan struct{})
	for range 5 {
		w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}})
	}
	w.q.start()
	w.until(func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.requests) == 5 })
	close(w.inflight)
	w.run()
}

// TestFewAgents: an agent that keeps its connection for the next request is free
// for those that wait in the queue of its socket.
func TestFewAgents(t *testing.T) {
	w := newWorld(t)
	w.ways["x"] = "single:"
	w.single("single")
	for range 6 {
		w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x"}})
	}
	begin := time.Now()
	w.start()
	if took := time.Since(begin); len(w.requests) != 6 || took > 3*keepTime {
		t.Errorf("%d requests in %v", len(w.requests), took)
	}
}

// TestLocalDestinations: S4.4.2. With one recipient a request, recipients are
// destinations, whatever their extension and case.
func TestLocalDestinations(t *testing.T) {
	w := newWorld(t, "recipient_delimiter=+", "local_destination_concurrency_limit=1")
	w.ways["h"] = "local:h"
	w.inflight = make(chan struct{}, 100)
	for _, to := range []string{"joe@h", "Joe+lists@h", "ann@h", "joe@h"} {
		w.put(queue.Incoming, mail{sender: "s@h", to: []string{to}})
	}
	w.q.start()
	w.until(func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.requests) >= 2 && w.q.incoming.scanner == nil
	})
	for range 20 {
		w.q.after(time.Millisecond, func() {})
		w.q.step()
	}
	w.sync()
	if n := len(w.requests); n != 2 {
		t.Errorf("%d deliveries at a time, want one for joe and one for ann", n)
	}
	for range 4 {
		w.inflight <- struct{}{}
	}
	w.run()
}

// TestUTF8: agents hear when a recipient needs SMTPUTF8. RFC 6531.
func TestUTF8(t *testing.T) {
	m := &message{}
	m.sizes.SMTPUTF8 = 1 | 64
	for address, want := range map[string]int{"joe@x": 1, "jörg@x": 9} {
		if got := smtputf8(m, []sched.Recipient{{Address: address}}); got != want {
			t.Errorf("%s: flags %d, want %d", address, got, want)
		}
	}
}
