package main

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/net/haproxy"
	"postrider/smtpd/access"
)

// readProxyHeader learns from a proxy who the client is, before the client's own
// bytes. False: the proxy did not say it, and there is no session.
func (s *session) readProxyHeader() bool {
	if s.alone || s.passed || s.haproxy == nil {
		return true
	}
	h, got, err := s.proxyHeader(time.Now().Add(conf.UpstreamProxyTimeout))
	if err != nil {
		reason := err.Error()
		if len(got) > 0 {
			reason += ": " + text.Escape(got)
		}
		msg.Warn("haproxy read: %s", reason)
		s.client, s.refusesProxy = unknownClient(), true
		s.socketEndpoints()
		return false
	}
	if !h.Local() {
		s.proxied = &h
	}
	return true
}

// proxyHeader reads a header and nothing behind it. It also returns what there is of
// one when it makes no sense.
func (s *session) proxyHeader(deadline time.Time) (h haproxy.Header, got []byte, err error) {
	buffer := make([]byte, haproxy.Limit)
	defer s.s.SetTimeout(conf.Timeout)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return h, got, lateHeader(got)
		}
		s.s.SetTimeout(left)
		n, _, err := unix.Recvfrom(s.fd, buffer[len(got):], unix.MSG_PEEK)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return h, got, lateHeader(got)
		case err != nil:
			return h, got, err
		case n == 0:
			return h, got, errors.New("EOF")
		}
		h, length, err := s.haproxy.Read(buffer[:len(got)+n])
		use := n
		if err == nil {
			use = length - len(got)
		}
		unix.Read(s.fd, buffer[len(got):len(got)+use])
		got = buffer[:len(got)+use]
		if !errors.Is(err, haproxy.ErrShort) {
			return h, got, err
		}
	}
}

func lateHeader(got []byte) error {
	if len(got) > 0 {
		return errors.New("missing protocol header terminator")
	}
	return errors.New("timeout error")
}

// proxiedEndpoints are both ends as the proxy says.
func (s *session) proxiedEndpoints() {
	s.setAddress(s.proxied.Client.Addr())
	s.client.Port = portText(s.proxied.Client)
	s.server = access.Endpoint{Address: s.proxied.Server.Addr().String(), Port: portText(s.proxied.Server)}
}

func portText(a netip.AddrPort) string {
	text := a.String()
	return text[strings.LastIndexByte(text, ':')+1:]
}

// openProxy reads smtpd_upstream_proxy_protocol.
func (sv *service) openProxy(protocols string) error {
	switch strings.ToLower(conf.UpstreamProxyProtocol) {
	case "":
		return nil
	case "haproxy":
		all := strings.Contains(protocols, "all")
		sv.haproxy = &haproxy.Reader{IPv4: all || strings.Contains(protocols, "ipv4"), IPv6: all || strings.Contains(protocols, "ipv6")}
		return nil
	}
	return errors.New("parameter smtpd_upstream_proxy_protocol: " + conf.UpstreamProxyProtocol + ": want haproxy")
}
