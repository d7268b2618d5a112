package main

import (
	"fmt"
	"net/netip"
	"strings"
)

// A destination is where to look for servers.
type destination struct {
	text    string // as it was written
	host    string // domain, host, or address without brackets
	service string // port, as it was written, or the default
	port    int
	path    string // of a socket, instead of the above
	mx      bool   // it may have mail exchangers
}

// parseDestination reads "domain", "host:port", "[host]", "[address]:port" or, for
// LMTP, these with "inet:" in front, or "unix:path".
func parseDestination(word string, lmtp bool) (destination, error) {
	d := destination{text: word, mx: !lmtp, service: "smtp"}
	if lmtp {
		d.service = "24"
		if path, ok := strings.CutPrefix(word, "unix:"); ok {
			if path == "" {
				return d, fmt.Errorf("missing path name in server description: %s", word)
			}
			d.path = path
			return d, nil
		}
		word = strings.TrimPrefix(word, "inet:")
		d.text = word
	}
	problem := func(what string) (destination, error) {
		return d, fmt.Errorf("%s in server description: %s", what, d.text)
	}
	service := ""
	if inside, ok := strings.CutPrefix(word, "["); ok {
		d.mx = false
		var rest string
		if d.host, rest, ok = strings.Cut(inside, "]"); !ok {
			return problem(`missing "]"`)
		}
		if service, ok = strings.CutPrefix(rest, ":"); !ok && rest != "" {
			return problem(`garbage after "]"`)
		}
		if len(d.host) > 5 && strings.EqualFold(d.host[:5], "ipv6:") {
			d.host = d.host[5:]
		}
	} else if i := strings.LastIndexByte(word, ':'); i >= 0 {
		if d.host, service = word[:i], word[i+1:]; strings.Contains(d.host, ":") {
			return problem("valid hostname or network address required")
		}
	} else {
		d.host = word
	}
	switch {
	case d.host == "":
		return problem("missing host information")
	case strings.HasSuffix(word, ":"):
		return problem("missing service")
	case service != "":
		d.service = service
	}
	if _, err := netip.ParseAddr(d.host); err == nil {
		d.mx = false
	}
	var err error
	d.port, err = conf.Ports.Number(d.service)
	return d, err
}
