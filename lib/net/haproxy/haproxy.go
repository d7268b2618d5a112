// Package haproxy reads what a proxy in front of a server says about its client,
// before the client's own bytes. Source: The PROXY protocol, versions 1 and 2.
package haproxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// A Header says between whom the connection is. Neither is valid when the proxy
// talks for itself, such as to see whether the server lives.
type Header struct {
	Client, Server netip.AddrPort
}

// Local reports whether the proxy talks for itself.
func (h Header) Local() bool { return !h.Client.IsValid() }

// ErrShort says that more bytes must come.
var ErrShort = errors.New("short protocol header")

// A Reader knows which addresses are good for anything here.
type Reader struct {
	IPv4, IPv6 bool
}

const (
	// MaxLine is the longest header of version 1, with its end.
	MaxLine = 107

	line1     = "PROXY " // how version 1 begins
	signature = "\r\n\r\n\x00\r\nQUIT\n"
	fixed     = len(signature) + 4 // of version 2, before the addresses

	// Limit is what a header of either version has at most: of version 2 more
	// would be possible, and is not good for anything.
	Limit = fixed + 520
)

// Read reads a header from the start of what has come, and tells its length. With
// ErrShort, what came can still become a header.
func (r Reader) Read(b []byte) (h Header, length int, err error) {
	switch {
	case bytes.HasPrefix(b, []byte(signature)):
		return r.readBinary(b)
	case len(b) < len(signature) && strings.HasPrefix(signature, string(b)):
		return h, 0, ErrShort
	}
	if !strings.HasPrefix(line1, string(b[:min(len(b), len(line1))])) {
		if len(b) < fixed {
			return h, 0, errors.New("short protocol header")
		}
		return h, 0, errors.New("unrecognized protocol header")
	}
	line, _, found := bytes.Cut(b[:min(len(b), MaxLine)], []byte("\n"))
	if !found {
		if len(b) < MaxLine {
			return h, 0, ErrShort
		}
		return h, 0, errors.New("missing protocol header terminator")
	}
	h, err = r.readLine(strings.TrimSuffix(string(line), "\r"))
	return h, len(line) + 1, err
}

// readLine reads "PROXY TCP4 192.0.2.1 192.0.2.2 10000 25".
func (r Reader) readLine(line string) (h Header, err error) {
	words := strings.Fields(line)
	word := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	kind := word(1)
	if !(kind == "TCP4" && r.IPv4 || kind == "TCP6" && r.IPv6) {
		return h, errors.New("bad or missing protocol type")
	}
	for i, end := range []struct {
		who string
		to  *netip.AddrPort
	}{{"client", &h.Client}, {"server", &h.Server}} {
		addr, err := netip.ParseAddr(word(2 + i))
		if err != nil || addr.Zone() != "" || addr.Is4() != (kind == "TCP4") {
			return Header{}, fmt.Errorf("bad or missing %s address", end.who)
		}
		*end.to = netip.AddrPortFrom(addr.Unmap(), 0)
	}
	for i, end := range []struct {
		who string
		to  *netip.AddrPort
	}{{"client", &h.Client}, {"server", &h.Server}} {
		port, err := strconv.ParseUint(word(4+i), 10, 16)
		if err != nil {
			return Header{}, fmt.Errorf("bad or missing %s port", end.who)
		}
		*end.to = netip.AddrPortFrom(end.to.Addr(), uint16(port))
	}
	return h, nil
}

// The second half of byte 12 says who talks, byte 13 what the addresses are.
const (
	versionTwo = 0x20
	forItself  = 0x0
	forClient  = 0x1
	tcp4       = 0x11
	tcp6       = 0x21
)

// readBinary reads a header of version 2.
func (r Reader) readBinary(b []byte) (h Header, length int, err error) {
	if len(b) < fixed {
		return h, 0, ErrShort
	}
	command, family := b[12], b[13]
	length = fixed + int(binary.BigEndian.Uint16(b[14:]))
	switch {
	case command&0xf0 != versionTwo:
		return h, 0, errors.New("unrecognized protocol version")
	case command&0xf > forClient:
		return h, 0, errors.New("bad command in proxy header")
	case length > Limit:
		return h, 0, errors.New("header too long")
	}
	size := 0 // of one address
	switch {
	case command&0xf == forItself:
	case family == tcp4 && r.IPv4:
		size = 4
	case family == tcp6 && r.IPv6:
		size = 16
	default:
		return h, 0, errors.New("unsupported network protocol")
	}
	if size > 0 && length < fixed+2*size+4 {
		return h, 0, errors.New("short address field")
	}
	if len(b) < length {
		return h, 0, ErrShort
	}
	if size > 0 {
		h.Client, h.Server = endpoint(b[fixed:], size, 0), endpoint(b[fixed:], size, 1)
	}
	return h, length, nil
}

// endpoint reads address and port number n: first come both addresses.
func endpoint(b []byte, size, n int) netip.AddrPort {
	addr, _ := netip.AddrFromSlice(b[n*size : n*size+size])
	return netip.AddrPortFrom(addr.Unmap(), binary.BigEndian.Uint16(b[2*size+2*n:]))
}
