package main

import (
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/mail/address"
	"postrider/lib/mail/convert"
)

// converter makes what changes the content for this server, or nil: 8-bit text
// for a server without 8BITMIME, addresses that are for local use, or lines that
// checks are about.
func (t *transaction) converter(w *lineWriter) *convert.Converter {
	c := &convert.Converter{Out: w.write}
	c.SevenBit = !t.eightBit && t.d.req.Encoding != "7bit" && !conf.DisableMIMEOutputConversion
	if !tables.generic.Empty() || tables.checks.headers() {
		c.Header = t.d.headerLine
	}
	if !tables.checks.body.list.Empty() {
		c.Body = bodyChecker{t.d, w}.line
	}
	if !c.SevenBit && c.Header == nil && c.Body == nil {
		return nil
	}
	return c
}

// headerLine says what is sent for a header line: what checks leave of it, with the
// addresses that the Internet knows.
func (d *delivery) headerLine(place convert.Place, line string, made bool) ([]string, error) {
	v, err := d.check(tables.checks.of(place, line, made), "header", line)
	if err != nil || v.drop {
		return v.prepend, err
	}
	if place == convert.Own && !tables.generic.Empty() {
		v.line = d.genericHeader(v.line)
	}
	return append(v.prepend, v.line), nil
}

// addressHeaders are the header lines with addresses, in lower case.
var addressHeaders = map[string]bool{
	"from": true, "sender": true, "reply-to": true, "to": true, "cc": true, "bcc": true,
	"resent-from": true, "resent-sender": true, "resent-reply-to": true,
	"resent-to": true, "resent-cc": true, "resent-bcc": true,
	"errors-to": true, "return-receipt-to": true, "apparently-to": true,
	"disposition-notification-to": true, "mail-followup-to": true, "mail-reply-to": true,
}

// genericHeader replaces addresses in a header line. When a table fails, the line
// stays and the whole message is tried again later.
func (d *delivery) genericHeader(line string) string {
	name, _, _ := strings.Cut(line, ":")
	if !addressHeaders[strings.ToLower(strings.TrimRight(name, " \t"))] {
		return line
	}
	line, _ = address.Rewrite(line, func(external string) string {
		internal := address.Unquote(external)
		out, err := outside(internal)
		if err != nil {
			msg.Warn("%s: %v", d.id(), err)
			d.tableFailed = true
		}
		if out == internal {
			return external
		}
		return address.Quote(out)
	})
	return line
}

// outside gives the form of an address that the Internet knows: the first
// address that $smtp_generic_maps has for it.
func outside(internal string) (string, error) {
	if tables.generic.Empty() || internal == "" {
		return internal, nil
	}
	found, ok, err := tables.generic.Addresses(internal, propagateGeneric)
	if err != nil || !ok {
		return internal, err
	}
	return address.Unquote(found[0]), nil
}
