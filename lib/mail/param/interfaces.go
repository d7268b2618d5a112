package param

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"

	"postrider/lib/base/text"
)

// myNetworks returns the default of mynetworks: the networks of this machine,
// as mynetworks_style, inet_interfaces and inet_protocols say. The addresses
// come from the kernel directly; package net would be a large part of the
// smallest programs.
func (s *Settings) myNetworks() (string, error) {
	style, err := s.Evaluate("$mynetworks_style")
	if err != nil {
		return "", err
	}
	all, err := interfacePrefixes()
	if err != nil {
		return "", fmt.Errorf("cannot list the network interfaces: %w", err)
	}
	own := s.listened(all)
	var networks []string
	for _, prefix := range own {
		network, err := networkOf(prefix, style)
		if err != nil {
			return "", err
		}
		item := network.String()
		if network.Addr().Is6() {
			item = fmt.Sprintf("[%s]/%d", network.Addr(), network.Bits())
		}
		if !slices.Contains(networks, item) {
			networks = append(networks, item)
		}
	}
	return strings.Join(networks, " "), nil
}

// networkOf returns the network that an address makes trusted.
func networkOf(prefix netip.Prefix, style string) (netip.Prefix, error) {
	addr, bits := prefix.Addr(), prefix.Bits()
	switch style {
	case "host":
		bits = addr.BitLen()
	case "subnet":
	case "class": // IPv6 has no classes
		if addr.Is4() {
			switch first := addr.As4()[0]; {
			case first < 128:
				bits = 8
			case first < 192:
				bits = 16
			case first < 224:
				bits = 24
			default:
				bits = 32
			}
		}
	default:
		return prefix, fmt.Errorf("mynetworks_style = %s: want host, subnet or class", style)
	}
	return netip.PrefixFrom(addr, bits).Masked(), nil
}

// listened returns those addresses that inet_interfaces and inet_protocols
// name, with the masks of their interfaces.
func (s *Settings) listened(all []netip.Prefix) []netip.Prefix {
	protocols := text.Split(s.Value("inet_protocols"))
	enabled := func(addr netip.Addr) bool {
		return slices.Contains(protocols, "all") || len(protocols) == 0 ||
			addr.Is4() && slices.Contains(protocols, "ipv4") ||
			addr.Is6() && slices.Contains(protocols, "ipv6")
	}
	var wanted []netip.Addr
	any := false
	for _, item := range text.Split(s.Value("inet_interfaces")) {
		switch item {
		case "all":
			any = true
		case "loopback-only":
			for _, prefix := range all {
				if prefix.Addr().IsLoopback() {
					wanted = append(wanted, prefix.Addr())
				}
			}
		default:
			wanted = append(wanted, hostAddresses(item)...)
		}
	}
	var own []netip.Prefix
	for _, prefix := range all {
		if enabled(prefix.Addr()) && (any || slices.Contains(wanted, prefix.Addr())) {
			own = append(own, prefix)
		}
	}
	return own
}

// hostAddresses returns the addresses of an item of inet_interfaces: an
// address, or a name that /etc/hosts knows.
func hostAddresses(item string) []netip.Addr {
	if addr, err := netip.ParseAddr(strings.Trim(item, "[]")); err == nil {
		return []netip.Addr{addr.WithZone("")}
	}
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil {
		return nil
	}
	var found []netip.Addr
	for line := range strings.Lines(string(hosts)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 2 || !slices.ContainsFunc(fields[1:], func(name string) bool { return strings.EqualFold(name, item) }) {
			continue
		}
		if addr, err := netip.ParseAddr(fields[0]); err == nil {
			found = append(found, addr.WithZone(""))
		}
	}
	return found
}

// interfacePrefixes asks the kernel for the addresses of all interfaces that
// are up. Source: rtnetlink(7).
func interfacePrefixes() ([]netip.Prefix, error) {
	up, err := interfacesUp()
	if err != nil {
		return nil, err
	}
	table, err := syscall.NetlinkRIB(syscall.RTM_GETADDR, syscall.AF_UNSPEC)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseNetlinkMessage(table)
	if err != nil {
		return nil, err
	}
	var four, six []netip.Prefix
	for _, m := range messages {
		if m.Header.Type != syscall.RTM_NEWADDR || len(m.Data) < syscall.SizeofIfAddrmsg {
			continue
		}
		index := int32(m.Data[4]) | int32(m.Data[5])<<8 | int32(m.Data[6])<<16 | int32(m.Data[7])<<24
		attributes, err := syscall.ParseNetlinkRouteAttr(&m)
		if err != nil || !up[index] {
			continue
		}
		addr := interfaceAddress(attributes)
		prefix := netip.PrefixFrom(addr, int(m.Data[1]))
		switch {
		case !prefix.IsValid():
		case addr.Is4():
			four = append(four, prefix)
		default:
			six = append(six, prefix)
		}
	}
	return append(four, six...), nil
}

// interfaceAddress picks the machine's own address; on a point-to-point link
// that is the one called local.
func interfaceAddress(attributes []syscall.NetlinkRouteAttr) netip.Addr {
	var addr netip.Addr
	for _, a := range attributes {
		switch {
		case a.Attr.Type == syscall.IFA_LOCAL:
			addr, _ = netip.AddrFromSlice(a.Value)
			return addr
		case a.Attr.Type == syscall.IFA_ADDRESS:
			addr, _ = netip.AddrFromSlice(a.Value)
		}
	}
	return addr
}

// interfacesUp returns the indexes of the interfaces that are in use.
func interfacesUp() (map[int32]bool, error) {
	table, err := syscall.NetlinkRIB(syscall.RTM_GETLINK, syscall.AF_UNSPEC)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseNetlinkMessage(table)
	if err != nil {
		return nil, err
	}
	up := make(map[int32]bool)
	for _, m := range messages {
		if m.Header.Type != syscall.RTM_NEWLINK || len(m.Data) < syscall.SizeofIfInfomsg {
			continue
		}
		index := int32(m.Data[4]) | int32(m.Data[5])<<8 | int32(m.Data[6])<<16 | int32(m.Data[7])<<24
		up[index] = m.Data[8]&syscall.IFF_UP != 0
	}
	return up, nil
}
