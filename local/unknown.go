package main

import (
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/mail/mailbox"
)

// unknown is for names that are neither aliases nor users.
func (t task) unknown() bool {
	transport, ok := t.choose(site.fallbackTransports.Lookup, conf.FallbackTransport)
	switch {
	case !ok:
		return false
	case transport != "":
		return t.pass(transport)
	}
	if relay := string(conf.LuserRelay); relay != "" && t.level < maxLevel {
		return t.relayUnknown(relay)
	}
	if strings.EqualFold(t.user, "postmaster") || strings.EqualFold(t.user, mailbox.MailerDaemon) {
		// Mail for these must not bounce: it may be about bounces.
		msg.Warn("required alias not found: %s", t.user)
		return t.sent("discarded")
	}
	return t.failed("5.1.1", "unknown user: \"%s\"", t.user)
}

// relayUnknown delivers to luser_relay. It names an address, and comes to an
// end there even when that is unknown, too.
func (t task) relayUnknown(relay string) bool {
	if t.seen.before("luser_relay %s", t.to.Address) || t.seen.has("luser_relay") {
		return t.failed("5.1.1", "unknown user: \"%s\"", t.user)
	}
	t.seen.before("luser_relay")
	addr, _, err := t.expand(relay, "")
	if err != nil || addr == "" {
		msg.Warn("bad parameter value syntax for luser_relay: %s", relay)
		return t.misconfigured("4.3.5")
	}
	t.unmatched, t.alias, t.origin = "", "", fromRequest
	return t.deliverAddress(addr)
}
