package main

import (
	"strconv"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/daemon/agent"
	"postrider/lib/net/dialogue"
)

// greet reads the server's greeting, says who we are and learns what the server
// can do. False means that no mail can be sent; what became of the recipients
// is told already.
func (s *session) greet(d *delivery) bool {
	if conf.TLS.Wrappermode && !s.startTLS(d) {
		return false
	}
	s.within(conf.HeloTimeout)
	reply, err := s.reply()
	if err != nil {
		d.failAll(s, s.broken(err, "receiving the initial server greeting"), true)
		return false
	}
	if reply.Class() != 2 {
		d.failAll(s, s.refused(reply, true), true)
		return false
	}
	s.firewall(reply, d.age())
	if s.loops && s.greetsAsMe(reply) {
		msg.Warn("host %s greeted me with my own hostname %s", s.relay(), conf.MyHostname)
	}
	hello, ok := s.hello(d, reply)
	return ok && s.learn(d, hello) && s.secure(d, reply)
}

// refused makes the report of a server that will not talk with us. A greeting of 5xx is
// taken for trouble that may pass, or that another server does not have.
func (s *session) refused(reply dialogue.Reply, greeting bool) *agent.Outcome {
	if greeting && reply.Class() == 5 && conf.Skip5xxGreeting {
		reply.Status = reply.Status.WithClass('4')
	}
	return s.refusal(reply, "host %s refused to talk to me: %s", s.name(), reply.Text())
}

// greetsAsMe looks for our own name among the words of a greeting.
func (s *session) greetsAsMe(reply dialogue.Reply) bool {
	for _, line := range reply.Lines {
		for word := range strings.FieldsSeq(line[min(4, len(line)):]) {
			if strings.EqualFold(word, conf.MyHostname) {
				return true
			}
		}
	}
	return false
}

// hello says EHLO, LHLO, or HELO to old servers.
func (s *session) hello(d *delivery, greeting dialogue.Reply) (dialogue.Reply, bool) {
	if lmtp {
		return s.introduce(d, "LHLO", true)
	}
	word := strings.Contains(" "+strings.ToUpper(strings.Join(greeting.Lines, " "))+" ", " ESMTP ")
	if !conf.NeverSendEhlo && !s.pixESMTP && (conf.AlwaysSendEhlo || word) {
		reply, err := s.ask("EHLO "+conf.HeloName, conf.HeloTimeout)
		switch {
		case err != nil:
			d.failAll(s, s.broken(err, "performing the EHLO handshake"), true)
			return reply, false
		case reply.Class() == 2:
			s.esmtp = true
			return reply, true
		case reply.Code == 421:
			d.failAll(s, s.refused(reply, false), true)
			return reply, false
		}
	}
	return s.introduce(d, "HELO", false)
}

func (s *session) introduce(d *delivery, command string, esmtp bool) (dialogue.Reply, bool) {
	reply, err := s.ask(command+" "+conf.HeloName, conf.HeloTimeout)
	switch {
	case err != nil:
		d.failAll(s, s.broken(err, "performing the "+command+" handshake"), true)
	case reply.Class() != 2:
		d.failAll(s, s.refused(reply, false), true)
	default:
		s.esmtp = esmtp
		return reply, true
	}
	return reply, false
}

// learn takes over the features of a server, and looks whether it is us.
func (s *session) learn(d *delivery, reply dialogue.Reply) bool {
	words := strings.Fields(reply.Lines[0][min(4, len(reply.Lines[0])):])
	if s.loops && len(words) > 0 && strings.EqualFold(words[0], conf.MyHostname) {
		msg.Warn("host %s replied to HELO/EHLO with my own hostname %s", s.relay(), conf.MyHostname)
		why := loopsBack(d.req.NextHop)
		d.failAll(s, why, true)
		return false
	}
	if s.tls == nil && len(words) > 0 {
		s.helo = words[0]
	}
	if s.esmtp {
		ignored, err := s.ignoredKeywords()
		if err != nil {
			d.failAll(s, failure("4.3.0", "%s: %v", s.name(), err), false)
			return false
		}
		for _, line := range reply.Lines[1:] {
			s.keyword(strings.Fields(line[min(4, len(line)):]), ignored)
		}
	}
	s.replies.Strict = s.pipelining
	return true
}

// ignoredKeywords are the ones that the administrator does not want to use.
func (s *session) ignoredKeywords() ([]string, error) {
	words := conf.DiscardEhloKeywords
	if !tables.keywords.Empty() {
		found, ok, err := tables.keywords.Lookup(s.address())
		if err != nil {
			return nil, err
		}
		if ok {
			words = found
		}
	}
	var list []string
	silent := false
	for _, word := range text.Split(strings.ToUpper(words)) {
		if word == "SILENT-DISCARD" {
			silent = true
		} else {
			list = append(list, word)
		}
	}
	if len(list) > 0 && !silent {
		msg.Info("discarding EHLO keywords: %s", strings.Join(list, " "))
	}
	return list, nil
}

// keyword takes over one line of the reply to EHLO.
func (s *session) keyword(words []string, ignored []string) {
	if len(words) == 0 {
		return
	}
	name := strings.ToUpper(words[0])
	if first, ok := strings.CutPrefix(name, "AUTH="); ok { // an old form
		name, words = "AUTH", append([]string{"AUTH", first}, words[1:]...)
	}
	for _, word := range ignored {
		if word == name {
			return
		}
	}
	switch name {
	case "PIPELINING":
		s.pipelining = true
	case "8BITMIME":
		s.eightBit = true
	case "DSN":
		s.dsn = true
	case "SMTPUTF8":
		s.smtputf8 = true
	case "STARTTLS":
		s.starttls = true
	case "REQUIRETLS":
		s.requireTLS = true
	case "AUTH":
		s.offersAuth, s.auth = true, strings.Join(words[1:], " ")
		if s.auth == "" && logins != nil {
			msg.Warn("%s offered null AUTH mechanism list", s.relay())
		}
	case "SIZE":
		s.size = true
		s.setSizeLimit(words[1:])
	case "XFORWARD":
		s.xforward = map[string]bool{}
		for _, word := range words[1:] {
			s.xforward[strings.ToUpper(word)] = true
		}
	}
}

func (s *session) setSizeLimit(words []string) {
	if len(words) == 0 {
		return
	}
	limit, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil || limit < 0 {
		msg.Warn("bad EHLO SIZE limit \"%s\" from %s", words[0], s.relay())
		s.size = false
		return
	}
	s.sizeLimit = limit
}

// firewall finds out whether the greeting comes from a PIX firewall, which
// hides its server's greeting behind asterisks, and what to do about it.
func (s *session) firewall(greeting dialogue.Reply, age time.Duration) {
	words := conf.PixWorkarounds
	if !tables.pix.Empty() {
		found, ok, err := tables.pix.Lookup(s.address())
		switch {
		case err != nil:
			msg.Warn("%s: %v", s.id, err)
		case ok:
			words = found
		}
	}
	first := greeting.Lines[0]
	if words == "" || age < conf.PixWorkaroundThresholdTime || !strings.Contains(first, "**") || strings.Trim(first, "20 *") != "" {
		return
	}
	for _, word := range text.Split(words) {
		switch strings.ToLower(word) {
		case "disable_esmtp":
			s.pixESMTP = true
		case "delay_dotcrlf":
			s.pixDot = true
		default:
			msg.Warn("%s: unknown workaround \"%s\"", paramName("smtp_pix_workarounds"), word)
		}
	}
	msg.Info("%s: enabling PIX workarounds: %s for %s", s.id, words, s.relay())
}
