package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/mail/address"
	"postrider/lib/mail/param"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/record"
	"postrider/lib/service/bounce"
	"postrider/lib/service/deliver"
	"postrider/lib/service/ipc"
	"postrider/lib/service/rewrite"
)

// A world is a queue manager over a real queue in a temporary directory, with
// made-up daemons at the other ends of its sockets.
type world struct {
	t *testing.T
	q *manager

	mu       sync.Mutex
	log      []string
	requests []delivered // what agents got
	notices  []string    // what bounce(8) was asked: "bounce 1 ID"
	ways     map[string]string
	answer   func(service string, r deliver.Request, to []deliver.Recipient) deliver.Reply
	notify   func(service string, list attr.List) int
	inflight chan struct{} // not nil: agents wait for it
}

var configure sync.Once // daemons of earlier tests may still look at the layout

type delivered struct {
	service string
	deliver.Request
	to []deliver.Recipient
}

func newWorld(t *testing.T, settings ...string) *world {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"incoming", "active", "deferred", "corrupt", "bounce", "defer", "trace", "private", "public"} {
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s := param.New(dir)
	s.Override("myhostname", "mx.example.test")
	s.Override("fast_flush_domains", "")
	s.Override("in_flow_delay", "0s")
	for _, text := range settings {
		if err := s.OverrideText(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Load(&conf); err != nil {
		t.Fatal(err)
	}
	configure.Do(func() { queue.Configure(conf.Site().Params) })
	w := &world{t: t, ways: map[string]string{}}
	t.Cleanup(msg.SetOutput(func(level msg.Level, text string) {
		w.mu.Lock()
		w.log = append(w.log, level.Prefix()+text)
		w.mu.Unlock()
	}))
	w.serve("rewrite", rewrite.Protocol, w.resolve)
	for _, name := range []string{"bounce", "defer", "trace"} {
		w.serve(name, bounce.Protocol, func(s *stream.Stream) { w.notice(name, s) })
	}
	w.agent("smtp")
	w.agent("local")
	w.agent("error")
	w.agent("retry")
	w.q = newManager(s)
	return w
}

// serve runs a daemon until the end of the test.
func (w *world) serve(name, protocol string, serve func(*stream.Stream)) (stop func()) {
	path := "private/" + name
	os.Remove(path)
	l, err := net.Listen("unix", path)
	if err != nil {
		w.t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				s := stream.New(stream.Net(c))
				ipc.Announce(s, protocol)
				s.Flush()
				serve(s)
				s.Close()
			}()
		}
	}()
	stop = func() { l.Close() }
	w.t.Cleanup(stop)
	return stop
}

// resolve sends mail to the transport of the domain, smtp if there is none.
func (w *world) resolve(s *stream.Stream) {
	for {
		var r rewrite.ResolveRequest
		list, err := attr.ReadList(s, 0)
		if err != nil {
			return
		}
		if list.Get("request") == "rewrite" {
			attr.Write(s, rewrite.RewriteReply{Address: list.Get("address")})
			s.Flush()
			continue
		}
		if list.Into(&r) != nil {
			return
		}
		domain := address.Domain(r.Address)
		w.mu.Lock()
		transport, hop, _ := strings.Cut(w.ways[domain], ":")
		w.mu.Unlock()
		reply := rewrite.ResolveReply{Transport: transport, NextHop: hop, Recipient: r.Address, Flags: rewrite.ClassDefault}
		if transport == "" {
			reply.Transport = "smtp"
		}
		if hop == "" {
			reply.NextHop = domain
		}
		switch domain {
		case "mx.example.test":
			reply.Flags = rewrite.ClassLocal
		case "bad":
			reply.Flags |= rewrite.FlagError
		case "fail":
			reply.Flags |= rewrite.FlagFail
		}
		attr.Write(s, reply)
		s.Flush()
	}
}

// agent runs a delivery agent. Unless the test says otherwise, it delivers;
// error bounces and retry defers.
func (w *world) agent(service string) (stop func()) {
	return w.serve(service, deliver.Protocol, func(s *stream.Stream) { w.deliver(service, s) })
}

// quiet is an agent that greets only when it answers.
func (w *world) quiet(service string) {
	l, err := net.Listen("unix", "private/"+service)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				s := stream.New(stream.Net(c))
				s.Prefetch()
				ipc.Announce(s, deliver.Protocol)
				w.deliver(service, s)
				s.Close()
			}()
		}
	}()
}

// single is an agent with one process, which offers to keep its connection.
func (w *world) single(service string) {
	l, err := net.Listen("unix", "private/"+service)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s := stream.New(stream.Net(c))
			s.Prefetch()
			attr.Write(s, struct {
				Protocol string `attr:"protocol"`
				Keep     bool   `attr:"keep"`
			}{deliver.Protocol, true})
			for w.request(service, s) {
			}
			s.Close()
		}
	}()
}

func (w *world) deliver(service string, s *stream.Stream) {
	if w.request(service, s) {
		io.Copy(io.Discard, s)
	}
}

// request does one request; false means that there is none, or no answer.
func (w *world) request(service string, s *stream.Stream) bool {
	d := delivered{service: service}
	if err := attr.Read(s, &d.Request); err != nil {
		return false
	}
	for range d.RecipientCount {
		var r deliver.Recipient
		if attr.Read(s, &r) != nil {
			return false
		}
		d.to = append(d.to, r)
	}
	w.mu.Lock()
	w.requests = append(w.requests, d)
	wait, answer := w.inflight, w.answer
	w.mu.Unlock()
	if wait != nil {
		<-wait
	}
	var reply deliver.Reply
	if answer != nil {
		reply = answer(service, d.Request, d.to)
	} else if service == "retry" {
		reply.Status = 1
	}
	if reply.Status < -1 { // die without an answer
		return false
	}
	f, err := queue.Open(queue.Active, d.QueueID)
	if err != nil {
		return false
	}
	for _, r := range d.to {
		kind := queue.Bounce
		if reply.Status == 0 {
			f.MarkDone(r.Offset)
		} else {
			kind = queue.Defer
		}
		if service == "error" || service == "retry" {
			w.append(kind, d.QueueID, r.Address+": "+d.NextHop)
		}
	}
	f.Close()
	attr.Write(s, reply)
	return s.Flush() == nil
}

func (w *world) append(kind queue.Name, id, text string) {
	queue.MakeDirectories(kind, id)
	f, err := os.OpenFile(queue.Path(kind, id), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		fmt.Fprintln(f, text)
		f.Close()
	}
}

// notice is bounce(8): it notes what it is asked, and removes the log.
func (w *world) notice(service string, s *stream.Stream) {
	list, err := attr.ReadList(s, 0)
	if err != nil {
		return
	}
	id := list.Get("queue_id")
	w.mu.Lock()
	w.notices = append(w.notices, service+" "+list.Get("nrequest")+" "+id)
	notify := w.notify
	w.mu.Unlock()
	status := 0
	if notify != nil {
		status = notify(service, list)
	}
	switch request := list.Get("nrequest"); {
	case status != 0:
	case request == "0":
		w.append(queue.Name(service), id, list.Get("recipient"))
	case request != "2":
		queue.Remove(queue.Name(service), id)
	}
	attr.Write(s, bounce.Reply{Status: status})
	s.Flush()
}

// A mail is what a queue file is made of.
type mail struct {
	sender   string
	to       []string
	extra    []string // records before the recipients: "Aname=value"
	perTo    []string // records before each recipient
	after    []string // records in the extracted section
	created  time.Time
	mode     uint32
	mixed    bool
	span     int64 // wrong size, when not 0
	noEnd    bool
	noSender bool
	notify   int64
}

// put writes a message and returns its queue ID.
func (w *world) put(in queue.Name, m mail) string {
	if m.created.IsZero() {
		m.created = time.Now()
	}
	if m.mode == 0 {
		m.mode = queue.ModeReady
	}
	one := func(b []byte, text string) []byte { return record.Append(b, record.Type(text[0]), text[1:]) }
	var head []byte
	head = record.Append(head, record.Time, fmt.Sprintf("%d %d", m.created.Unix(), m.created.Nanosecond()/1000))
	head = record.Append(head, record.Attribute, fmt.Sprintf("create_time=%d", m.created.Unix()))
	if !m.noSender {
		head = record.Append(head, record.From, m.sender)
	}
	for _, text := range m.extra {
		head = one(head, text)
	}
	for i, to := range m.to {
		for _, text := range m.perTo {
			head = one(head, text)
		}
		if m.mixed && i == len(m.to)-1 {
			head = one(head, "Aencoding=8bit")
		}
		head = record.Append(head, record.Recipient, to)
	}
	head = record.Append(head, record.Message, "")
	body := record.Append(nil, record.Text, "Subject: test")
	const sizeRecord = 97
	sizes := record.Sizes{Span: int64(len(body)) + m.span, DataOffset: int64(sizeRecord + len(head)), Recipients: int64(len(m.to)),
		Flags: m.notify << 1, Content: int64(len(body))}
	if m.mixed {
		sizes.Flags |= record.FlagMixed
	}
	all := append(record.Append(nil, record.Size, sizes.String()), head...)
	all = record.Append(append(all, body...), record.Extracted, "")
	for _, text := range m.after {
		all = one(all, text)
	}
	if !m.noEnd {
		all = record.Append(all, record.End, "")
	}
	f, err := queue.Create(queue.Incoming, 1)
	if err != nil {
		panic(err)
	}
	f.Write(all)
	if err := f.Commit(m.mode); err != nil {
		panic(err)
	}
	f.Close()
	if in != queue.Incoming {
		if err := queue.Rename(f.ID, queue.Incoming, in); err != nil {
			panic(err)
		}
	}
	return f.ID
}

// run lets the queue manager work until nothing is active.
func (w *world) run() {
	w.t.Helper()
	w.until(func() bool {
		return len(w.q.messages) == 0 && w.q.incoming.scanner == nil && w.q.deferred.scanner == nil
	})
}

func (w *world) until(ready func() bool) {
	w.t.Helper()
	w.sync()
	defer w.sync()
	limit := time.Now().Add(20 * time.Second)
	for !ready() {
		if time.Now().After(limit) {
			w.t.Fatalf("nothing happens; log:\n%s", w.logText())
		}
		w.q.after(100*time.Millisecond, func() {})
		w.q.step()
	}
}

// sync lets the race detector know of what sockets keep in order.
func (w *world) sync() {
	w.mu.Lock()
	defer w.mu.Unlock()
}

func (w *world) start() {
	w.q.start()
	w.run()
}

func (w *world) logText() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.log, "\n")
}

// wantLog checks that a line with this text was logged.
func (w *world) wantLog(format string, args ...any) {
	w.t.Helper()
	if text := fmt.Sprintf(format, args...); !strings.Contains(w.logText(), text) {
		w.t.Errorf("not logged: %s\nlog:\n%s", text, w.logText())
	}
}

// wantIn checks where a message is; "" means nowhere.
func (w *world) wantIn(id string, name queue.Name) {
	w.t.Helper()
	in, _, _ := queue.Find(id, "incoming", "active", "deferred", "corrupt")
	if in == "" {
		if _, err := os.Lstat(queue.Path(queue.Corrupt, id)); err == nil {
			in = queue.Corrupt
		}
	}
	if in != name {
		w.t.Errorf("%s is in queue %q, want %q\nlog:\n%s", id, in, name, w.logText())
	}
}

func (w *world) wantNotices(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if strings.Join(w.notices, ", ") != strings.Join(want, ", ") {
		w.t.Errorf("notices %q, want %q", w.notices, want)
	}
}
