package main

import (
	"strings"
	"time"

	"postrider/lib/base/macro"
	"postrider/lib/base/msg"
	"postrider/lib/net/dialogue"
	"postrider/smtpd/access"
)

// A reply is the answer to a command. Lines are separated by newlines; an
// empty text says that the command has replied itself.
type reply struct {
	text    string
	bad     bool   // the command did not do what it should
	trouble string // the class of notify_classes that this belongs to
	hangup  bool   // the session ends

	uncounted bool // the statistics do not call it good
}

func ok(text string) reply { return reply{text: text} }

func refuse(trouble, text string) reply { return reply{text: text, bad: true, trouble: trouble} }

func refused(r *access.Refusal) reply { return refuse(string(r.Trouble), r.Reply) }

// say sends a reply. Clients that make many errors wait for it. The codes 421
// and 521 end the session.
func (s *session) say(text string) {
	text = s.soften(text)
	text = s.footer(s.replaced(text))
	if s.errors >= conf.SoftErrorLimit && !s.alone && conf.ErrorSleepTime > 0 {
		s.s.Flush()
		time.Sleep(conf.ErrorSleepTime)
	}
	for line := range strings.SplitSeq(text, "\n") {
		line = msg.Printable(line) // it may repeat what the client said
		msg.Debug("> %s: %s", s.nameAddr(), line)
		s.history.add("Out: ", line)
		s.s.WriteString(line)
		s.s.WriteString("\r\n")
	}
	if strings.HasPrefix(text, "421") || strings.HasPrefix(text, "521") {
		s.hangup = true
	}
}

// soften turns a permanent failure into a temporary one under soft_bounce.
func (s *session) soften(text string) string {
	if !conf.Access.SoftBounce || !strings.HasPrefix(text, "5") {
		return text
	}
	b := []byte(text)
	b[0] = '4'
	if len(b) > 4 && b[4] == '5' && len(b) > 5 && b[5] == '.' {
		b[4] = '4'
	}
	return string(b)
}

// replaced is what $smtpd_reject_filter_maps says instead of a refusal.
func (s *session) replaced(text string) string {
	if s.rejects.Empty() || !isRefusal(text) {
		return text
	}
	value, found, err := s.rejects.Lookup(text)
	switch {
	case err != nil:
		msg.Warn("%s: smtpd_reject_filter_maps lookup error: %v", s.queueID(), err)
		return text
	case !found:
		return text
	case !isRefusal(value) || len(value) < 3 || !allDigits(value[:3]):
		msg.Warn("%s: smtpd_reject_filter_maps: %q is not a 4xx or 5xx reply; using %q", s.queueID(), value, text)
		return text
	}
	msg.Info("%s: reject filter in: %s", s.queueID(), text)
	msg.Info("%s: reject filter out: %s", s.queueID(), value)
	return value
}

func isRefusal(text string) bool { return text != "" && (text[0] == '4' || text[0] == '5') }

// footer adds the text that the administrator wants to see after refusals.
func (s *session) footer(text string) string {
	if !isRefusal(text) {
		return text
	}
	template := string(conf.RejectFooter)
	if value, found, err := s.footers.Lookup(text); err == nil && found {
		template = value
	}
	if template == "" {
		return text
	}
	facts := s.facts()
	e := macro.Expander{Filter: s.filter, Unknown: func(name string) {
		msg.Warn("unknown macro name %q in expansion request", name)
	}, Lookup: func(name string) (string, bool) {
		switch name {
		case "localtime":
			return time.Now().Format(time.Stamp), true
		case "server_name":
			return conf.MyHostname, true
		}
		return facts.Macro(name)
	}}
	words, err := e.Expand(template)
	if err != nil {
		msg.Warn("smtpd_reject_footer: %v", err)
		return text
	}
	return dialogue.Footer(text, words)
}
