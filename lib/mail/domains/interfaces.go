package domains

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Interfaces are the parameters that say which addresses are this machine's.
type Interfaces struct {
	// NETWORK ADDRESSES

	// The addresses on which mail is received: "all", "loopback-only", or a
	// list of addresses and host names. Mail for user@[address] is local for
	// each of them.
	InetInterfaces string `param:"inet_interfaces" default:"all"`

	// More addresses that lead to this machine, such as the outside address
	// of a translating firewall. The machine does not listen on them; it
	// knows that mail for them is its own.
	ProxyInterfaces string `param:"proxy_interfaces" default:""`

	// The address families in use: "ipv4", "ipv6", or "all" for both where
	// the kernel has them.
	InetProtocols string `param:"inet_protocols" default:"all"`
}

// Addresses lists the addresses of $inet_interfaces without zones, each once.
func (i Interfaces) Addresses() ([]netip.Addr, error) {
	var list []netip.Addr
	for _, word := range strings.FieldsFunc(i.InetInterfaces, separator) {
		found, err := i.named(word)
		if err != nil {
			return nil, fmt.Errorf("inet_interfaces: %w", err)
		}
		list = append(list, found...)
	}
	if list = i.usable(list); len(list) == 0 {
		return nil, fmt.Errorf("inet_interfaces: no address in %q", i.InetInterfaces)
	}
	return list, nil
}

// Proxies lists the addresses of $proxy_interfaces.
func (i Interfaces) Proxies() ([]netip.Addr, error) {
	var list []netip.Addr
	for _, word := range strings.FieldsFunc(i.ProxyInterfaces, separator) {
		found, err := lookup(word)
		if err != nil {
			return nil, fmt.Errorf("proxy_interfaces: %w", err)
		}
		list = append(list, found...)
	}
	return i.usable(list), nil
}

func (i Interfaces) named(word string) ([]netip.Addr, error) {
	switch {
	case strings.EqualFold(word, "all"):
		return hardware(func(netip.Addr) bool { return true })
	case strings.EqualFold(word, "loopback-only"):
		return hardware(netip.Addr.IsLoopback)
	}
	return lookup(word)
}

func hardware(want func(netip.Addr) bool) ([]netip.Addr, error) {
	nets, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	var list []netip.Addr
	for _, n := range nets {
		if ipnet, ok := n.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(ipnet.IP); ok && want(addr.Unmap()) {
				list = append(list, addr.Unmap())
			}
		}
	}
	return list, nil
}

// lookup gives the addresses of a host name, or the address that word is.
func lookup(word string) ([]netip.Addr, error) {
	text := strings.TrimSuffix(strings.TrimPrefix(word, "["), "]")
	if addr, err := netip.ParseAddr(text); err == nil {
		return []netip.Addr{addr.Unmap()}, nil
	}
	return net.DefaultResolver.LookupNetIP(context.Background(), "ip", word)
}

// usable drops repeated addresses and those of families not in use.
func (i Interfaces) usable(list []netip.Addr) []netip.Addr {
	v4, v6 := i.Protocols()
	seen := make(map[netip.Addr]bool)
	kept := list[:0]
	for _, addr := range list {
		addr = addr.Unmap().WithZone("")
		if seen[addr] || addr.Is4() && !v4 || addr.Is6() && !v6 {
			continue
		}
		seen[addr] = true
		kept = append(kept, addr)
	}
	return kept
}

// Protocols says which address families $inet_protocols allows.
func (i Interfaces) Protocols() (v4, v6 bool) {
	for _, word := range strings.FieldsFunc(i.InetProtocols, separator) {
		switch strings.ToLower(word) {
		case "all":
			return true, true
		case "ipv4":
			v4 = true
		case "ipv6":
			v6 = true
		}
	}
	return v4, v6
}

// Literal gives the address of an address literal, "[192.0.2.1]" or
// "[IPv6:2001:db8::1]". Source: RFC 5321, section 4.1.3.
func Literal(domain string) (netip.Addr, bool) {
	if len(domain) < 2 || domain[0] != '[' || domain[len(domain)-1] != ']' {
		return netip.Addr{}, false
	}
	text := domain[1 : len(domain)-1]
	const tag = "ipv6:"
	six := len(text) > len(tag) && strings.EqualFold(text[:len(tag)], tag)
	if six {
		text = text[len(tag):]
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" || six != addr.Is6() {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}
