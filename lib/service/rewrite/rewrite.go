// Package rewrite asks trivial-rewrite(8) for the standard form of addresses
// and for the way that mail to them goes.
package rewrite

import (
	"strings"
	"time"

	"postrider/lib/service/ipc"
)

// Protocol is what the server announces.
const Protocol = "trivial_rewrite_protocol"

// Rewriting rules.
const (
	Local  = "local"  // $myorigin and $mydomain complete addresses
	Remote = "remote" // remote_header_rewrite_domain does
)

// Flags say what kind of address it was, and what went wrong.
type Flags int

// Resolve flags.
const (
	FlagFinal    Flags = 1
	FlagRouted   Flags = 2 // routing operators beyond the domain
	FlagError    Flags = 4 // bad address
	FlagFail     Flags = 8 // a table did not answer; try later
	ClassLocal   Flags = 256
	ClassAlias   Flags = 512
	ClassMailbox Flags = 1024
	ClassRelay   Flags = 2048
	ClassDefault Flags = 4096

	ClassMask = ClassLocal | ClassAlias | ClassMailbox | ClassRelay | ClassDefault
)

// A RewriteRequest asks for the standard form of an address in its external
// (quoted) form.
type RewriteRequest struct {
	Request string `attr:"request"` // "rewrite"
	Rule    string `attr:"rule"`
	Address string `attr:"address"`
}

// A RewriteReply is the answer.
type RewriteReply struct {
	Reconnect int    `attr:"flags"` // not 0: the server is about to restart
	Address   string `attr:"address"`
}

// A ResolveRequest asks for the way to an address in its internal form.
type ResolveRequest struct {
	Request string `attr:"request"` // "resolve", or "verify" for probes
	Sender  string `attr:"sender"`
	Address string `attr:"address"`
}

// A ResolveReply is the next step of the way.
type ResolveReply struct {
	Reconnect int    `attr:"flags"`     // not 0: the server is about to restart
	Transport string `attr:"transport"` // service in master.cf: "smtp"
	NextHop   string `attr:"nexthop"`   // "example.com", or "[192.0.2.1]:25"
	Recipient string `attr:"recipient"` // the address that the transport sees
	Flags     Flags  `attr:"flags"`
}

// Params are the parameters of the clients of this service.
type Params struct {
	// The name of the address rewriting and resolving service. See rewrite
	// in master.cf.
	RewriteServiceName string `param:"rewrite_service_name" default:"rewrite"`

	// The domain that is added to incomplete addresses in headers of mail
	// from elsewhere. Empty: such headers are left alone.
	RemoteHeaderRewriteDomain string `param:"remote_header_rewrite_domain" default:""`
}

// keep is how long a client believes an answer.
const keep = 30 * time.Second

// A Client asks one question at a time. It remembers the last question of each
// kind.
type Client struct {
	service ipc.Client
	rewrite struct {
		question RewriteRequest
		answer   RewriteReply
		until    time.Time
	}
	resolve struct {
		question ResolveRequest
		answer   ResolveReply
		until    time.Time
	}
}

// New returns a client of the service "private/<name>".
func New(p Params, timeout, idle, life time.Duration) *Client {
	return &Client{service: ipc.Client{Path: "private/" + p.RewriteServiceName, Protocol: Protocol,
		Timeout: timeout, Idle: idle, Life: life}}
}

// Standard reports whether an address in external form is in standard form
// already, whatever the parameters say: user@host.domain without anything that
// the rules look at. Most addresses are, and need no question.
func Standard(external string) bool {
	at := strings.LastIndexByte(external, '@')
	if at <= 0 || strings.IndexAny(external[:at], "@:\"\\") >= 0 {
		return false
	}
	domain := external[at+1:]
	dot := strings.IndexByte(domain, '.')
	return dot > 0 && domain[len(domain)-1] != '.' && domain[0] != '[' && strings.IndexAny(domain, "\" \t") < 0
}

// Rewrite returns the standard form of an address in its external form. It
// waits until the service answers. The empty address stays empty.
func (c *Client) Rewrite(rule, address string) string {
	if address == "" || Standard(address) {
		return address
	}
	question, now := RewriteRequest{"rewrite", rule, address}, time.Now()
	if c.rewrite.question == question && now.Before(c.rewrite.until) {
		return c.rewrite.answer.Address
	}
	var answer RewriteReply
	c.service.CallForever(question, &answer)
	if answer.Reconnect != 0 {
		c.service.Close()
	}
	c.rewrite.question, c.rewrite.answer, c.rewrite.until = question, answer, now.Add(keep)
	return answer.Address
}

// Resolve says where mail from sender to address goes; both in internal form.
// It waits until the service answers.
func (c *Client) Resolve(sender, address string) ResolveReply {
	return c.ask(ResolveRequest{"resolve", sender, address})
}

// ResolveProbe is Resolve with the transports for address verification.
func (c *Client) ResolveProbe(sender, address string) ResolveReply {
	return c.ask(ResolveRequest{"verify", sender, address})
}

func (c *Client) ask(question ResolveRequest) ResolveReply {
	now := time.Now()
	if c.resolve.question == question && now.Before(c.resolve.until) {
		return c.resolve.answer
	}
	var answer ResolveReply
	c.service.CallForever(question, &answer)
	if answer.Reconnect != 0 {
		c.service.Close()
	}
	c.resolve.question, c.resolve.answer = question, answer
	if answer.Flags&FlagFail == 0 {
		c.resolve.until = now.Add(keep)
	}
	return answer
}

// Close ends the connection to the service.
func (c *Client) Close() { c.service.Close() }
