// Package dns looks up mail exchangers, addresses and other data in the
// domain name system.
//
// It is the only package that knows the library which packs and unpacks the
// messages; its own types are in the interface. What a stub resolver does is
// done here: the list of servers and the time limits of resolv.conf(5), the
// change to TCP when an answer was truncated, the comparison of the answer
// with the question, the chain of aliases, and the host names of hosts(5).
//
// New reads its files at once, so that a process may give up its privileges
// and change its root directory afterwards. A Resolver may be used by several
// goroutines at a time.
//
// Sources: RFC 1034 and 1035; RFC 2181; RFC 6891 (EDNS); RFC 7505 (null MX);
// resolv.conf(5), hosts(5).
package dns

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// A Type is the type of a resource record, such as TypeMX.
type Type uint16

// The types that mail systems ask for.
const (
	TypeA     Type = 1
	TypeNS    Type = 2
	TypeCNAME Type = 5
	TypeSOA   Type = 6
	TypePTR   Type = 12
	TypeMX    Type = 15
	TypeTXT   Type = 16
	TypeAAAA  Type = 28
	TypeSRV   Type = 33
	TypeTLSA  Type = 52
	TypeANY   Type = 255
)

// A Family says which addresses are wanted.
type Family int

// The address families, and both of them.
const (
	Any Family = iota
	IPv4
	IPv6
)

// A Record is one resource record of an answer. Which fields are set depends
// on its type.
type Record struct {
	Name string // owner, without the last dot
	Type Type
	TTL  time.Duration

	Pref uint16     // MX, SRV
	Host string     // MX, NS, PTR, CNAME, SRV: a name without the last dot
	Addr netip.Addr // A, AAAA
	Text string     // TXT: its strings, joined
	TLSA TLSA       // TLSA
	Port uint16     // SRV

	Weight uint16 // SRV
}

// TLSA says which certificate or key a server must show. RFC 6698, section 2.1.
type TLSA struct {
	Usage, Selector, Matching uint8
	Data                      []byte
}

// MX is a mail exchanger of a domain; the lowest preference comes first.
type MX struct {
	Host string
	Pref uint16
}

// An Answer is what a lookup found: at least one record of the wanted type.
type Answer struct {
	Name    string // where the records are: the end of the chain of aliases
	Records []Record

	// Secure means that a resolver which may be trusted has validated all
	// the steps of the answer (DNSSEC).
	Secure bool
}

// Options say how New makes a Resolver. The zero value is good for a daemon.
type Options struct {
	Resolv  string   // the resolver's file, "" for /etc/resolv.conf
	Hosts   string   // the table of hosts, "" for /etc/hosts
	Servers []string // name servers "address" or "address:port", instead of those in the file
	Secure  bool     // ask for validated answers (DNSSEC)

	// NoEDNS asks with plain messages as of RFC 1035, which limits an answer
	// over UDP to 512 bytes.
	NoEDNS bool

	// Drop may throw records away before anybody sees them. It gets a record
	// as text: "example.com. 300 IN MX 10 mx.example.com.".
	Drop func(record string) (bool, error)
}

// A Resolver asks name servers.
type Resolver struct {
	conf   config
	hosts  hosts
	secure bool
	edns   bool
	drop   func(string) (bool, error)

	first atomic.Uint32 // the server to begin with: the last one that answered
}

// New makes a resolver. A file that does not exist is no error: without
// resolv.conf the name server is the one of this host, as with the system's
// own library. A file that cannot be read is one.
func New(o Options) (*Resolver, error) {
	conf, err := readConfig(o.Resolv, "/etc/resolv.conf")
	if err != nil {
		return nil, err
	}
	if len(o.Servers) > 0 {
		if conf.servers, err = parseServers(o.Servers); err != nil {
			return nil, err
		}
	}
	table, err := readHosts(o.Hosts, "/etc/hosts")
	if err != nil {
		return nil, err
	}
	return &Resolver{conf: conf, hosts: table, secure: o.Secure, edns: !o.NoEDNS, drop: o.Drop}, nil
}

// String gives the name of a type as in a zone file.
func (t Type) String() string { return typeName(uint16(t)) }
