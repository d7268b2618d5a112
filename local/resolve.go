package main

import (
	"strings"

	"postrider/lib/mail/address"
	"postrider/lib/service/rewrite"
)

// deliverValues delivers to all destinations of an expansion.
func (t task) deliverValues(values []string) bool {
	done := true
	for _, value := range values {
		done = t.deliverValue(value) && done
		if t.corrupt {
			return false
		}
	}
	return done
}

// deliverValue delivers to one destination of an expansion.
func (t task) deliverValue(value string) bool {
	const include = ":include:"
	switch {
	case value[0] == '/':
		return t.deliverFile(value)
	case value[0] == '|':
		return t.deliverCommand(value[1:])
	case len(value) >= len(include) && strings.EqualFold(value[:len(include)], include):
		return t.expandInclude(value[len(include):])
	}
	return t.deliverAddress(value)
}

// deliverAddress delivers to an address in internal form, here or, when it is
// for another transport, as a new message.
func (t task) deliverAddress(addr string) bool {
	addr = canonical(addr)
	if t.unmatched != "" && site.propagate[string(t.origin)] {
		addr = t.extend(addr)
	}
	t.unmatched = ""
	reply := site.rewrite.Resolve(t.sender, addr)
	if reply.Flags&rewrite.FlagFail != 0 {
		return t.failed("4.3.0", "address resolver failure")
	}
	t.to.Address = reply.Recipient
	if reply.Transport == t.Service {
		return t.deliver()
	}
	return t.indirect()
}

// extend gives an address the extension of the one that it was expanded from,
// unless it has one.
func (t task) extend(addr string) string {
	local, domain, ok := address.Split(addr)
	if _, _, has := address.SplitExtension(local, conf.Address.RecipientDelimiter); has {
		return addr
	}
	local += t.delimiter + t.unmatched
	if !ok {
		return local
	}
	return local + "@" + domain
}
