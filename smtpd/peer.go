package main

import (
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/net/dns"
	"postrider/smtpd/access"
)

// unknownClient is a client about which nothing is known.
func unknownClient() access.Client {
	return access.Client{Name: access.Unknown, NameStatus: access.NamePermanent, Reverse: access.Unknown,
		ReverseStatus: access.NamePermanent, Address: access.Unknown, Port: access.Unknown}
}

// localClient is a person or program on this machine.
func localClient() access.Client {
	return access.Client{Name: "localhost", NameStatus: access.NameOK, Reverse: "localhost", ReverseStatus: access.NameOK,
		Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Address: "127.0.0.1", Port: "0"}
}

// identify finds out who is at the other end of the connection.
func (s *session) identify(passed attr.List) {
	s.client = unknownClient()
	if s.alone {
		s.client, s.family = localClient(), syscall.AF_INET
		return
	}
	if passed != nil {
		s.endpoints(passed.Get("client_address"), passed.Get("client_port"), passed.Get("server_address"), passed.Get("server_port"))
	} else if s.proxied != nil {
		s.proxiedEndpoints()
	} else {
		s.socketEndpoints()
	}
	if !s.client.Addr.IsValid() {
		// A UNIX socket, or a client that went away already.
		s.client.Name, s.client.Address = "localhost", "127.0.0.1"
		s.client.NameStatus, s.client.Reverse, s.client.ReverseStatus = access.NameOK, "localhost", access.NameOK
		s.client.Addr, s.family = netip.AddrFrom4([4]byte{127, 0, 0, 1}), syscall.AF_INET
		return
	}
	if conf.PeernameLookup {
		s.lookUpName()
	} else {
		s.client.NameStatus, s.client.ReverseStatus = access.NameTempfail, access.NameTempfail
	}
}

// socketEndpoints asks the kernel for both ends.
func (s *session) socketEndpoints() {
	peer, err := syscall.Getpeername(s.fd)
	if err != nil {
		return
	}
	addr, port := socketAddress(peer)
	here := netip.Addr{}
	herePort := ""
	if local, err := syscall.Getsockname(s.fd); err == nil {
		here, herePort = socketAddress(local)
	}
	if !addr.IsValid() {
		return
	}
	s.endpoints(addr.String(), port, here.String(), herePort)
}

func socketAddress(sa syscall.Sockaddr) (netip.Addr, string) {
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrFrom4(sa.Addr), strconv.Itoa(sa.Port)
	case *syscall.SockaddrInet6:
		return netip.AddrFrom16(sa.Addr).Unmap(), strconv.Itoa(sa.Port)
	}
	return netip.Addr{}, ""
}

func (s *session) endpoints(address, port, server, serverPort string) {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return
	}
	s.setAddress(addr.Unmap().WithZone(""))
	s.client.Port = port
	s.server = access.Endpoint{Address: server, Port: serverPort}
}

func (s *session) setAddress(addr netip.Addr) {
	s.client.Addr, s.client.Address, s.family = addr, addr.String(), syscall.AF_INET
	if addr.Is6() {
		s.family = syscall.AF_INET6
	}
}

// lookUpName finds the name of the client. It counts as verified only when
// the addresses of that name include the client's.
func (s *session) lookUpName() {
	c := &s.client
	name, err := s.names.HostName(c.Addr)
	if err != nil {
		c.NameStatus = access.NamePermanent
		if dns.KindOf(err) == dns.Retry {
			c.NameStatus = access.NameTempfail
		}
		c.ReverseStatus = c.NameStatus
		return
	}
	if name = strings.TrimSuffix(name, "."); !dns.ValidHostname(name) {
		msg.Warn("numeric or malformed hostname: %s", name)
		return
	}
	c.Reverse, c.ReverseStatus = name, access.NameOK
	addrs, err := s.names.Native(name, familyOf(c.Addr))
	if err != nil {
		msg.Warn("hostname %s does not resolve to address %s: %v", name, c.Address, err)
		c.NameStatus = access.NamePermanent
		if dns.KindOf(err) == dns.Retry {
			c.NameStatus = access.NameTempfail
		}
		return
	}
	for _, a := range addrs {
		if a.Unmap() == c.Addr {
			c.Name, c.NameStatus = name, access.NameOK
			return
		}
	}
	msg.Warn("hostname %s does not resolve to address %s", name, c.Address)
	c.NameStatus = access.NameForged
}

func familyOf(addr netip.Addr) dns.Family {
	if addr.Is6() {
		return dns.IPv6
	}
	return dns.IPv4
}

// literalAddress is the form of an address in headers. Source: RFC 5321,
// section 4.1.3.
func literalAddress(address string) string {
	if strings.Contains(address, ":") {
		return "IPv6:" + address
	}
	return address
}
