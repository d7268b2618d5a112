package main

import (
	"fmt"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/mail/convert"
	"postrider/lib/mail/mime"
)

// A check is a list of tables that decide about lines on their way to a server.
// Source: header_checks(5).
type check struct {
	name string // of its parameter, for complaints
	list *table.List
}

// checks are those of this program.
type checks struct{ header, mimeHeader, nestedHeader, body check }

func (c *checks) open() error {
	for _, p := range []struct {
		check  *check
		name   string
		tables string
	}{
		{&c.header, "smtp_header_checks", conf.HeaderChecks},
		{&c.mimeHeader, "smtp_mime_header_checks", conf.MIMEHeaderChecks},
		{&c.nestedHeader, "smtp_nested_header_checks", conf.NestedHeaderChecks},
		{&c.body, "smtp_body_checks", conf.BodyChecks},
	} {
		name := paramName(p.name)
		list, err := table.OpenList(p.tables, 0)
		if err != nil {
			return fmt.Errorf("parameter %s: %w", name, err)
		}
		*p.check = check{name, list}
	}
	return nil
}

func (c *checks) headers() bool {
	return !c.header.list.Empty() || !c.mimeHeader.list.Empty() || !c.nestedHeader.list.Empty()
}

// of is the check that applies to a header line. A line that the converter made is
// one like any other where it stands.
func (c *checks) of(place convert.Place, line string, made bool) check {
	name, _, _ := strings.Cut(line, ":")
	switch {
	case place == convert.Part, !made && mime.Describes(strings.ToLower(strings.TrimRight(name, " \t"))):
		return c.mimeHeader
	case place == convert.Nested:
		return c.nestedHeader
	}
	return c.header
}

// A verdict is what becomes of a line.
type verdict struct {
	prepend []string
	line    string
	drop    bool
}

// check looks a line up. When a table fails, the message is tried again later.
func (d *delivery) check(c check, context, line string) (verdict, error) {
	v := verdict{line: line}
	if c.list.Empty() || line == "" {
		return v, nil
	}
	action, found, err := c.list.Lookup(line)
	if err != nil {
		msg.Warn("%v", err)
		msg.Warn("%s: smtp %s checks lookup error", d.id(), context)
		return v, errLocal
	}
	if !found {
		return v, nil
	}
	command, text, _ := strings.Cut(strings.TrimSpace(action), " ")
	command, text = strings.ToUpper(command), strings.TrimSpace(text)
	done := func(word string) { d.logDecision(word, context, line, text) }
	switch command {
	case "DUNNO", "OK":
	case "INFO":
		done("info")
	case "WARN":
		done("warning")
	case "IGNORE":
		v.drop = true
	case "STRIP":
		done("strip")
		v.drop = true
	case "PREPEND", "REPLACE":
		switch {
		case text == "":
			msg.Warn("%s action without text in %s map", command, c.name)
		case command == "PREPEND":
			done("prepend")
			v.prepend = []string{text}
		default:
			done("replace")
			v.line = text
		}
	default:
		msg.Warn("unsupported command in %s map: %s", c.name, action)
	}
	return v, nil
}

// logDecision writes a line about a decision; its form is fixed.
func (d *delivery) logDecision(action, context, line, text string) {
	if text != "" {
		text = ": " + text
	}
	msg.Info("%s: %s: %s %s%s", d.id(), action, context, line[:min(len(line), 60)], text)
}

// A bodyChecker sends what checks leave of the lines of bodies. A long line is
// looked at piece by piece.
type bodyChecker struct {
	d *delivery
	w *lineWriter
}

func (b bodyChecker) line(data []byte, ended bool) error {
	v, err := b.d.check(tables.checks.body, "body", string(data))
	if err != nil {
		return err
	}
	for _, line := range v.prepend {
		if err := b.w.write([]byte(line), true); err != nil {
			return err
		}
	}
	if v.drop {
		return nil
	}
	return b.w.write([]byte(v.line), ended)
}
