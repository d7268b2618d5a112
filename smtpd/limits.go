package main

import (
	"net/netip"

	"postrider/lib/base/match"
	"postrider/lib/base/msg"
	"postrider/lib/service/anvil"
)

// limited reports whether limits count for this client at all.
func (s *session) limited() bool {
	return !s.alone && s.limitable && !s.inList(s.limitExceptions, "smtpd_client_event_limit_exceptions")
}

// inList reports whether the client is in a list of clients. A list that
// cannot be read has nobody in it.
func (s *session) inList(list *match.List, parameter string) bool {
	found, err := list.MatchClient(s.client.Name, s.client.Address)
	if err != nil {
		msg.Warn("%s: %v", parameter, err)
	}
	return found
}

// network is what counts as one client: its address, or the network around it.
func (s *session) network() string {
	bits := conf.ClientIPv4PrefixLength
	if s.client.Addr.Is6() {
		bits = conf.ClientIPv6PrefixLength
	}
	if !s.client.Addr.IsValid() || bits >= s.client.Addr.BitLen() {
		return s.client.Address
	}
	return netip.PrefixFrom(s.client.Addr, bits).Masked().String()
}

// tooBusy counts the connection. The result is the reply for a client that has
// too many of them.
func (s *session) tooBusy() string {
	if s.alone || conf.ClientConnectionCountLimit == 0 && conf.ClientConnectionRateLimit == 0 || !s.limited() {
		return ""
	}
	s.ident = anvil.Ident(s.name, s.network())
	count, rate, err := s.anvil.Connect(s.ident)
	if err != nil {
		msg.Warn("%v", err)
		return ""
	}
	s.counted, s.connections = true, count
	refusal := "421 4.7.0 " + conf.MyHostname + " Error: too many connections from " + s.client.Address
	switch {
	case conf.ClientConnectionCountLimit > 0 && count > conf.ClientConnectionCountLimit:
		msg.Warn("Connection concurrency limit exceeded: %d from %s for service %s", count, s.nameAddr(), s.name)
	case conf.ClientConnectionRateLimit > 0 && rate > conf.ClientConnectionRateLimit:
		msg.Warn("Connection rate limit exceeded: %d from %s for service %s", rate, s.nameAddr(), s.name)
	default:
		return ""
	}
	s.history.trouble("policy")
	return refusal
}

// leave tells the end of the connection.
func (s *session) leave() {
	if s.counted {
		s.anvil.Disconnect(s.ident)
	}
}

func (s *session) limitMessages() reply {
	return s.limitEvent(anvil.Message, conf.ClientMessageRateLimit, "Message delivery request", "mail")
}

func (s *session) limitRecipients() reply {
	return s.limitEvent(anvil.Recipient, conf.ClientRecipientRateLimit, "Recipient address", "recipients")
}

// limitEvent counts a message or recipient, and refuses one too many.
func (s *session) limitEvent(event string, limit int, what, things string) reply {
	if limit == 0 || !s.limited() {
		return ok("")
	}
	s.ident = anvil.Ident(s.name, s.network())
	rate, err := s.anvil.Event(event, s.ident)
	if err != nil || rate <= limit {
		if err != nil {
			msg.Warn("%v", err)
		}
		return ok("")
	}
	msg.Warn("%s rate limit exceeded: %d from %s for service %s", what, rate, s.nameAddr(), s.name)
	many := "many"
	if things == "mail" {
		many = "much"
	}
	return refuse("policy", "450 4.7.1 Error: too "+many+" "+things+" from "+s.client.Address)
}
