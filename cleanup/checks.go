package main

import (
	"fmt"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/mail/address"
	"postrider/lib/mail/dsn"
	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
)

// A check is a list of tables that decide about lines of a message.
type check struct {
	name string // of its parameter, for complaints
	list *table.List
}

func openCheck(name, tables string) check {
	list, err := table.OpenList(tables, 0)
	if err != nil {
		msg.Fatal("parameter %s: %v", name, err)
	}
	return check{name, list}
}

// decisions are what checks said about the message as a whole.
type decisions struct {
	filter   string   // transport:destination instead of content_filter
	redirect string   // who gets the message instead of its recipients
	bcc      []string // who gets a copy, in external form
}

// A verdict is what becomes of a line.
type verdict struct {
	drop    bool
	replace *string // the line that comes instead
	prepend string  // a line that comes in front
}

// check looks a header or a line of the body up.
func (m *message) check(c check, context, line string) verdict {
	if m.flags&cleanup.FlagFilter == 0 || c.list.Empty() {
		return verdict{}
	}
	action, found, err := c.list.Lookup(line)
	switch {
	case err != nil:
		msg.Warn("%s: %s map lookup problem -- message not accepted, try again later: %v", m.id, c.name, err)
		m.status |= cleanup.StatusWrite
		return verdict{}
	case !found:
		return verdict{}
	}
	return m.decide(c, context, line, action)
}

// decide carries an action out. Source: header_checks(5).
func (m *message) decide(c check, context, line, action string) verdict {
	command, text, _ := strings.Cut(strings.TrimSpace(action), " ")
	command, text = strings.ToUpper(command), strings.TrimSpace(text)
	if complaint := badAction(c.name, command, text, action); complaint != "" {
		msg.Warn("%s", complaint)
		return verdict{}
	}
	done := func(word string) { m.logDecision(word, context, line, text) }
	switch command {
	case "DUNNO", "OK":
	case "IGNORE":
		return verdict{drop: true}
	case "STRIP":
		done("strip")
		return verdict{drop: true}
	case "WARN":
		done("warning")
	case "INFO":
		done("info")
	case "PREPEND":
		done("prepend")
		return verdict{prepend: text}
	case "REPLACE":
		done("replace")
		return verdict{replace: &text}
	case "BCC":
		done("bcc")
		m.decisions.bcc = append(m.decisions.bcc, text)
	case "FILTER":
		done("filter")
		m.decisions.filter = text
	case "HOLD":
		if m.flags&cleanup.FlagHold == 0 {
			done("hold")
			m.flags |= cleanup.FlagHold
		}
	case "DISCARD":
		done("discard")
		m.flags = m.flags&^cleanup.FlagFilter | cleanup.FlagDiscard
	case "PASS":
		done("pass")
		m.flags &^= cleanup.FlagFilter
	case "REDIRECT":
		done("redirect")
		m.decisions.redirect = text
		m.flags &^= cleanup.FlagFilter
	case "REJECT":
		m.refuse(context, line, text)
	}
	return verdict{}
}

// badAction says what is wrong with a result of a table.
func badAction(name, command, text, action string) string {
	switch command {
	case "DUNNO", "OK", "IGNORE", "STRIP", "WARN", "INFO", "HOLD", "DISCARD", "PASS", "REJECT":
		return ""
	case "PREPEND", "REPLACE":
		if text == "" {
			return fmt.Sprintf("%s action without text in %s map", command, name)
		}
	case "FILTER":
		if !strings.Contains(text, ":") {
			return fmt.Sprintf("bad FILTER command %s in %s -- need transport:destination", text, name)
		}
	case "REDIRECT":
		if !strings.Contains(text, "@") {
			return fmt.Sprintf("bad REDIRECT target %q in %s map -- need user@domain", text, name)
		}
	case "BCC":
		if !strings.Contains(text, "@") {
			return fmt.Sprintf("bad BCC address %q in %s map -- need user@domain", text, name)
		}
	default:
		return fmt.Sprintf("unknown command in %s map: %s", name, action)
	}
	return ""
}

// refuse makes the message one that is not taken.
func (m *message) refuse(context, line, text string) {
	_, status, words := cleanup.StatusCont.Detail()
	if text != "" {
		s, rest := dsn.Split(text, dsn.Status(status))
		status, words = string(s), rest
	}
	if status[0] == '4' {
		m.status |= cleanup.StatusDefer
	} else {
		m.status |= cleanup.StatusCont
	}
	m.reason = status + " " + words
	m.logDecision("reject", context, line, m.reason)
}

// logged is how much of a line is logged.
const logged = 200

// logDecision writes a line about a decision; its form is fixed.
func (m *message) logDecision(action, context, line, text string) {
	about := ""
	if m.protocol != "" {
		about = " proto=" + m.protocol
	}
	if m.helo != "" {
		about += " helo=<" + m.helo + ">"
	}
	if text != "" {
		about += ": " + text
	}
	if m.milters.checking {
		action = "milter-header-" + action
	}
	m.logAbout(action, context+" "+line[:min(len(line), logged)], about)
}

func (m *message) logAbout(action, what, about string) {
	to := ""
	if m.lastRecipient != "" {
		to = " to=<" + m.lastRecipient + ">"
	}
	msg.Info("%s: %s: %s from %s; from=<%s>%s%s", m.id, action, what, m.origin(), m.sender, to, about)
}

// writeDecisions puts what was decided about the message behind its text.
func (m *message) writeDecisions() {
	if m.decisions.filter != "" {
		m.put(record.Filter, m.decisions.filter)
	}
	if m.decisions.redirect != "" {
		m.put(record.Redirect, address.Unquote(m.decisions.redirect))
	}
	m.decisions.filter, m.decisions.redirect = "", ""
}
