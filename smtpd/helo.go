package main

import (
	"strconv"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
)

// An ehloMask is a set of EHLO keywords.
type ehloMask int

const (
	maskPipelining ehloMask = 1 << iota
	maskSize
	maskVRFY
	maskETRN
	maskStartTLS
	maskAuth
	maskXclient
	maskXforward
	maskStatusCodes
	mask8BITMIME
	maskDSN
	maskSMTPUTF8
	maskChunking
	maskRequireTLS
	maskSilent
)

// maskNames are the words of smtpd_discard_ehlo_keywords, and the names that
// the log knows.
var maskNames = []struct {
	bit         ehloMask
	word, shown string
}{
	{mask8BITMIME, "8bitmime", "8BITMIME"},
	{maskAuth, "auth", "AUTH"},
	{maskETRN, "etrn", "ETRN"},
	{maskPipelining, "pipelining", "PIPELINING"},
	{maskSize, "size", "SIZE"},
	{maskVRFY, "vrfy", "VRFY"},
	{maskXclient, "xclient", "XCLIENT"},
	{maskXforward, "xforward", "XFORWARD"},
	{maskStatusCodes, "enhancedstatuscodes", "ENHANCEDSTATUSCODES"},
	{maskDSN, "dsn", "DSN"},
	{maskStartTLS, "starttls", "STARTTLS"},
	{maskSMTPUTF8, "smtputf8", "EHLO_MASK_SMTPUTF8"},
	{maskChunking, "chunking", "CHUNKING"},
	{maskRequireTLS, "requiretls", "REQUIRETLS"},
	{maskSilent, "silent-discard", ""},
}

// parseMask reads a list of keywords.
func parseMask(list, where string) ehloMask {
	var mask ehloMask
next:
	for _, word := range text.Split(list) {
		for _, known := range maskNames {
			if strings.EqualFold(word, known.word) {
				mask |= known.bit
				continue next
			}
		}
		msg.Warn("unknown EHLO keyword %q in %s", word, where)
	}
	return mask
}

func (s *session) heloCommand(args string) reply {
	if args == "" {
		return refuse("protocol", "501 Syntax: HELO hostname")
	}
	if r := s.hello(args); r.bad {
		return r
	}
	return ok("250 " + conf.MyHostname)
}

// hello takes the name of the client. A new HELO ends a transaction.
func (s *session) hello(args string) reply {
	before := s.helo
	s.helo = helloName(args)
	if !s.alone {
		if refusal := s.checker.CheckHello(s.facts()); refusal != nil {
			s.helo = before
			return refused(refusal)
		}
	}
	r, refused := s.heloMilters(before)
	s.abort()
	if !refused {
		return ok("")
	}
	r.bad = r.hangup // else it is told at MAIL
	return r
}

func (s *session) ehloCommand(args string) reply {
	if args == "" {
		return refuse("protocol", "501 Syntax: EHLO hostname")
	}
	r := s.hello(args)
	if r.bad {
		return r
	}
	s.protocol = "ESMTP"
	s.mask = s.ehloMaskOf()
	lines := append([]string{conf.MyHostname}, s.keywords()...)
	if strings.HasPrefix(r.text, "5") { // a filter refuses the client
		lines = []string{conf.MyHostname, "ENHANCEDSTATUSCODES"}
	}
	for i := range lines {
		lines[i] = "250-" + lines[i]
	}
	last := len(lines) - 1
	lines[last] = "250 " + lines[last][4:]
	return ok(strings.Join(lines, "\n"))
}

// ehloMaskOf is what this client does not hear about.
func (s *session) ehloMaskOf() ehloMask {
	mask := s.discard
	if !s.discardMaps.Empty() && !s.alone {
		value, found, err := s.discardMaps.Lookup(s.client.Address)
		if err != nil {
			msg.Warn("smtpd_discard_ehlo_keyword_address_maps: %v", err)
		} else if found {
			mask = parseMask(value, "smtpd_discard_ehlo_keyword_address_maps")
		}
	}
	logDiscard(mask)
	return mask
}

func logDiscard(mask ehloMask) {
	var shown []string
	for _, known := range maskNames {
		if mask&known.bit != 0 && known.shown != "" {
			shown = append(shown, known.shown)
		}
	}
	if len(shown) > 0 && mask&maskSilent == 0 {
		msg.Info("discarding EHLO keywords: %s", strings.Join(shown, " "))
	}
}

// keywords are the extensions that are announced, in the order of stock.
func (s *session) keywords() []string {
	var list []string
	add := func(bit ehloMask, when bool, text string) {
		if when && s.mask&bit == 0 {
			list = append(list, text)
		}
	}
	size := "SIZE"
	if conf.MessageSizeLimit > 0 {
		size += " " + strconv.FormatInt(conf.MessageSizeLimit, 10)
	}
	add(maskPipelining, true, "PIPELINING")
	add(maskSize, true, size)
	add(maskVRFY, !conf.DisableVRFY, "VRFY")
	add(maskETRN, true, "ETRN")
	add(maskStartTLS, s.tls.offered && !s.alone && s.secret == nil, "STARTTLS")
	for _, line := range s.authKeywords() {
		add(maskAuth, true, line)
	}
	add(0, conf.VerpClients != "" && s.inList(s.verpClients, "smtpd_authorized_verp_clients"), "XVERP")
	add(maskXclient, s.mayXclient(), "XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT")
	add(maskXforward, s.mayXforward(), "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT")
	add(maskStatusCodes, true, "ENHANCEDSTATUSCODES")
	add(mask8BITMIME, true, "8BITMIME")
	add(maskDSN, true, "DSN")
	add(maskSMTPUTF8, conf.Address.SMTPUTF8Enable, "SMTPUTF8")
	add(maskChunking, true, "CHUNKING")
	add(maskRequireTLS, s.mayRequireTLS(), "REQUIRETLS")
	return list
}
