// Package anvil asks anvil(8) how often a client has come, so that one client
// cannot use up a service.
package anvil

import (
	"fmt"
	"time"

	"postrider/lib/service/ipc"
)

// Protocol is what the server announces.
const Protocol = "anvil_protocol"

// Requests, in the name=value flavour of attribute lists.
const (
	Connect    = "connect"
	Disconnect = "disconnect"
	Message    = "message"
	Recipient  = "recipient"
	NewTLS     = "newtls"
	TLSStatus  = "newtls_status"
	Auth       = "auth"
	Lookup     = "lookup"
)

// Statuses of replies.
const (
	OK   = 0
	Fail = -1
)

// A Request is about one client of one service: "smtp:192.0.2.1".
type Request struct {
	Request string `attr:"request"`
	Ident   string `attr:"ident"`
}

// A ConnectReply is the answer to Connect.
type ConnectReply struct {
	Status int `attr:"status"`
	Count  int `attr:"count"` // simultaneous connections
	Rate   int `attr:"rate"`  // connections in this time unit
}

// A RateReply is the answer to Message, Recipient, NewTLS, TLSStatus and Auth.
type RateReply struct {
	Status int `attr:"status"`
	Rate   int `attr:"rate"`
}

// A StatusReply is the answer to Disconnect, and to what is no request.
type StatusReply struct {
	Status int `attr:"status"`
}

// A LookupReply is the answer to Lookup: everything that is known.
type LookupReply struct {
	Status int `attr:"status"`
	Count  int `attr:"count"`
	Rate   int `attr:"rate"`
	Mail   int `attr:"mail"`
	Rcpt   int `attr:"rcpt"`
	NewTLS int `attr:"newtls"`
	Auth   int `attr:"auth"`
}

// A Client keeps one connection, over which it tells about one client of its
// program at a time. The connection's end counts as Disconnect.
type Client struct{ service ipc.Client }

// Path is where the service listens.
const Path = "private/anvil"

// New returns a client of the service.
func New(timeout time.Duration) *Client {
	return &Client{ipc.Client{Path: Path, Protocol: Protocol, Timeout: timeout, Plain: true}}
}

// Ident names a client of a service.
func Ident(service, address string) string { return service + ":" + address }

// Connect says that a client came. Count and rate include it.
func (c *Client) Connect(ident string) (count, rate int, err error) {
	var r ConnectReply
	if err = c.service.Call(Request{Connect, ident}, &r); err == nil && r.Status != OK {
		err = fmt.Errorf("service anvil: status %d", r.Status)
	}
	return r.Count, r.Rate, err
}

// Event counts a Message, Recipient, NewTLS or Auth of a client.
func (c *Client) Event(event, ident string) (rate int, err error) {
	var r RateReply
	if err = c.service.Call(Request{event, ident}, &r); err == nil && r.Status != OK {
		err = fmt.Errorf("service anvil: status %d", r.Status)
	}
	return r.Rate, err
}

// Disconnect says that a client is gone.
func (c *Client) Disconnect(ident string) error {
	var r StatusReply
	return c.service.Call(Request{Disconnect, ident}, &r)
}

// Close ends the connection.
func (c *Client) Close() { c.service.Close() }
