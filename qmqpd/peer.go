package main

import (
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"postrider/lib/base/msg"
	"postrider/lib/net/dns"
)

// A resolver finds the names of clients.
type resolver interface {
	HostName(addr netip.Addr) (string, error)
	Native(host string, f dns.Family) ([]netip.Addr, error)
}

// A peer is the client at the other end of the connection.
type peer struct {
	name    string // "unknown" when the address has none that leads back to it
	address string
	port    string
	six     bool
}

// String is the client in the log.
func (p peer) String() string {
	text := p.name + "[" + p.address + "]"
	if conf.ClientPortLogging && p.port != "" {
		text += ":" + p.port
	}
	return text
}

// findPeer asks the kernel and the name servers. Who is on a socket of this machine
// is local.
func findPeer(fd int) peer {
	if fd >= 0 {
		if sa, err := syscall.Getpeername(fd); err == nil {
			switch sa := sa.(type) {
			case *syscall.SockaddrInet4:
				return named(netip.AddrFrom4(sa.Addr), sa.Port)
			case *syscall.SockaddrInet6:
				return named(netip.AddrFrom16(sa.Addr).Unmap(), sa.Port)
			}
		}
	}
	return peer{name: "localhost", address: "127.0.0.1"}
}

// named finds the name of an address. It counts only when the addresses of the name
// include this one.
func named(addr netip.Addr, port int) peer {
	p := peer{name: "unknown", address: addr.String(), port: strconv.Itoa(port), six: addr.Is6()}
	name, err := daemon.names.HostName(addr)
	if name = strings.TrimSuffix(name, "."); err != nil || !dns.ValidHostname(name) {
		return p
	}
	family := dns.IPv4
	if p.six {
		family = dns.IPv6
	}
	list, err := daemon.names.Native(name, family)
	if err != nil {
		msg.Warn("hostname %s does not resolve to address %s: %v", name, p.address, err)
		return p
	}
	for _, a := range list {
		if a.Unmap() == addr {
			p.name = name
			return p
		}
	}
	msg.Warn("hostname %s does not resolve to address %s", name, p.address)
	return p
}
