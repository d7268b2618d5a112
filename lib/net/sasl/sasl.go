// Package sasl is authentication as mail hosts use it: which mechanisms there are,
// what they withstand, and which of them the administrator wants.
//
// Its folders are the two ends: client logs in at servers; dovecot and saslauthd
// ask other programs whether a client of ours may.
//
// Sources: RFC 4422 (SASL), RFC 4954 (the AUTH command).
package sasl

import (
	"fmt"
	"strings"

	"postrider/lib/base/match"
	"postrider/lib/base/text"
)

// Properties say what is wrong with a mechanism, and what is good about it.
type Properties uint

// The properties. The first four are weaknesses.
const (
	Plaintext      Properties = 1 << iota // who listens reads the password
	Active                                // who sits in between can use it
	Dictionary                            // who listens can guess the password at home
	Anonymous                             // there is no password
	ForwardSecrecy                        // a stolen key does not open old sessions
	MutualAuth                            // the server proves that it knows the password
)

// A Mechanism is one way to log in.
type Mechanism struct {
	Name string // "CRAM-MD5"
	Properties
}

// Options are what the administrator wants of mechanisms.
type Options struct {
	without Properties // weaknesses that are not tolerated
	with    Properties // strengths that must be there
}

var optionWords = []struct {
	word          string
	without, with Properties
}{
	{"noplaintext", Plaintext, 0},
	{"noactive", Active, 0},
	{"nodictionary", Dictionary, 0},
	{"noanonymous", Anonymous, 0},
	{"forward_secrecy", 0, ForwardSecrecy},
	{"mutual_auth", 0, MutualAuth},
}

// ParseOptions reads a value like that of smtpd_sasl_security_options.
func ParseOptions(list string) (o Options, err error) {
next:
	for _, word := range text.Split(list) {
		for _, known := range optionWords {
			if strings.EqualFold(word, known.word) {
				o.without |= known.without
				o.with |= known.with
				continue next
			}
		}
		return o, fmt.Errorf("unknown SASL security option value %q in %q", word, list)
	}
	return o, nil
}

// Allow tells whether a mechanism is as wanted.
func (o Options) Allow(p Properties) bool { return p&o.without == 0 && p&o.with == o.with }

// Names are those of the mechanisms that options and a list like
// smtpd_sasl_mechanism_filter allow, in their order.
func Names(list []Mechanism, o Options, filter *match.List) (names []string, err error) {
	for _, m := range list {
		if !o.Allow(m.Properties) {
			continue
		}
		ok, err := Filtered(filter, m.Name)
		if err != nil {
			return nil, err
		}
		if ok {
			names = append(names, m.Name)
		}
	}
	return names, nil
}

// Filtered tells whether a list lets a mechanism through. An empty list has no
// wishes.
func Filtered(filter *match.List, name string) (bool, error) {
	if filter == nil || filter.Empty() {
		return true, nil
	}
	return filter.Match(name)
}

// A Status is what became of one step of an exchange.
type Status int

// The outcomes of a step.
const (
	Failed    Status = iota // wrong, or not allowed
	Temporary               // nobody can tell now
	More                    // the client has to answer
	Done
)

// A Result is the answer to one step.
type Result struct {
	Status
	Text string  // More: the challenge in base64; otherwise why not
	User *string // who the client is or claims to be; nil: not known
}

// A Session is the client that wants to log in, as far as who decides may want to
// know.
type Session struct {
	Service              string // "smtp"
	Realm                string // smtpd_sasl_local_domain
	Client, Server       string // addresses
	ClientPort, HostPort string
	Secure               bool // there is TLS
}

// An Exchange is one attempt to log in.
type Exchange interface {
	// Next takes what the client says, in base64.
	Next(response string) Result
}

// A Server knows who may log in.
type Server interface {
	// Mechanisms are what it can do.
	Mechanisms() ([]Mechanism, error)
	// Begin begins an attempt with one of its mechanisms. The response is nil when
	// the client did not send one with the command, and "=" when it is empty.
	Begin(s Session, mechanism string, initial *string) (Exchange, Result)
}
