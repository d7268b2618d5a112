package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// xforwardCommands tell a content filter where the message came from, with those
// attributes that it announced.
func (t *transaction) xforwardCommands() []command {
	if !conf.SendXForwardCommand || len(t.xforward) == 0 {
		return nil
	}
	req := t.d.req
	source := "REMOTE"
	if req.RewriteContext == "local" {
		source = "LOCAL"
	}
	list := t.xforwardLines(xforwardName, [][2]string{
		{"NAME", req.ClientName}, {"ADDR", req.ClientAddress}, {"PORT", req.ClientPort}})
	return append(list, t.xforwardLines(xforwardProto, [][2]string{
		{"PROTO", req.ClientProtocol}, {"HELO", req.ClientHelo},
		{"IDENT", req.LogIdent}, {"SOURCE", source}})...)
}

// xforwardLines puts attributes into commands of at most 512 bytes.
func (t *transaction) xforwardLines(st stage, attributes [][2]string) []command {
	const most = 510
	var list []command
	line := "XFORWARD"
	flush := func() {
		if line != "XFORWARD" {
			list = append(list, command{stage: st, text: line, limit: conf.XForwardTimeout})
			line = "XFORWARD"
		}
	}
	for _, a := range attributes {
		name, value := a[0], a[1]
		if !t.xforward[name] || value == "" {
			continue
		}
		if value == "unknown" {
			value = "[UNAVAILABLE]"
		}
		part := " " + name + "=" + xtext(value)
		if len(line)+len(part) > most {
			flush()
		}
		line += part
	}
	flush()
	return list
}

// xtext encodes text such that it has only printable characters, without blanks,
// + and =. RFC 3461, section 4.
func xtext(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// utf8xtext encodes an internationalized address for servers without SMTPUTF8:
// other characters than ASCII become \x{N}. RFC 6533, section 3.
func utf8xtext(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r <= ' ' || r == 0x7f || r == '+' || r == '=' || r == '\\' || r >= utf8.RuneSelf:
			fmt.Fprintf(&b, `\x{%02X}`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
