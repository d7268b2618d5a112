// Package access decides whether the SMTP server goes on with a client: facts
// in, verdict out. It evaluates the lists of restrictions that administrators
// write in main.cf, asks tables, name servers and other daemons for what the
// restrictions need to know, and never talks with the client itself.
package access

import (
	"net/netip"

	"postrider/lib/service/cleanup"
)

// A Status says how far a host name of a client can be trusted.
type Status int

// The outcomes of looking up the name of a client.
const (
	NameOK        Status = 2 // name and address agree
	NameTempfail  Status = 4 // no answer: it may agree later
	NamePermanent Status = 5 // there is no such name
	NameForged    Status = 6 // the name has other addresses
)

// Unknown stands for a client name, address or port that is not known.
const Unknown = "unknown"

// A Client is the other end of a session, as XCLIENT may have changed it.
type Client struct {
	Name          string // verified host name, or Unknown
	NameStatus    Status
	Reverse       string // host name that the address claims, or Unknown
	ReverseStatus Status
	Addr          netip.Addr // not valid when unknown
	Address       string     // "192.0.2.1", "2001:db8::1", or Unknown
	Port          string
}

// NameAddr is the form in which replies and log lines name a client.
func (c *Client) NameAddr() string { return c.Name + "[" + c.Address + "]" }

// Facts are what the session knows when a decision is due. A nil pointer means
// that the client has not said it yet. Addresses are in their internal form.
type Facts struct {
	Stage    string // CONNECT HELO EHLO MAIL RCPT DATA END-OF-MESSAGE VRFY ETRN
	Protocol string // SMTP or ESMTP
	Client   *Client
	Server   Endpoint

	Helo      string // "" before the client has introduced itself
	Sender    *string
	Recipient *string
	ETRN      *string

	Recipients  int         // accepted so far in this transaction
	Size        int64       // of the message: declared, or received
	EarlyInput  func() bool // the client did not wait for a reply that it must await
	TLS         TLS
	SASL        SASL
	QueueID     string // "" before the first recipient
	Instance    string // the same for all questions about one message
	Transaction *Transaction
	Earlier     *Earlier // of this session

	// Log writes a line about this session: "reject", "warn", "hold", ….
	Log func(action, text string)
}

// An Endpoint is the address on which a session arrived.
type Endpoint struct{ Address, Port string }

// TLS is what is known about the encryption of a session, and about the client by
// its certificate.
type TLS struct {
	Protocol, Cipher string // "" without TLS
	KeySize          int
	Certificate      bool // the client has shown one
	Trusted          bool // and an authority has signed it
	Subject, Issuer  string
	Fingerprint      string // of the certificate
	KeyFingerprint   string // of its public key
}

// SASL is what is known about the login of a client.
type SASL struct {
	Active               bool // this service has logins at all
	Method, User, Sender string
}

// A Transaction collects what tables want to be done with one message, apart
// from accepting or refusing it.
type Transaction struct {
	Hold     bool
	Discard  bool
	Filter   string   // transport:destination
	Redirect string   // instead of all recipients
	Bcc      []string // more recipients
	Prepend  []string // header lines
}

// Flags are the cleanup(8) flags that the actions ask for.
func (t *Transaction) Flags() int {
	flags := 0
	if t.Hold {
		flags |= cleanup.FlagHold
	}
	if t.Discard {
		flags |= cleanup.FlagDiscard
	}
	return flags
}

// Earlier remembers the deferrals that client, HELO and sender restrictions
// asked for when they were evaluated before the recipient was known.
type Earlier struct{ client, helo, sender *Refusal }

// ForgetSender is for the end of a mail transaction.
func (e *Earlier) ForgetSender() { e.sender = nil }

// Trouble tells why mail was refused, for the notices to the postmaster.
type Trouble string

// The classes of notify_classes that refusals belong to.
const (
	Policy   Trouble = "policy"
	Resource Trouble = "resource"
	Software Trouble = "software"
	Data     Trouble = "data"
)

// A Refusal is a verdict that is not "go on".
type Refusal struct {
	Reply   string // "554 5.7.1 <joe@example.com>: Relay access denied"
	Trouble Trouble
}
