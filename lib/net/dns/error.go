package dns

import (
	"errors"
	"fmt"
	"time"

	mdns "github.com/miekg/dns"
)

// A Kind tells what a failed lookup means for mail.
type Kind int

const (
	_        Kind = iota
	NotFound      // the name, or a record of this type, does not exist
	NullMX        // the domain says that it accepts no mail (RFC 7505)
	Retry         // no answer now: ask again later
	Fail          // the servers will not answer this
	Invalid       // the answer holds no usable data
	Policy        // the filter of answers left nothing
)

// An Error says why a lookup gave no answer. Its text is the one that people
// know from mail logs and bounce messages.
type Error struct {
	Kind   Kind
	Name   string
	Type   Type
	NoData bool // NotFound: the name exists, with data of other types
	Text   string

	TTL time.Duration // NotFound: how long it is good; 0: nobody said
}

func (e *Error) Error() string { return e.Text }

// KindOf tells what err, returned by a Resolver, means; 0 when err is nil.
func KindOf(err error) Kind {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Kind
	}
	if err != nil {
		return Retry
	}
	return 0
}

// failed makes the error of a lookup that ended without data, by the text
// that resolver libraries have for the case.
func failed(kind Kind, name string, t Type, text string) *Error {
	return &Error{Kind: kind, Name: name, Type: t,
		Text: fmt.Sprintf("Host or domain name not found. Name service error for name=%s type=%s: %s", name, t, text)}
}

func notFound(name string, t Type) *Error { return failed(NotFound, name, t, "Host not found") }

func noData(name string, t Type) *Error {
	e := failed(NotFound, name, t, "Host found but no data record of requested type")
	e.NoData = true
	return e
}

func tryAgain(name string, t Type) *Error {
	return failed(Retry, name, t, "Host not found, try again")
}

func refused(name string, t Type) *Error { return failed(Fail, name, t, "Non-recoverable error") }

func malformed(name string, t Type) *Error {
	return &Error{Kind: Invalid, Name: name, Type: t,
		Text: fmt.Sprintf("Name service error for name=%s type=%s: Malformed or unexpected name server reply", name, t)}
}

func filtered(name string, t Type) *Error {
	return &Error{Kind: Policy, Name: name, Type: t,
		Text: fmt.Sprintf("Error looking up name=%s type=%s: DNS reply filter drops all results", name, t)}
}

func badFilter(name string, t Type, err error) *Error {
	return &Error{Kind: Retry, Name: name, Type: t,
		Text: fmt.Sprintf("Error looking up name=%s type=%s: DNS reply filter: %v", name, t, err)}
}

func nullMX(name string) *Error {
	return &Error{Kind: NullMX, Name: name, Type: TypeMX,
		Text: fmt.Sprintf("Domain %s does not accept mail (nullMX)", name)}
}

func badName(name string, t Type) *Error {
	return &Error{Kind: NotFound, Name: name, Type: t,
		Text: fmt.Sprintf("Name service error for %s: invalid host or domain name", name)}
}

func loop(name string, t Type) *Error {
	return &Error{Kind: NotFound, Name: name, Type: t, Text: fmt.Sprintf("Name server loop for %s", name)}
}

// lasting says how long it is good that there is no such record: what the server
// of the zone says in its SOA record. Source: RFC 2308, section 5.
func (e *Error) lasting(reply *mdns.Msg) *Error {
	for _, rr := range reply.Ns {
		if soa, ok := rr.(*mdns.SOA); ok {
			e.TTL = ttl(soa.Hdr.Ttl)
		}
	}
	return e
}
