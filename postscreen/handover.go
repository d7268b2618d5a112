package main

import (
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/poll"
)

// A passage is what a process of the SMTP server is told about a client that it
// takes over.
type passage struct {
	Client     string `attr:"client_address"`
	ClientPort string `attr:"client_port"`
	Server     string `attr:"server_address"`
	ServerPort string `attr:"server_port"`
}

// A handover is a client on its way to the SMTP server.
type handover struct {
	*client
	fd    int // of the connection to the service
	tries int
}

// passLimit is how long a client waits for a process of the SMTP server.
const passLimit = 100 * time.Second

// handOver sends the connection to a process of the SMTP server. It belongs to us
// too until that process has it.
func (c *client) handOver() {
	c.stage = leaving
	c.screened()
	c.handing++
	h := &handover{client: c, fd: -1}
	h.begin()
}

func (h *handover) begin() {
	fd, err := dial(h.service)
	if err == unix.EAGAIN && h.tries < retries {
		h.tries++
		h.after(&h.timer, retryDelay, h.begin)
		return
	}
	if err != nil {
		msg.Warn("cannot connect to service private/%s: %v", h.service, err)
		h.failed()
		return
	}
	h.fd = fd
	if err := h.pass(); err != nil {
		msg.Warn("cannot pass connection to service private/%s: %v", h.service, err)
		h.failed()
		return
	}
	h.after(&h.timer, passLimit, h.expired)
}

// pass sends the descriptor with one byte, and what the receiver must know.
func (h *handover) pass() error {
	list := attr.Encode([]byte{0}, passage{h.peer.Addr().String(), strconv.Itoa(int(h.peer.Port())),
		h.here.Addr().String(), strconv.Itoa(int(h.here.Port()))})
	if err := unix.Sendmsg(h.fd, list, unix.UnixRights(h.client.fd), nil, 0); err != nil {
		return err
	}
	return h.watch(h.fd, h)
}

// ready is told that the receiver has closed the connection: it has the client.
func (h *handover) ready(poll.Event) {
	var b [1]byte
	if _, err := poll.Read(h.fd, b[:]); err == poll.ErrAgain {
		return
	}
	h.finish()
	h.leave()
}

func (h *handover) expired() {
	msg.Warn("timeout sending connection to service private/%s", h.service)
	h.finish()
	h.leave()
}

// finish ends the wait for the receiver.
func (h *handover) finish() {
	h.cancel(&h.timer)
	h.handing--
	if h.fd >= 0 {
		h.loop.close(h.fd)
	}
}

// failed talks with a client that nobody takes, until it can be told.
func (h *handover) failed() {
	h.finish()
	h.talk("421 4.3.2 No system resources")
}
