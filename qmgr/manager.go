package main

import (
	"bytes"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/mastercf"
	"postrider/lib/mail/param"
	"postrider/lib/mail/record"
	"postrider/lib/service/ipc"
	"postrider/lib/service/rewrite"
	"postrider/qmgr/sched"
)

// A manager is the state of the queue manager.
type manager struct {
	*loop
	sched      *sched.Scheduler
	settings   *param.Settings
	rewrite    *rewrite.Client
	answers    map[question]answer
	messages   map[string]*message // active, by queue ID
	incoming   scan
	deferred   scan
	looksAgain bool            // into the incoming queue, for files that were locked
	waits      map[string]bool // transports that wait for an administrator
	pending    map[*sched.Transport][]*delivery
	pool       *pool // connections to agents
	probes     int   // address verification requests in the active queue
	agentLimit time.Duration
	flow       flow
	tokens     int // messages taken from the incoming queue in this turn
	reader     *record.Reader
	recipients []sched.Recipient // room for one reading
	steps      atomic.Int64      // turns of the loop, for the watchdog
}

func newManager(settings *param.Settings) *manager {
	q := &manager{
		loop:       newLoop(),
		settings:   settings,
		rewrite:    rewrite.New(conf.Rewrite, conf.IPCTimeout, conf.IPCIdle, conf.IPCTTL),
		answers:    map[question]answer{},
		messages:   map[string]*message{},
		incoming:   scan{name: "incoming"},
		deferred:   scan{name: "deferred"},
		waits:      map[string]bool{},
		pending:    map[*sched.Transport][]*delivery{},
		agentLimit: conf.Params.DaemonTimeout,
		reader:     record.NewReader(nil),
	}
	for name := range strings.FieldsFuncSeq(conf.DeferTransports, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
		q.waits[name] = true
	}
	q.pool = newPool(q.loop)
	q.sched = sched.New(sched.Options{
		Now:               func() time.Time { return q.now },
		Transport:         func(name string) sched.Limits { return limits(settings, name) },
		Recipients:        conf.MessageRecipientLimit,
		MessageRecipients: conf.MessageRecipientMinimum,
		DestinationRetry:  conf.MinimalBackoffTime,
		TransportRetry:    conf.TransportRetryTime,
		DeadLimit:         conf.MessageRecipientLimit,
		Refill:            func(m *sched.Message, n int) { q.more(m.Mail.(*message), n) },
		Done:              func(m *sched.Message) { q.done(m.Mail.(*message)) },
		Reject: func(m *sched.Message, rcpts []sched.Recipient, why sched.Trouble) {
			for _, r := range rcpts {
				q.reroute(m.Mail.(*message), r, why)
			}
		},
	})
	return q
}

// start takes up what the last queue manager left, and looks into the queues.
func (q *manager) start() {
	restore()
	q.incoming.request()
	q.runDeferred()
}

// step does what there is to do, and waits for the next event.
func (q *manager) step() {
	q.steps.Add(1)
	more := q.feed()
	q.dispatch()
	q.flow.credit(q.tokens, q.incoming.scanner == nil)
	q.tokens = 0
	until := q.sched.Wake()
	if more {
		until = q.now
	}
	q.turn(until)
	q.sched.Run()
}

// ask makes one request to another daemon.
func (q *manager) ask(path, protocol string, request any, done func(attr.List, error)) {
	fd, err := connect(path)
	switch {
	case err == unix.EAGAIN:
		q.after(crowded, func() { q.ask(path, protocol, request, done) })
	case err != nil:
		// Not at once: the caller is in the middle of something.
		q.after(0, func() { done(nil, err) })
	default:
		c := &call{loop: q.loop, path: path, protocol: protocol, done: done}
		c.start(fd, attr.Encode(nil, request), askLimit)
	}
}

// askLimit is how long a daemon may take to tell a sender something.
const askLimit = 1000 * time.Second

// check looks at all parameters before privileges are gone: those of each
// transport, and those that must fit to each other.
func check(p *server.Process) {
	file, err := mastercf.ReadFile(filepath.Join(p.ConfigDirectory, "master.cf"))
	if err != nil { // master goes on with what it has, so mail does too
		msg.Warn("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if file == nil {
		file = &mastercf.File{}
	}
	for _, e := range file.Entries {
		if e.Type == "unix" {
			limits(p.Settings, e.Name)
		}
	}
	if conf.MessageRecipientLimit < conf.MessageActiveLimit {
		msg.Warn("qmgr_message_recipient_limit is smaller than qmgr_message_active_limit - adjusting qmgr_message_recipient_limit")
		conf.MessageRecipientLimit = conf.MessageActiveLimit
	}
	if conf.BounceQueueLifetime > conf.MaximalQueueLifetime {
		msg.Warn("bounce_queue_lifetime is larger than maximal_queue_lifetime - adjusting bounce_queue_lifetime")
		conf.BounceQueueLifetime = conf.MaximalQueueLifetime
	}
	if p.Settings.Value("helpful_warnings") == "no" {
		conf.ClogWarnTime = 0
	}
}

// run is the life of the daemon.
func run(p *server.Process) {
	q := newManager(p.Settings)
	q.flow.open(p.Settings)
	q.listen(p)
	go q.watchdog()
	q.start()
	for {
		q.step()
	}
}

// watchdog ends a process that is stuck. An idle one is not: it waits.
func (q *manager) watchdog() {
	for {
		steps := q.steps.Load()
		time.Sleep(conf.DaemonTimeout)
		if q.steps.Load() == steps && !q.idle.Load() {
			msg.Fatal("watchdog timeout")
		}
	}
}

// listen hears wake-up requests, and the end of master.
func (q *manager) listen(p *server.Process) {
	told := false
	wakeup := func(requests []byte) {
		if !told { // master only needs to know that this process works
			told = true
			p.Taken()
			defer p.Available()
		}
		q.wakeup(requests)
	}
	for _, fd := range p.Listen {
		syscall.SetNonblock(fd, true)
		if p.Type == "fifo" {
			q.watch(fd, readable, func(uint32) { q.hear(fd, wakeup) })
			continue
		}
		q.watch(fd, readable, func(uint32) { q.accept(fd, wakeup) })
	}
	q.watch(p.MasterFD(), readable, func(uint32) { server.Exit() })
}

// Limits of a wake-up request.
const (
	requestSize = 1024
	requestWait = 10 * time.Second
)

// accept takes one client. Its request follows in a moment.
func (q *manager) accept(listen int, wakeup func([]byte)) {
	fd, _, err := unix.Accept4(listen, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	if err != nil {
		return
	}
	var timer *sched.Timer
	q.watch(fd, readable, func(uint32) {
		keep := false
		done := q.hear(fd, func(requests []byte) {
			keep = bytes.Contains(requests, []byte(ipc.Keep))
			wakeup(requests)
		})
		if !done {
			return
		}
		timer.Stop()
		if keep {
			q.keepClient(fd, wakeup)
		} else {
			q.close(fd)
		}
	})
	timer = q.after(requestWait, func() { q.close(fd) })
}

// keepClient lets a client wake us up again over the same connection, until it
// goes.
func (q *manager) keepClient(fd int, wakeup func([]byte)) {
	unix.Write(fd, []byte(ipc.Keep))
	q.handlers[fd] = func(uint32) {
		heard := false
		if q.hear(fd, func(requests []byte) { heard = true; wakeup(requests) }) && !heard {
			q.close(fd)
		}
	}
}

// hear reads a request; false means that it is not there yet.
func (q *manager) hear(fd int, wakeup func([]byte)) bool {
	var b [requestSize]byte
	n, err := unix.Read(fd, b[:])
	if n > 0 {
		wakeup(b[:n])
	}
	return err != unix.EAGAIN && err != unix.EINTR
}

// A flow gives cleanup(8) a token for each message that left the incoming
// queue. Cleanup waits a little when there are none: mail does not come in
// faster than it is taken up.
type flow struct {
	on    bool
	limit int  // tokens when nothing waits
	full  bool // they were filled up since the last message
}

func (f *flow) open(settings *param.Settings) {
	delay := settings.Value("in_flow_delay")
	f.on = strings.Trim(delay, "0smhdw") != ""
	f.limit, _ = strconv.Atoi(settings.Value("default_process_limit"))
}

// credit gives n tokens, or makes them as many as there should be when nothing
// waits in the incoming queue.
func (f *flow) credit(n int, idle bool) {
	if !f.on {
		return
	}
	if n > 0 {
		f.full = false
	}
	if idle && !f.full {
		f.full = true
		n = f.limit - server.FlowCount()
	}
	if n > 0 {
		server.FlowPut(n)
	} else if n < 0 {
		server.FlowDrain(-n)
	}
}
