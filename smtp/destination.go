package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"postrider/lib/base/text"
)

// A destination is one next hop of a request, or a fallback relay.
type destination struct {
	text     string // as it was written
	host     string // domain, host name, or address without brackets
	port     int
	path     string // of an LMTP server's socket, instead of the above
	service  string // or port, as it was written
	mx       bool   // the host is a domain that may have mail exchangers
	named    bool   // the host is a name without brackets
	fallback bool
}

// destinations reads a list of next hops, and adds the fallback relays.
func destinations(nexthop string) ([]destination, error) {
	list, err := parseDestinations(nil, nexthop, false)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("null destination: %q", nexthop)
	}
	if list[0].path != "" {
		return list, nil
	}
	return parseDestinations(list, conf.FallbackRelay, true)
}

func parseDestinations(list []destination, words string, fallback bool) ([]destination, error) {
	for _, word := range text.Split(words) {
		d, err := parseDestination(word)
		if err != nil {
			return nil, fmt.Errorf("%w in server description: %s", err, word)
		}
		d.fallback = fallback
		list = append(list, d)
	}
	return list, nil
}

// parseDestination reads "domain", "host:port", "[host]", "[address]:port" or,
// for LMTP, these with "inet:" in front, or "unix:path". LMTP servers are
// always named themselves: there are no mail exchangers for LMTP.
func parseDestination(word string) (destination, error) {
	d := destination{text: word, mx: !lmtp, named: true}
	if lmtp {
		if path, ok := strings.CutPrefix(word, "unix:"); ok {
			if path == "" {
				return d, errors.New("missing path name")
			}
			d.path = path
			return d, nil
		}
		word = strings.TrimPrefix(word, "inet:")
	}
	host, service := word, ""
	if inside, ok := strings.CutPrefix(word, "["); ok {
		var rest string
		if host, rest, ok = strings.Cut(inside, "]"); !ok {
			return d, errors.New("missing \"]\"")
		}
		if service, ok = strings.CutPrefix(rest, ":"); !ok && rest != "" {
			return d, errors.New("garbage after \"]\"")
		}
		d.mx, d.named = false, false
		if len(host) > 5 && strings.EqualFold(host[:5], "ipv6:") {
			host = host[5:]
		}
	} else if i := strings.LastIndexByte(word, ':'); i >= 0 {
		host, service = word[:i], word[i+1:]
		if strings.Contains(host, ":") {
			return d, errors.New("IPv6 address without \"[ipv6:...]\"")
		}
	}
	if host == "" {
		return d, errors.New("missing host")
	}
	if strings.HasSuffix(word, ":") {
		return d, errors.New("missing service")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		d.mx, d.named = false, false
	}
	d.host = host
	if service == "" {
		service = conf.TCPPort
	}
	d.service = service
	var err error
	d.port, err = conf.Ports.Number(service)
	return d, err
}
