package access

import (
	"strings"

	"postrider/lib/mail/dsn"
	"postrider/lib/net/dns"
	"postrider/lib/service/rewrite"

	"golang.org/x/net/idna"
)

// split separates an address in internal form at its last @.
func split(address string) (local, domain string, ok bool) {
	i := strings.LastIndexByte(address, '@')
	if i < 0 {
		return address, "", false
	}
	return address[:i], address[i+1:], true
}

// ascii returns the form of a domain that the DNS knows.
func ascii(domain string) string {
	for i := range len(domain) {
		if domain[i] >= 0x80 {
			if a, err := idna.ToASCII(domain); err == nil {
				return a
			}
			break
		}
	}
	return domain
}

func rejectNonFQDNSender(w *walk, _ string) answer {
	if w.Sender == nil || *w.Sender == "" {
		return dunno
	}
	return w.nonFQDN(*w.Sender, classSender)
}

func rejectNonFQDNRecipient(w *walk, _ string) answer {
	if w.Recipient == nil || *w.Recipient == "" || strings.EqualFold(*w.Recipient, "postmaster") {
		return dunno
	}
	return w.nonFQDN(*w.Recipient, classRecipient)
}

func (w *walk) nonFQDN(address, class string) answer {
	_, domain, ok := split(address)
	if ok && (strings.HasPrefix(domain, "[") || qualified(domain)) {
		return dunno
	}
	return w.reject(Policy, w.codes.NonFQDN, "5.5.2", "<%s>: %s rejected: need fully-qualified address", address, class)
}

func rejectUnknownSenderDomain(w *walk, _ string) answer {
	if w.Sender == nil || *w.Sender == "" {
		return dunno
	}
	return w.unknownDomain(*w.Sender, classSender, domainReplies{"4.1.8", 550, "5.7.27"})
}

func rejectUnknownRecipientDomain(w *walk, _ string) answer {
	if w.Recipient == nil || *w.Recipient == "" {
		return dunno
	}
	return w.unknownDomain(*w.Recipient, classRecipient, domainReplies{"4.1.2", 556, "5.1.10"})
}

// The replies for a domain that does not exist, or says it takes no mail.
type domainReplies struct {
	unknown  dsn.Status
	nullCode int
	null     dsn.Status
}

// unknownDomain refuses addresses with a domain that is not ours and has
// neither mail exchanger nor address.
func (w *walk) unknownDomain(address, class string, r domainReplies) answer {
	reply := w.svc.Resolver.Resolve(w.from(), address)
	if reply.Flags&rewrite.FlagFail != 0 {
		return w.lookupFailed(address)
	}
	_, domain, ok := split(reply.Recipient)
	if final(reply) || !ok || domain == "" || strings.HasPrefix(domain, "[") {
		return dunno
	}
	err := w.svc.Names.Exists(ascii(domain), dns.TypeMX, dns.TypeA, dns.TypeAAAA)
	switch dns.KindOf(err) {
	case 0:
		return dunno
	case dns.NullMX:
		return w.reject(Policy, r.nullCode, r.null, "<%s>: %s rejected: %v", address, class, err)
	case dns.Invalid:
		return w.reject(Policy, w.codes.UnknownAddress, r.unknown, "<%s>: %s rejected: Malformed DNS server reply", address, class)
	case dns.NotFound:
		return w.reject(Policy, w.codes.UnknownAddress, r.unknown, "<%s>: %s rejected: Domain not found", address, class)
	}
	return w.tempfail(w.codes.UnknownAddressTempfail, Policy, 450, r.unknown, "<%s>: %s rejected: Domain not found", address, class)
}

// from is the sender, as far as it is known.
func (w *walk) from() string {
	if w.Sender == nil {
		return ""
	}
	return *w.Sender
}

// final reports whether this machine is the end of the way.
func final(r rewrite.ResolveReply) bool {
	return r.Flags&(rewrite.ClassLocal|rewrite.ClassAlias|rewrite.ClassMailbox) != 0
}
