package main

import (
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/poll"
	"postrider/lib/service/tlsproxy"
)

// An encryption is a conversation with tlsproxy(8), which is going to stand between
// a client and this program.
type encryption struct {
	*client
	fd    int
	in    []byte
	asked bool
}

// startTLS asks tlsproxy(8) for TLS. What the client has sent ahead is thrown away.
func (c *client) startTLS(string) {
	switch {
	case c.engine.secret:
		c.reply("554 5.5.1 Error: TLS already active")
		return
	case !c.engineRules.tls:
		c.reply("502 5.5.1 Error: command not implemented")
		return
	}
	fd, err := dial(conf.TLSProxyService)
	if err == nil {
		x := &encryption{client: c, fd: fd}
		if err = c.watch(fd, x); err == nil {
			c.engine.in, c.stage = nil, securing
			c.after(&c.timer, c.limit[c.pressure()], func() { x.fail(errors.New("time limit exceeded")) })
			return
		}
		c.loop.close(fd)
	}
	msg.Warn("connect to private/%s service: %v", conf.TLSProxyService, err)
	c.reply("454 4.7.0 TLS not available due to local problem")
}

// ready reads the announcement, and then whether TLS is possible.
func (x *encryption) ready(e poll.Event) {
	for e.Readable && x.stage == securing {
		n, err := poll.Read(x.fd, x.buffer)
		if err == poll.ErrAgain {
			return
		}
		x.in = append(x.in, x.buffer[:n]...)
		list, length, bad := attr.Parse(x.in)
		switch {
		case bad == attr.ErrShort && err == nil:
			continue
		case err != nil && err != io.EOF:
			bad = err
		}
		if bad != nil {
			x.fail(bad)
			return
		}
		x.in = x.in[length:]
		if err := x.step(list); err != nil {
			x.fail(err)
			return
		}
	}
}

// step answers the announcement with what is wanted, and the consent with the client.
func (x *encryption) step(list attr.List) error {
	if !x.asked {
		x.asked = true
		if got := list.Get("protocol"); got != tlsproxy.Protocol {
			return errors.New("unexpected protocol " + got)
		}
		limit := int(x.limit[x.pressure()] / time.Second)
		request := attr.Encode(nil, tlsproxy.Request{Remote: x.client.String(), Role: tlsproxy.Server,
			Handshake: limit, Session: limit, ServerID: "smtpd"})
		_, err := poll.Write(x.fd, request)
		return err
	}
	var r tlsproxy.Reply
	if err := list.Into(&r); err != nil {
		return err
	}
	if r.Status != tlsproxy.Agreed {
		return errors.New("TLS is not available")
	}
	x.reply("220 2.0.0 Ready to start TLS")
	if err := unix.Sendmsg(x.fd, []byte{0}, unix.UnixRights(x.client.fd), nil, 0); err != nil {
		return err
	}
	x.become()
	return nil
}

// become makes the conversation with tlsproxy(8) the one with the client, which
// begins anew.
func (x *encryption) become() {
	c := x.client
	c.loop.close(c.fd)
	c.fd = x.fd
	c.handle(c.fd, c)
	e := c.engine
	e.secret, e.helo, e.protocol, e.sender = true, "", "SMTP", nil
	c.stage = talking
	c.await()
	c.readCommands()
}

// fail goes on without TLS.
func (x *encryption) fail(err error) {
	msg.Warn("problem receiving status from private/%s service", conf.TLSProxyService)
	msg.Debug("%v", err)
	x.loop.close(x.fd)
	c := x.client
	c.stage = talking
	c.reply("454 4.7.0 TLS not available due to local problem")
	c.await()
	c.readCommands()
}
