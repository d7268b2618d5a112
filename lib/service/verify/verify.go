// Package verify asks verify(8) whether an address is deliverable, and tells it
// what a probe found out.
package verify

import (
	"fmt"
	"time"

	"postrider/lib/service/ipc"
)

// Protocol is what the server announces. The spelling is part of the protocol.
const Protocol = "address_verification_prrotocol"

// A Status is how a request went.
type Status int

// Status values.
const (
	OK   Status = 0
	Fail Status = -1
	Bad  Status = -2
)

// A RecipientStatus is what is known about an address.
type RecipientStatus int

// What may be known.
const (
	Deliverable   RecipientStatus = 0
	Deferred      RecipientStatus = 1
	Undeliverable RecipientStatus = 2
	InProgress    RecipientStatus = 3
)

// A QueryRequest asks about an address.
type QueryRequest struct {
	Request string `attr:"request"` // "query"
	Address string `attr:"address"`
}

// A QueryReply is what is known; the reason is for people.
type QueryReply struct {
	Status          Status          `attr:"status"`
	RecipientStatus RecipientStatus `attr:"recipient_status"`
	Reason          string          `attr:"reason"`
}

// An UpdateRequest tells what became of a probe.
type UpdateRequest struct {
	Request         string          `attr:"request"` // "update"
	Address         string          `attr:"address"`
	RecipientStatus RecipientStatus `attr:"recipient_status"`
	Reason          string          `attr:"reason"`
}

// A Reply is the answer to an update.
type Reply struct {
	Status Status `attr:"status"`
}

// Params are for all who ask or tell the service.
type Params struct {
	// The name of the verify service in master.cf.
	AddressVerifyServiceName string `param:"address_verify_service_name" default:"verify"`
}

// Negative says what becomes of bad results.
type Negative struct {
	// Keep the results of probes that failed. Without them the cache does not
	// grow with addresses that do not exist, and each question about one
	// starts a probe.
	AddressVerifyNegativeCache bool `param:"address_verify_negative_cache" default:"yes"`
}

// A Client keeps its connection. It is for one goroutine.
type Client struct{ service ipc.Client }

// New returns a client of the service "private/<name>".
func New(name string, timeout, idle, life time.Duration) *Client {
	return &Client{ipc.Client{Path: "private/" + name, Protocol: Protocol, Timeout: timeout, Idle: idle, Life: life}}
}

// Query asks about an address. The first question about one starts a probe.
func (c *Client) Query(address string) (QueryReply, error) {
	var r QueryReply
	err := c.service.Call(QueryRequest{"query", address}, &r)
	if err == nil && r.Status != OK {
		err = fmt.Errorf("address verification of %q: status %d", address, r.Status)
	}
	return r, err
}

// Update tells what a probe found out.
func (c *Client) Update(address string, found RecipientStatus, reason string) error {
	var r Reply
	err := c.service.Call(UpdateRequest{"update", address, found, reason}, &r)
	if err == nil && r.Status != OK {
		err = fmt.Errorf("address verification of %q: status %d", address, r.Status)
	}
	return err
}

// Close ends the connection.
func (c *Client) Close() { c.service.Close() }
