package main

import (
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"postrider/lib/base/match"
	"postrider/lib/base/msg"
	"postrider/lib/mail/param"
	"postrider/lib/mail/queue"
	"postrider/lib/service/flush"
	"postrider/lib/service/ipc"
)

// patience is how long the flush service may take.
const patience = time.Hour

// flushAll is what makes the queue manager try everything: forget what is dead,
// ignore times, look at both queues.
const flushAll = ipc.Unthrottle + ipc.IgnoreTimes + ipc.ScanDeferred + ipc.ScanIncoming

// flushQueue makes the mail system try mail now.
func flushQueue(r request, settings *param.Settings) {
	switch r.mode {
	case 'f':
		err := conf.Trigger("public/"+conf.QueueServiceName, flushAll)
		if err == nil {
			err = ipc.Trigger("public/"+conf.PickupServiceName, ipc.Wakeup)
		}
		if err != nil {
			msg.Debug("%v", err)
			fatal("Cannot flush mail queue - mail system is down")
		}
	case 'i':
		if !queue.ValidID(r.text) {
			fatal("Cannot flush queue ID - invalid name: %q", r.text)
		}
		report(flush.SendFile(conf.flushParams, r.text, patience))(r.text)
	case 's':
		if !validSite(r.text) {
			fatal("Cannot flush mail queue - invalid destination: %q", r.text)
		}
		if !eligible(r.text, settings) {
			report(flush.Deny, nil)(r.text)
		}
		report(flush.SendSite(conf.flushParams, r.text, patience))(r.text)
	}
}

// eligible reports whether the flush service keeps logs for a site, so that the
// answer does not depend on whether it runs.
func eligible(site string, settings *param.Settings) bool {
	parents, err := match.Strings("parent_domain_matches_subdomains", settings.Value("parent_domain_matches_subdomains"))
	if err != nil {
		fatal("%v", err)
	}
	below, err := parents.Match("fast_flush_domains")
	if err != nil {
		fatal("%v", err)
	}
	domains, err := match.Domains("fast_flush_domains", settings.Value("fast_flush_domains"), below)
	if err != nil {
		fatal("%v", err)
	}
	yes, err := domains.Match(site)
	return yes || err != nil // then the service may know better
}

// report ends the command when the flush service could not do what was asked.
func report(status flush.Status, err error) func(what string) {
	return func(what string) {
		switch {
		case err != nil:
			msg.Warn("%v", err)
			fatal("Cannot flush mail queue - mail system is down")
		case status == flush.Deny:
			fatal("Flush service is not configured for destination %q", what)
		case status == flush.Bad:
			fatal("Invalid request: %q", what)
		case status != flush.OK:
			fatal("Cannot flush mail queue - the flush service reported status %d", status)
		}
	}
}

// validSite reports whether text is a domain, or an address in brackets as in
// a mail address. RFC 5321, section 4.1.3.
func validSite(text string) bool {
	if inside, ok := strings.CutPrefix(text, "["); ok {
		inside, ok = strings.CutSuffix(inside, "]")
		if six, cut := cutPrefixFold(inside, "ipv6:"); cut {
			addr, err := netip.ParseAddr(six)
			return ok && err == nil && addr.Is6()
		}
		addr, err := netip.ParseAddr(inside)
		return ok && err == nil && addr.Is4()
	}
	domain, err := idna.Lookup.ToASCII(text)
	if err != nil {
		domain = text
	}
	return validDomain(domain)
}

func cutPrefixFold(text, prefix string) (string, bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return text, false
	}
	return text[len(prefix):], true
}

// validDomain reports whether text is a host name: labels of letters, digits,
// hyphens and underscores, not all of digits. RFC 1123, section 2.1.
func validDomain(text string) bool {
	if text == "" || len(text) > 255 {
		return false
	}
	numeric := true
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			switch {
			case c >= '0' && c <= '9':
			case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '_':
				numeric = false
			default:
				return false
			}
		}
	}
	return !numeric
}
