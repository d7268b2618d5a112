package main

import (
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/poll"
	"postrider/lib/daemon/agent"
)

// A client is one connection, from its beginning until it is handed over or ended.
type client struct {
	*screen
	fd    int
	stage stage
	timer timer
	began time.Time // the stage

	peer, here netip.AddrPort
	source     *source
	cached     bool // there was an entry in the cache
	fresh      bool // the log has never said that the client has passed

	todo, passed, failed tests
	refused              bool // a permanent list or the interface is against it
	stays                bool // is never handed over
	counted              bool // in testing
	greeted              bool // it has talked before the greeting
	score                *score
	word                 string // reply to RCPT from a client that has failed; without codes: none
	engine               *engine
}

// A stage says what a connection waits for.
type stage int

const (
	proxied  stage = iota // what the proxy says
	greeting              // tests before the greeting
	talking               // tests after it
	securing              // TLS
	leaving               // a process of the SMTP server
	gone
)

// String is how a connection is named in the log.
func (c *client) String() string { return bracketed(c.peer) }

func bracketed(a netip.AddrPort) string {
	return "[" + a.Addr().String() + "]:" + strconv.Itoa(int(a.Port()))
}

// accept begins with a connection.
func (s *screen) accept(fd int, from unix.Sockaddr) {
	c := &client{screen: s, fd: fd, peer: endpoint(from), began: time.Now()}
	if local, err := unix.Getsockname(fd); err == nil {
		c.here = endpoint(local)
	}
	if !c.peer.IsValid() || !c.here.IsValid() {
		msg.Warn("address of a client is not known -- dropping this connection")
		unix.Close(fd)
		return
	}
	if err := s.watch(fd, c); err != nil {
		msg.Warn("%v -- dropping this connection", err)
		s.close(fd)
		return
	}
	s.clients++
	if s.proxy {
		c.stage = proxied
		s.after(&c.timer, conf.ProxyTimeout, c.proxySilent)
		return
	}
	c.begin()
}

// ready is told that there is something to read, or room to write.
func (c *client) ready(e poll.Event) {
	if !e.Readable {
		return
	}
	switch c.stage {
	case proxied:
		c.readProxy()
	case greeting:
		c.talksEarly()
	case talking:
		c.readCommands()
	}
}

// begin decides what a client must do.
func (c *client) begin() {
	name := c.peer.Addr().String()
	if c.source = c.known[name]; c.source == nil {
		c.source = &source{stamps: firstStamps(c.inUse)}
		c.known[name] = c.source
	}
	c.source.connections++
	msg.Info("CONNECT from %s to %s", c, bracketed(c.here))
	c.counted = true
	if c.testing++; !c.stress && c.testing >= c.high {
		c.stress = true
		msg.Info("entering STRESS mode with %d connections", c.testing)
	}
	switch {
	case conf.ConnectionCountLimit > 0 && c.source.connections > conf.ConnectionCountLimit:
		msg.Info("NOQUEUE: reject: CONNECT from %s: too many connections", c)
		c.drop("421 4.7.0 Error: too many connections")
		return
	case c.handing >= conf.PostQueueLimit:
		msg.Info("NOQUEUE: reject: CONNECT from %s: all server ports busy", c)
		c.drop("421 4.3.2 All server ports are busy")
		return
	}
	switch c.access.check(name) {
	case permit:
		c.log("ALLOW", "WHITE", "LISTED")
		c.conclude()
		return
	case reject:
		c.log("DENY", "BLACK", "LISTED")
		if !c.fail(c.denied, "5.3.2 Service currently unavailable") {
			return
		}
		c.refused = c.denied == enforce
	}
	c.choose(name)
}

// choose finds out which tests there are for a client.
func (c *client) choose(name string) {
	if !c.refused {
		if s, found := c.cache.lookup(name); found {
			c.source.stamps, c.cached = s, true
		}
	}
	c.todo = c.source.stamps.due(c.inUse, time.Now())
	for _, n := range c.source.stamps {
		c.fresh = c.fresh || n == unknown
	}
	c.fresh = c.fresh || !c.cached
	if c.todo == 0 && !c.refused {
		if c.cached {
			msg.Info("PASS OLD %s", c)
		}
		c.conclude()
		return
	}
	if earns, err := c.earning.MatchClient("", c.here.Addr().String()); err != nil || !earns {
		c.log("ALLOW", "WHITE", "LIST VETO")
		c.refused = true
	}
	if c.testing >= conf.PreQueueLimit {
		msg.Info("reject: connect from %s: all screening ports busy", c)
		c.drop("421 4.3.2 All screening ports are busy")
		return
	}
	c.testEarly()
}

// log logs with the word of today, or that of old releases. When nobody has chosen,
// the log says so, once.
func (c *client) log(now, before, what string) {
	if conf.RespectfulLogging {
		msg.Info("%s%s %s", now, what, c)
		return
	}
	msg.Info("%s%s %s", before, what, c)
	if c.undecided {
		c.undecided = false
		msg.Info("using backwards-compatible default setting respectful_logging=no for client %s", c)
	}
}

// fail is what a failed test means. False: the connection has ended.
func (c *client) fail(a action, text string) bool {
	switch a {
	case drop:
		c.refused = true
		c.drop("521 " + text)
		return false
	case enforce:
		if c.word == "" {
			c.word = "550 " + text
		}
	}
	return true
}

// failTest is fail for one of the tests that are done again. A client that fails
// is not remembered for what it has passed.
func (c *client) failTest(t test, a action, text string) bool {
	c.passed.remove(t.set())
	if a != ignore {
		c.failed.add(t)
		c.todo.remove(t.set())
	}
	return c.fail(a, text)
}

// pass notes that a client has passed a test.
func (c *client) pass(t test, lasts time.Duration) {
	c.passed.add(t)
	c.todo.remove(t.set())
	c.source.stamps[t] = time.Now().Add(lasts).Unix()
}

// conclude ends the tests: what was found out is remembered, and the client goes to
// the SMTP server, unless it has talked with us for too long.
func (c *client) conclude() {
	if c.passed != 0 && c.failed == 0 && !c.refused {
		if c.todo == 0 {
			word := "NEW"
			if !c.fresh || c.source.passed > 0 {
				word = "OLD"
			}
			c.source.passed++
			msg.Info("PASS %s %s", word, c)
		}
		c.cache.store(c.peer.Addr().String(), c.source.stamps)
	}
	if c.stays || c.failed != 0 || c.refused {
		c.end()
		return
	}
	c.handOver()
}

// drop sends a last reply and ends the connection.
func (c *client) drop(text string) {
	c.stays = true
	c.reply(text)
	c.swallow()
	c.conclude()
}

// swallow throws away what has come: the reply would be lost if a connection were
// closed before that was read.
func (c *client) swallow() {
	const enough = 4
	for range enough {
		if n, err := poll.Read(c.fd, c.buffer); err != nil || n < len(c.buffer) {
			return
		}
	}
}

// hangUp notes that the client has ended the connection.
func (c *client) hangUp() {
	where := "before"
	if c.engine != nil {
		where = "after"
	}
	msg.Info("HANGUP after %s from %s in tests %s SMTP handshake", c.elapsed(), c, where)
	c.stays = true
	c.conclude()
}

// elapsed is how long the stage takes.
func (c *client) elapsed() string { return agent.Seconds(time.Since(c.began), c.resolution) }

// end closes a connection that is not handed over.
func (c *client) end() {
	msg.Info("DISCONNECT %s", c)
	c.leave()
}

// leave forgets a connection.
func (c *client) leave() {
	if c.stage == gone {
		return
	}
	c.stage = gone
	c.screened()
	c.loop.close(c.fd)
	if c.counted {
		c.counted = false
		if c.testing--; c.stress && c.testing <= c.low {
			c.stress = false
			msg.Info("leaving STRESS mode with %d connections", c.testing)
		}
	}
	if c.source != nil {
		if c.source.connections--; c.source.connections == 0 {
			delete(c.known, c.peer.Addr().String())
		}
	}
	if c.clients--; c.clients == 0 && c.ending {
		c.stopped = true
	}
}

// screened ends what the tests of a client need.
func (c *client) screened() {
	c.cancel(&c.timer)
	if c.score != nil {
		c.release(c.score)
		c.score = nil
	}
}

// send writes to the client. One that does not read is not worth waiting for.
func (c *client) send(text string) {
	if n, err := poll.Write(c.fd, []byte(text)); err != nil || n < len(text) {
		msg.Debug("write %s: %v", c, err)
	}
}

// pressure is the index of times that depend on stress.
func (s *screen) pressure() int {
	if s.stress {
		return 1
	}
	return 0
}

func first(text string, n int) string { return text[:min(len(text), n)] }
