package main

import (
	"errors"
	"io"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/net/haproxy"
)

// peek looks at what has come, and leaves it there.
func (c *client) peek(size int) ([]byte, error) {
	n, _, err := unix.Recvfrom(c.fd, c.buffer[:size], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if err == nil && n == 0 {
		err = io.EOF
	}
	return c.buffer[:max(n, 0)], err
}

// readProxy reads what the proxy says. What follows is from the client.
func (c *client) readProxy() {
	b, err := c.peek(haproxy.Limit)
	if err == unix.EAGAIN {
		return
	}
	if err != nil {
		c.proxyFailed("EOF", nil)
		return
	}
	h, n, err := haproxy.Reader{IPv4: c.protocols[0], IPv6: c.protocols[1]}.Read(b)
	if errors.Is(err, haproxy.ErrShort) {
		return
	}
	if err != nil {
		c.proxyFailed(err.Error(), b)
		return
	}
	unix.Read(c.fd, c.buffer[:n])
	if !h.Local() {
		c.peer, c.here = h.Client, h.Server
	}
	c.cancel(&c.timer)
	c.begin()
}

// proxySilent ends a connection whose proxy has not said enough in time.
func (c *client) proxySilent() {
	if b, err := c.peek(haproxy.Limit); err == nil {
		c.proxyFailed("missing protocol header terminator", b)
		return
	}
	c.proxyFailed("time limit exceeded", nil)
}

func (c *client) proxyFailed(reason string, header []byte) {
	if header != nil {
		reason += ": " + text.Escape(header)
	}
	msg.Warn("haproxy read: %s", reason)
	c.send("421 4.3.2 No system resources\r\n")
	c.leave()
}

// testEarly begins the tests before the greeting.
func (c *client) testEarly() {
	c.began, c.stage = time.Now(), greeting
	waits := c.todo&early != 0
	if c.todo.has(blocklists) {
		c.score = c.screen.score(c.peer.Addr().String())
		if c.score.pending > 0 {
			c.score.waiting = append(c.score.waiting, c)
		}
	}
	if !waits {
		c.testedEarly()
		return
	}
	if c.todo.has(pregreet) {
		c.send(c.teaser)
	}
	if c.score != nil && c.score.pending == 0 && !c.todo.has(pregreet) || c.trusted() {
		c.testedEarly()
		return
	}
	c.after(&c.timer, c.wait[c.pressure()], c.testedEarly)
	if c.todo.has(pregreet) {
		c.talksEarly() // it may have come behind what the proxy said
	}
}

// talksEarly is told that a client has sent something, or is gone.
func (c *client) talksEarly() {
	if !c.todo.has(pregreet) || c.greeted {
		return
	}
	b, err := c.peek(bufferSize)
	if err == unix.EAGAIN {
		return
	}
	if err != nil {
		c.hangUp()
		return
	}
	c.greeted = true
	msg.Info("PREGREET %d after %s from %s: %s", len(b), c.elapsed(), c, first(text.Escape(b), 100))
	if !c.failTest(pregreet, c.greet, "5.5.1 Protocol error") {
		return
	}
	if c.score == nil || c.score.pending == 0 {
		c.testedEarly()
	}
}

// scored is told that all lists have answered.
func (c *client) scored() {
	if c.stage != greeting {
		return
	}
	if !c.todo.has(pregreet) || c.greeted || c.trusted() {
		c.testedEarly()
	}
}

// trusted reports whether lists say so much good about a client that it can skip
// tests.
func (c *client) trusted() bool {
	return c.score != nil && c.score.pending == 0 && c.allowed(c.score)
}

func (c *client) allowed(sc *score) bool {
	return conf.DNSBLAllowThreshold < 0 && sc.total <= conf.DNSBLAllowThreshold
}

// testedEarly collects the results of the tests before the greeting.
func (c *client) testedEarly() {
	c.cancel(&c.timer)
	if c.todo.has(pregreet) && !c.greeted {
		c.pass(pregreet, conf.GreetTTL)
	}
	if c.score != nil && !c.judge() {
		return
	}
	if c.todo&^early != 0 || c.failed != 0 || c.refused || c.word != "" {
		c.talk("")
		return
	}
	c.conclude()
}

// judge looks at the score of a client. False: the connection has ended.
func (c *client) judge() bool {
	sc := c.score
	sc.waiting = slices.DeleteFunc(sc.waiting, func(other *client) bool { return other == c })
	defer func() {
		c.release(sc)
		c.score = nil
	}()
	switch {
	case c.allowed(sc):
		for t := range testCount {
			if !c.failed.has(t) {
				c.pass(t, sc.ttl())
			}
		}
	case sc.total < conf.DNSBLThreshold:
		c.pass(blocklists, sc.ttl())
	default:
		msg.Info("DNSBL rank %d for %s", sc.total, c)
		return c.failTest(blocklists, c.blocked, "5.7.1 Service unavailable; client ["+c.peer.Addr().String()+"] blocked using "+sc.blockedBy)
	}
	return true
}
