package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"postrider/lib/base/text"
)

// splitHostPort takes the name of an inet service apart: "port", "host:port",
// "[host]:port" or, with an IPv6 address, "2001:db8::1:port". The host is empty
// for all of $inet_interfaces.
func splitHostPort(name string) (host, port string) {
	i := strings.LastIndexByte(name, ':')
	if i < 0 || strings.HasSuffix(name, "]") {
		return "", name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(name[:i], "["), "]")
	return host, name[i+1:]
}

// hostAddresses gives the addresses to listen on; for an empty host those that
// inet_interfaces names. "all" becomes the address that stands for any, so that
// interfaces may come and go.
func (r *reader) hostAddresses(host string) ([]netip.Addr, error) {
	v4, v6 := r.conf.Protocols()
	v6 = v6 && hasIPv6()
	if host != "" {
		return lookupHost(host, v4, v6)
	}
	if text.Trim(r.conf.InetInterfaces) == "all" {
		var any []netip.Addr
		if v4 {
			any = append(any, netip.IPv4Unspecified())
		}
		if v6 {
			any = append(any, netip.IPv6Unspecified())
		}
		return any, nil
	}
	return r.conf.Interfaces.Addresses()
}

// lookupTimeout bounds the search for host names, because mail stands still
// meanwhile. Use addresses in master.cf.
const lookupTimeout = 20 * time.Second

func lookupHost(host string, v4, v6 bool) ([]netip.Addr, error) {
	var found []netip.Addr
	if addr, err := netip.ParseAddr(strings.TrimPrefix(strings.ToLower(host), "ipv6:")); err == nil {
		found = append(found, addr.Unmap())
	} else {
		ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
		defer cancel()
		if found, err = net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil {
			return nil, fmt.Errorf("bad hostname or network address: %s: %w", host, err)
		}
	}
	var usable []netip.Addr
	for _, addr := range found {
		if addr = addr.Unmap().WithZone(""); addr.Is4() && v4 || addr.Is6() && v6 {
			usable = append(usable, addr)
		}
	}
	if len(usable) == 0 && len(found) > 0 && (v4 || v6) {
		return nil, fmt.Errorf("%s has no address of the families that inet_protocols allows", host)
	}
	return usable, nil
}
