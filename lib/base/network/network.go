// Package network reads addresses and networks as administrators write them:
// 192.0.2.1, 192.0.2.0/24, 2001:db8::/32, [2001:db8::]/32.
package network

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"postrider/lib/base/text"
)

// Parse reads a network or a single address. Exact is false when address bits
// beyond the mask were set; the network that is returned has them cleared.
func Parse(pattern string) (network netip.Prefix, exact bool, err error) {
	base, mask, masked := strings.Cut(pattern, "/")
	if strings.HasPrefix(base, "[") {
		if !strings.HasSuffix(base, "]") {
			return network, false, fmt.Errorf("missing ']' character after %q", pattern)
		}
		base = base[1 : len(base)-1]
	}
	addr, err := netip.ParseAddr(base)
	if err != nil || addr.Zone() != "" {
		if masked {
			return network, false, fmt.Errorf("bad network value in %q", pattern)
		}
		return network, false, fmt.Errorf("bad address pattern: %q", pattern)
	}
	bits := addr.BitLen()
	if masked {
		if !text.Digits(mask) {
			return network, false, fmt.Errorf("bad mask value in %q", pattern)
		}
		if bits, err = strconv.Atoi(mask); err != nil || bits > addr.BitLen() {
			return network, false, fmt.Errorf("bad mask length in %q", pattern)
		}
	}
	network = netip.PrefixFrom(addr, bits).Masked()
	return network, network.Addr() == addr, nil
}

// Address reads the address of a client: an IPv6 address may have a scope, which
// does not count, or be one that stands for an IPv4 address. Ok is false for
// other text.
func Address(s string) (addr netip.Addr, ok bool) {
	addr, err := netip.ParseAddr(s)
	return addr.Unmap().WithZone(""), err == nil
}

// HostBits is the warning for a network with bits beyond the mask.
func HostBits(pattern string, network netip.Prefix) string {
	return fmt.Sprintf("non-null host address bits in %q, perhaps you should use %q instead", pattern, network)
}
