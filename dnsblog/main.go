// Dnsblog asks lists in the DNS about clients, for postscreen(8), and logs what
// they say.
//
// # DESCRIPTION
//
// A request names a list and the address of a client. Dnsblog turns the address
// around, as such lists want it, and looks for address records of that name below
// the domain of the list. The reply has the addresses that were found, and for how
// long that is good. Each process does one lookup at a time; there are as many
// processes as there is work.
//
// # SECURITY
//
// Dnsblog needs no privileges and can run in a chroot jail. It sends queries to
// servers of the DNS, and reads what they answer.
//
// # STANDARDS
//
// RFC 5782 (lists in the DNS).
//
// # DIAGNOSTICS
//
// A client that is on a list is logged, with the list and the address that it
// gave; so are lookups that fail.
package main

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/daemon/server"
	"postrider/lib/net/dns"
	"postrider/lib/service/dnsblog"
)

func main() {
	server.Main(server.Daemon{
		Name:      "dnsblog",
		Params:    &conf,
		Limit:     server.NoLimit,
		UseAlways: true,
		PreJail:   open,
		Serve:     server.Single(serve),
	})
}

// A lookup finds the records of a name.
type lookup func(name string, t dns.Type) (dns.Answer, error)

// names asks the DNS.
var names lookup

func open(*server.Process) {
	resolver, err := dns.New(dns.Options{})
	if err != nil {
		msg.Fatal("%v", err)
	}
	names = resolver.Lookup
}

// serve answers one request.
func serve(s *stream.Stream, _ server.Client) {
	s.SetTimeout(conf.IPCTimeout)
	var q dnsblog.Request
	if err := attr.Read(s, &q); err != nil {
		msg.Debug("request: %v", err)
		return
	}
	reply := dnsblog.Reply{Request: q}
	reply.Found, reply.TTL = ask(names, q.Domain, q.Address)
	if conf.ReplyDelay > 0 {
		time.Sleep(conf.ReplyDelay)
	}
	attr.Write(s, reply)
	s.Flush()
}

// ask asks one list about one address.
func ask(names lookup, domain, address string) (found string, ttl int) {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		msg.Warn("unable to convert address %s: %v", address, err)
		return "", -1
	}
	name := reversed(addr) + domain
	answer, err := names(name, dns.TypeA)
	if err != nil {
		return "", absent(name, err)
	}
	var list []string
	ttl = -1
	for _, r := range answer.Records {
		if seconds := int(r.TTL / time.Second); ttl < 0 || seconds < ttl {
			ttl = seconds
		}
		list = append(list, r.Addr.String())
		msg.Info("addr %s listed by domain %s as %s", address, domain, r.Addr)
	}
	return strings.Join(list, " "), ttl
}

// absent logs a lookup without result, and says how long that is good.
func absent(name string, err error) (ttl int) {
	if e := (*dns.Error)(nil); errors.As(err, &e) && e.Kind == dns.NotFound {
		if e.TTL > 0 {
			return int(e.TTL / time.Second)
		}
		return -1
	}
	msg.Warn("lookup error for DNS query %s: %v", name, err)
	return -1
}

// reversed is an address in the form of names in such lists, with a dot at its
// end. Source: RFC 5782, sections 2.1 and 2.4.
func reversed(addr netip.Addr) string {
	addr = addr.Unmap()
	var b strings.Builder
	bytes := addr.AsSlice()
	slices.Reverse(bytes)
	for _, c := range bytes {
		if addr.Is4() {
			b.WriteString(decimal(c) + ".")
			continue
		}
		b.WriteString(hexDigit(c&15) + "." + hexDigit(c>>4) + ".")
	}
	return b.String()
}

func decimal(c byte) string { return strconv.Itoa(int(c)) }

func hexDigit(c byte) string { return strconv.FormatInt(int64(c), 16) }
